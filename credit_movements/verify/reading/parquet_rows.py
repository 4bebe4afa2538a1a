"""The rows of a Parquet file, as texts."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Final

from credit_movements.verify.findings import Findings
from credit_movements.verify.reading.csv_rows import Row

_ROWS_AT_ONCE: Final = 8_192


def parquet_rows(path: Path, time_zone: str, findings: Findings) -> Iterator[Row]:
    """The names of the columns, then the rows: instants as local times of the zone, numbers as plain decimals. Raises
    OSError."""
    with path.open("rb") as file:
        yield from _rows(file, time_zone, findings)


def _rows(raw: BinaryIO, time_zone: str, findings: Findings) -> Iterator[Row]:
    # It takes a third of a second to load, which is for those who need it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    # The header counts as the first row, as in a sheet.
    number = 1
    try:
        with pq.ParquetFile(raw) as file:
            yield number, file.schema_arrow.names
            zone = getattr(file.schema_arrow.field(0).type, "tz", None)
            if zone != time_zone:
                findings.add(f"its times are of the zone {zone}, the manifest says {time_zone}")
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield number, [_text(value) for value in row]
    # Of what is no Parquet pyarrow raises OSError, too.
    except (pa.ArrowException, OSError, ValueError, IndexError) as error:
        findings.add(f"not Parquet of ours: {str(error).splitlines()[0]}", number)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)
