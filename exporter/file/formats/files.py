"""The bytes of a file, in the format that its request asks for. Pure."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from exporter.file.formats.csv_file import csv_chunks
from exporter.file.formats.focus import focus_chunks
from exporter.file.formats.packing import packed
from exporter.file.formats.parquet_file import parquet_chunks
from exporter.file.formats.xlsx_file import xlsx_chunks
from exporter.request.file_options import FileOptions, Format
from exporter.request.window import Period


@dataclass(frozen=True)
class FileForm:
    """What a file is written by, besides its movements. `provider`: who sells what the account uses, as FOCUS names it."""

    options: FileOptions
    period: Period
    account_id: str
    provider: str

    @property
    def name(self) -> str:
        return self.options.file_name(self.period.file_stem)

    def chunks(self, blocks: Iterable[pl.DataFrame]) -> Generator[bytes, None, None]:
        """The file, but for what `packed` does. Raises TooLargeForFormatError."""
        if self.options.format == Format.XLSX:
            return xlsx_chunks(blocks, self.period, self.options.is_detailed)
        if self.options.format == Format.PARQUET:
            return parquet_chunks(blocks, self.period, self.options.is_detailed)
        if self.options.format == Format.FOCUS:
            return focus_chunks(blocks, self.account_id, self.provider)
        return csv_chunks(blocks, self.period, self.options.csv, self.options.is_detailed)

    def packed(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same with a byte-order mark, or compressed, where the request asks for that."""
        return packed(chunks, self.options.csv)
