"""A hook of the docs generator: a link out of docs/ (to code, a test, the README) becomes the path that it leads to.

The site has no such pages. The Markdown has the links, for whoever reads it in the repository.
"""

import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?:\.\./)+[^)\s]*)\)")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    docs = Path(config["docs_dir"])
    here = (docs / page.file.src_uri).parent

    def told(link: re.Match[str]) -> str:
        target = (here / link[2].split("#")[0]).resolve()
        if target.is_relative_to(docs.resolve()):
            return link[0]
        path = f"`{target.relative_to(docs.resolve().parent).as_posix()}`"
        return path if link[1].strip("`") in path else f"{link[1]} ({path})"

    return _LINK.sub(told, markdown)
