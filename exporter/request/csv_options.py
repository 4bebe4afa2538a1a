"""How an account wants its file written: encoding, separator and compression. Pure."""

from dataclasses import dataclass
from typing import Final

_ENCODINGS: Final = {None: False, "utf-8": False, "utf-8-sig": True}
_DECIMAL_MARKS: Final = {",": ".", ";": ","}
_COMPRESSIONS: Final = {None: False, "gzip": True}


@dataclass(frozen=True)
class CsvOptions:
    """`has_byte_order_mark`: U+FEFF comes first, by which Excel recognizes UTF-8. `separator`: `,`, or `;` with decimal commas,
    as spreadsheets of most of Europe expect. `is_gzip`: the file is a .csv.gz."""

    has_byte_order_mark: bool = False
    separator: str = ","
    is_gzip: bool = False

    @property
    def decimal_mark(self) -> str:
        return _DECIMAL_MARKS[self.separator]

    def file_name(self, csv_name: str) -> str:
        """The name of the file whose CSV would be called `csv_name`."""
        return f"{csv_name}.gz" if self.is_gzip else csv_name


@dataclass(frozen=True)
class UnknownOption:
    """An option has an unknown value, so no file can be made."""

    name: str


def csv_options(
    csv_encoding: str | None, csv_separator: str | None, compression: str | None
) -> CsvOptions | UnknownOption:
    """The options that the fields of an ExportRequest name; None is the default of each."""
    separator = "," if csv_separator is None else csv_separator
    if csv_encoding not in _ENCODINGS:
        return UnknownOption("csv_encoding")
    if separator not in _DECIMAL_MARKS:
        return UnknownOption("csv_separator")
    if compression not in _COMPRESSIONS:
        return UnknownOption("compression")
    return CsvOptions(_ENCODINGS[csv_encoding], separator, _COMPRESSIONS[compression])
