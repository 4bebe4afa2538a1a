"""What file a request asks for: its format, its columns, which movements are in it. Pure.

All that is left out is the file that the contract describes.
"""

from dataclasses import dataclass, field
from enum import StrEnum, unique

from exporter.request.csv_options import CsvOptions, UnknownOption, csv_options


@unique
class Format(StrEnum):
    """`FOCUS` is a CSV with the columns of the FinOps Open Cost and Usage Specification."""

    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"
    FOCUS = "focus"


# A payment, and no charge: FOCUS has no line for it.
TOP_UP = "top-up"
_DETAILED = "detailed"
_SUFFIXES = {Format.CSV: ".csv", Format.XLSX: ".xlsx", Format.PARQUET: ".parquet", Format.FOCUS: ".focus.csv"}


@dataclass(frozen=True)
class FileOptions:
    """`csv`: how a CSV is written; of other formats it is the default. `descriptions`: only movements with one of these; empty:
    all."""

    csv: CsvOptions = field(default_factory=CsvOptions)
    format: Format = Format.CSV
    is_detailed: bool = False
    descriptions: tuple[str, ...] = ()

    @property
    def shows_all(self) -> bool:
        """Whether the file has all movements of its period."""
        return not self.descriptions and self.format != Format.FOCUS

    @property
    def reads_details(self) -> bool:
        """Whether more of a movement must be read than the default columns show."""
        return self.is_detailed or not self.shows_all

    def shows(self, description: str, unit: str) -> bool:
        """Whether the file has movements of this description and unit."""
        is_wanted = not self.descriptions or description in self.descriptions
        return is_wanted and (self.format != Format.FOCUS or unit != "" or description != TOP_UP)

    def file_name(self, stem: str) -> str:
        """The name of the file; `stem` tells its period."""
        return self.csv.file_name(stem + _SUFFIXES[self.format])


@dataclass(frozen=True)
class AskedFile:
    """The fields of an ExportRequest that say what file it wants, as they came: None is the default of each."""

    csv_encoding: str | None = None
    csv_separator: str | None = None
    compression: str | None = None
    columns: str | None = None
    descriptions: str | None = None
    format: str | None = None

    def options(self) -> FileOptions | UnknownOption:
        """What the fields mean. An option that does not go with the format is as unknown as one that there is not."""
        csv = csv_options(self.csv_encoding, self.csv_separator, self.compression)
        if isinstance(csv, UnknownOption):
            return csv
        try:
            wanted = Format.CSV if self.format is None else Format(self.format)
        except ValueError:
            return UnknownOption("format")
        descriptions = () if self.descriptions is None else tuple(dict.fromkeys(self.descriptions.split(",")))
        if self.columns not in (None, _DETAILED) or (self.columns and wanted == Format.FOCUS):
            return UnknownOption("columns")
        if "" in descriptions:
            return UnknownOption("descriptions")
        misplaced = _misplaced(csv, wanted)
        if misplaced is not None:
            return UnknownOption(misplaced)
        return FileOptions(csv, wanted, self.columns == _DETAILED, descriptions)


def _misplaced(csv: CsvOptions, wanted: Format) -> str | None:
    """The option of a CSV that another format does not have. Parquet and XLSX are compressed already."""
    if wanted in (Format.XLSX, Format.PARQUET) and csv.is_gzip:
        return "compression"
    if wanted != Format.CSV and csv.separator != ",":
        return "csv_separator"
    return "csv_encoding" if wanted != Format.CSV and csv.has_byte_order_mark else None
