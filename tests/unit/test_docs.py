"""What the documentation says is true: pages made from the code are current, links lead somewhere, tests that are named
are there, and each command is run by a test."""

import re
from pathlib import Path

import pytest

from schemas.dead_letters import Reason
from tests.docs.commands import COMMANDS
from tests.docs.pages import PAGES, ROOT, fence_languages, links, shell_commands
from tests.docs.reference import FOLDER, TEXTS

README = ROOT / "README.md"
GUARANTEES = ROOT / "docs" / "GUARANTEES.md"
MOST_README_LINES = 120
# What may stand in a fence: `sh` is run by a test, the others are shown. A fence without a language would hide a command.
LANGUAGES = {"sh", "text", "csv", "python", "java", "http"}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", TEXTS, ids=name)
def test_a_page_that_is_made_from_the_code_is_current(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == TEXTS[page](), "run `make reference`"


def test_every_reason_of_a_dead_letter_is_explained() -> None:
    page = (FOLDER / "dead-letters.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \| \S", page, re.MULTILINE) == list(Reason)


def test_the_readme_is_one_page_and_the_two_commands_come_first() -> None:
    assert list(shell_commands(README))[:2] == ["make demo", "make test"]
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MOST_README_LINES


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    assert [target for target in links(page) if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_fence_names_its_language_and_commands_stand_in_sh_alone(page: Path) -> None:
    assert set(fence_languages(page)) <= LANGUAGES


def test_every_test_that_is_said_to_have_failed_under_sabotage_is_there() -> None:
    (table,) = re.findall(
        r"<!-- guarantees.*?-->(.*?)<!-- end of guarantees -->", GUARANTEES.read_text(encoding="utf-8"), re.DOTALL
    )
    rows = table.strip().splitlines()[2:]
    for row in rows:
        named = re.findall(r"\[`(\w+)`\]\(\.\./(tests/[\w/]+\.py)\)", row)
        assert named, row
        for test, path in named:
            assert is_there(test, path), f"{path} has no {test}"
    assert len(rows) > 30


def test_every_path_of_tests_that_is_named_is_there() -> None:
    """In the pages, in what runs the tests, and in the tests themselves."""
    named = [*PAGES, *(ROOT / each for each in ("DECISIONS.md", "Makefile", "pyproject.toml"))]
    missing = [
        f"{name(file)}: {path}"
        for file in [*named, *(ROOT / "tests").rglob("*.py")]
        for path in re.findall(r"(?<![\w/])tests/[a-z][\w/]*(?:\.\w+)?", file.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
    ]
    assert missing == []


def is_there(test: str, path: str) -> bool:
    source = (ROOT / path).read_text(encoding="utf-8")
    return re.search(rf"^(?:def {test}\(|{test} = )", source, re.MULTILINE) is not None


def test_every_command_is_run_by_a_test_that_is_there() -> None:
    shown = {command for page in PAGES for command in shell_commands(page)}
    assert shown == set(COMMANDS), "name the test that runs it in tests/docs/commands.py"
    for path, test in (each.split("::") for each in COMMANDS.values()):
        assert is_there(test, path), f"{path} has no {test}"


@pytest.mark.parametrize("command", sorted(command for command in COMMANDS if command.startswith("make ")))
def test_a_make_command_is_a_target_of_the_makefile(command: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{command.removeprefix('make ')}:", makefile, re.MULTILINE)


def test_a_tool_of_the_loop_of_a_change_is_installed() -> None:
    """`ruff` and `pytest` as CONTRIBUTING names them: this is a run of the second, and `make lint` runs the first."""
    assert ".venv/bin/python -m pytest tests/unit/streams" in COMMANDS
    assert (ROOT / "tests" / "unit" / "streams").is_dir()
    assert "ruff format --check ." in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_site_is_built_of_all_pages_with_warnings_as_errors() -> None:
    config = (ROOT / "properdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"- (?:\w+: )?(\S+\.md)$", config, re.MULTILINE)
    assert sorted(listed) == sorted(
        path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")
    )
    assert re.search(r"^strict: true$", config, re.MULTILINE)
    assert "properdocs build --strict" in (ROOT / "Makefile").read_text(encoding="utf-8")
