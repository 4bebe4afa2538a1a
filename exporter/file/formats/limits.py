"""What a format cannot hold."""

from typing import Final

# The header is one of them. (Microsoft, "Excel specifications and limits": 1,048,576 rows a sheet.)
MOST_SHEET_ROWS: Final = 1_048_576
# Of a ZIP without its 64-bit extension, which not every spreadsheet reads.
MOST_ZIP_BYTES: Final = 2**32 - 1


class TooLargeForFormatError(Exception):
    """The file cannot be made in this format, however often it is tried."""


def check_sheet_rows(row_count: int) -> None:
    """Raises TooLargeForFormatError where so many movements and a header are too many for a sheet."""
    if row_count >= MOST_SHEET_ROWS:
        raise TooLargeForFormatError(f"{row_count:,} movements and a header, a sheet has {MOST_SHEET_ROWS:,} rows")
