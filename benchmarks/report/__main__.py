"""`python -m benchmarks.report [--into PAGE] [--picture PNG]`: the figures of the last `make bench`.

It prints them as Markdown, or puts them into a page, between two comments; and it draws the picture. What was not measured is
left out, or named so.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.report.tables import tables
from benchmarks.results import PEERS_PYTHON

_PLACE = re.compile(r"(?<=<!-- figures: python -m benchmarks\.report -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)


def main(page: Path | None, picture: Path) -> None:
    try:
        figures = "\n\n".join(tables())
    except LookupError as reason:
        sys.exit(str(reason.args[0]))
    if page is None:
        print(figures)
    else:
        page.write_text(_PLACE.sub(lambda _: f"\n{figures}\n\n", page.read_text(encoding="utf-8")), encoding="utf-8")
    if PEERS_PYTHON.exists():
        subprocess.run([PEERS_PYTHON, "-m", "benchmarks.report.plot", picture], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report")
    parser.add_argument("--into", type=Path, help="a page with the two comments")
    parser.add_argument("--picture", type=Path, default=Path("docs/benchmark.png"))
    given = parser.parse_args()
    main(given.into, given.picture)
