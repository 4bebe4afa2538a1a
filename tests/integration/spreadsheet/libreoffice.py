"""LibreOffice Calc, headless: a file opened as a person would open it, saved, and read back cell by cell; or printed."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

_OPEN_SECONDS = 180.0
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
# LibreOffice's numbers of locales, and of UTF-8.
ENGLISH, GERMAN = 1033, 1031
_UTF_8 = 76


class Cell(NamedTuple):
    """`kind`: `string`, `float`, `date`, or '' for an empty one. `value`: as the program keeps it, not as it shows it."""

    kind: str
    value: str
    formula: str | None = None


def without_libreoffice() -> None:
    """Skip the test, or fail it where CI runs: there LibreOffice has to be."""
    line = "NOT TESTED IN LIBREOFFICE: there is no soffice (apt-get install libreoffice-calc-nogui)"
    if os.environ.get("CI") == "true":
        pytest.fail(line, pytrace=False)
    pytest.skip(line)


def opened(csv: Path, separator: str, locale: int, folder: Path) -> list[list[Cell]]:
    """The rows of a CSV. Dates, numbers and, more than by default, formulas are recognised wherever something looks so."""
    tokens = [ord(separator), ord('"'), _UTF_8, 1, "", locale, "false", "true", "false", "false", "false", -1, "true"]
    read_as = "Text - txt - csv (StarCalc):" + ",".join(map(str, tokens))
    return _opened(csv, folder, f"--infilter={read_as}")


def opened_sheet(xlsx: Path, folder: Path) -> list[list[Cell]]:
    """The rows of an XLSX."""
    return _opened(xlsx, folder)


def printed(xlsx: Path, folder: Path) -> Path:
    """A PDF of it."""
    return _converted(xlsx, "pdf", folder)


def _opened(file: Path, folder: Path, *options: str) -> list[list[Cell]]:
    return [row for row in _rows(_converted(file, "fods", folder, *options)) if any(cell.kind for cell in row)]


def _converted(file: Path, kind: str, folder: Path, *options: str) -> Path:
    command = ["soffice", f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless", *options]
    program = subprocess.Popen(
        [*command, "--convert-to", kind, "--outdir", str(folder), str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        program.wait(_OPEN_SECONDS)
    finally:
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()
    return (folder / file.name).with_suffix(f".{kind}")


def is_there() -> bool:
    return shutil.which("soffice") is not None


def _rows(saved: Path) -> list[list[Cell]]:
    rows = ElementTree.parse(saved).iter(f"{_TABLE}table-row")
    return [[cell for node in row.iter(f"{_TABLE}table-cell") for cell in _cells(node)] for row in rows]


def _cells(node: ElementTree.Element) -> list[Cell]:
    kind = node.get(f"{_OFFICE}value-type", "")
    told = node.get(f"{_OFFICE}value") or node.get(f"{_OFFICE}date-value")
    value = "\n".join(_shown(line) for line in node.iter(f"{_TEXT}p")) if told is None else told
    # What fills the sheet up to its end is repeated a thousand times.
    repeated = min(int(node.get(f"{_TABLE}number-columns-repeated", "1")), 7)
    return [Cell(kind, value, node.get(f"{_TABLE}formula"))] * repeated


def _shown(line: ElementTree.Element) -> str:
    text = line.text or ""
    for child in line:
        if child.tag == f"{_TEXT}s":
            text += " " * int(child.get(f"{_TEXT}c", "1"))
        elif child.tag == f"{_TEXT}tab":
            text += "\t"
        else:
            text += _shown(child)
        text += child.tail or ""
    return text
