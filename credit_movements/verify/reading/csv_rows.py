"""The rows of a CSV, and whether it is written as ours are."""

import csv
from collections.abc import Iterator

from credit_movements.verify.findings import Findings
from credit_movements.verify.reading.source import BYTE_ORDER_MARK, Source

Row = tuple[int, list[str]]
"""The number of the line or row, and the texts of its cells."""


def csv_rows(source: Source, separator: str, has_mark: bool, findings: Findings) -> Iterator[Row]:
    """The header and the lines. `has_mark`: whether a byte-order mark belongs before them."""
    rows = csv.reader(source.lines(), delimiter=separator, strict=True)
    try:
        header = next(rows, [])
        yield 1, _without_mark(header, has_mark, findings)
        line, begin = 1, rows.line_num + 1
        for row in rows:
            line, begin = begin, rows.line_num + 1
            if source.last_line[-2:] != "\r\n":
                findings.add("does not end with CR LF", line)
            yield line, row
    except csv.Error as error:
        findings.add(f"not CSV: {error}", rows.line_num)
    if source.last_line[-2:] != "\r\n":
        findings.add("the file's last line does not end with CR LF", rows.line_num)


def _without_mark(header: list[str], has_mark: bool, findings: Findings) -> list[str]:
    is_marked = bool(header) and header[0].startswith(BYTE_ORDER_MARK)
    if is_marked != has_mark:
        findings.add(f"{'a' if is_marked else 'no'} byte-order mark, the manifest says otherwise", 1)
    return [header[0].removeprefix(BYTE_ORDER_MARK), *header[1:]] if is_marked else header
