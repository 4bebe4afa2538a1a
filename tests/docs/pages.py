"""The pages of the documentation: README, CONTRIBUTING, CHANGELOG, SECURITY and docs/, and what can be read off them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)|src=\"([^\"]+)\"")
_SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def links(page: Path) -> Iterator[str]:
    """What a page links to or shows, addresses of the web left out."""
    for found in _LINK.finditer(page.read_text(encoding="utf-8")):
        target = found[1] or found[2]
        if "://" not in target:
            yield target


def shell_commands(page: Path) -> Iterator[str]:
    """The commands of a page's ```sh blocks, a line each, without their comments."""
    for block in _SHELL.findall(page.read_text(encoding="utf-8")):
        for line in block.splitlines():
            command = re.sub(r"(^|\s+)#.*$", "", line).strip()
            if command:
                yield command


def fence_languages(page: Path) -> Iterator[str]:
    """The language of each fenced block, '' where none is named."""
    fences = re.findall(r"^```(\w*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    yield from fences[::2]
