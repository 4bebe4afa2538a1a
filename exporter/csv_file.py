"""The CSV of an export: blocks of movements in, bytes out, exactly as the contract's section 5 has them. Pure.

RFC 4180: CRLF, quotes only around a field that holds the separator, a quote, CR or LF. UTF-8; what may come around it, a
byte-order mark and gzip, is `packing`'s.
"""

from collections.abc import Iterable, Iterator

import polars as pl

from exporter.csv_options import CsvOptions
from exporter.window import Period, utc_offsets

HEADER = b"Date & Time,Interaction ID,Description,Units,Units charged,Value per unit,Credit movement\r\n"

# What a spreadsheet may take for a formula when it opens the file.
_FORMULA = r"^[=+\-@\t\r]"
_NANOS_DIGITS = 9
_NANOS = 10**_NANOS_DIGITS
_PLAIN = CsvOptions()


def csv_chunks(blocks: Iterable[pl.DataFrame], period: Period, options: CsvOptions = _PLAIN) -> Iterator[bytes]:
    """The header, then one chunk for each block.

    A block has the columns `occurred_at_micros`, `interaction_id`, `description`, `unit` ('' = a top-up), `units_charged`,
    `value_per_unit_nanos` and `credit_movement_nanos` (integers: Int64, money below 1e18 either way), no nulls; rows of
    `period` in the order of the file.
    """
    separator = options.separator
    yield HEADER.replace(b",", separator.encode())
    cells = _cells(period, options)
    for block in blocks:
        # No `quote_style` of Polars fits (it writes an empty text as ""), so cells are quoted here, as text.
        lines = block.select(**cells).write_csv(
            include_header=False, separator=separator, line_terminator="\r\n", quote_style="never"
        )
        yield lines.encode()


def _cells(period: Period, options: CsvOptions) -> dict[str, pl.Expr]:
    separator, mark = options.separator, options.decimal_mark
    # Told apart by the unit, never by the description: `top-up` may be the name of a usage type too.
    is_usage = pl.col("unit") != ""
    return {
        "at": _local_time(period),
        "interaction_id": _text("interaction_id", separator),
        "description": _text("description", separator),
        "unit": _quoted(pl.col("unit"), separator),
        "units_charged": pl.when(is_usage).then(pl.col("units_charged").cast(pl.String)).otherwise(pl.lit("")),
        "value_per_unit": pl.when(is_usage).then(_decimal("value_per_unit_nanos", mark)).otherwise(pl.lit("")),
        "credit_movement": _decimal("credit_movement_nanos", mark),
    }


def _local_time(period: Period) -> pl.Expr:
    """By the offsets that also made the period: Polars has a time-zone database of its own, which may be another version."""
    instant = pl.col("occurred_at_micros")
    (_, offset), *changes = utc_offsets(period)
    shift: pl.Expr = pl.lit(offset, dtype=pl.Int64)
    for changed_at, changed_offset in changes:
        shift = pl.when(instant < changed_at).then(shift).otherwise(pl.lit(changed_offset, dtype=pl.Int64))
    return (instant + shift).cast(pl.Datetime("us")).dt.strftime("%Y-%m-%d %H:%M:%S")


def _text(column: str, separator: str) -> pl.Expr:
    return _quoted(guarded(pl.col(column)), separator)


def guarded(text: pl.Expr) -> pl.Expr:
    """Texts as a spreadsheet may see them: none of them begins as a formula does."""
    return pl.when(text.str.contains(_FORMULA)).then(pl.lit("'") + text).otherwise(text)


def _quoted(text: pl.Expr, separator: str) -> pl.Expr:
    quoted = pl.lit('"') + text.str.replace_all('"', '""', literal=True) + pl.lit('"')
    return pl.when(text.str.contains(f'["{separator}\r\n]')).then(quoted).otherwise(text)


def _decimal(column: str, mark: str) -> pl.Expr:
    """Nanos as a plain decimal: no exponent, no trailing zeros, no negative zero."""
    size = pl.col(column).abs()
    sign = pl.when(pl.col(column) < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    digits = (size % _NANOS).cast(pl.String).str.zfill(_NANOS_DIGITS)
    fraction = (pl.lit(mark) + digits).str.strip_chars_end("0").str.strip_chars_end(mark)
    return pl.concat_str(sign, (size // _NANOS).cast(pl.String), fraction)
