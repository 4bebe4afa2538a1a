"""The CSV of an export: turns blocks of movements into bytes, as docs/reference/CONTRACT.md, section 5, describes. Pure.

It is the CSV of RFC 4180: lines end with CRLF, and a field is quoted only if it holds the separator, a quote, CR or LF. The
text is UTF-8. Where the request asks for them, `packing` adds a byte-order mark and compresses with gzip.
"""

from collections.abc import Callable, Generator, Iterable
from functools import cache, lru_cache, partial
from io import BytesIO

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from exporter.request.csv_options import CsvOptions
from exporter.request.window import Period, utc_offsets
from schemas.arrow import arrow_of, numpy_of

HEADER = b"Date & Time,Interaction ID,Description,Units,Units charged,Value per unit,Credit movement\r\n"

# A spreadsheet may run a text that begins like this as a formula. LibreOffice first drops NULs, and nothing else (tried). OWASP
# warns of the signs at full width too.
_FORMULA = r"^\x00*[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
_TO_QUOTE = {separator: f'["{separator}\\r\\n]' for separator in ",;"}
_MONEY = pa.decimal128(38, 9)
_VALUE_DECIMALS = 18
_ATTOS_OF_A_NANO = 10**9
_SECOND_MICROS = 1_000_000
_DAY_SECONDS = 24 * 3600
_PLAIN = CsvOptions()


def csv_chunks(
    blocks: Iterable[pl.DataFrame], period: Period, options: CsvOptions = _PLAIN
) -> Generator[bytes, None, None]:
    """The header, then one chunk for each block.

    A block has the columns `occurred_at_micros`, `interaction_id`, `description`, `unit` ('' = a top-up or adjustment),
    `units_charged`, `price_nanos` for `price_units` units, and `credit_movement_nanos` (integers: Int64, money
    below 1e18 either way), no nulls; rows of `period` in the order of the file.
    """
    yield HEADER.replace(b",", options.separator.encode())
    offsets = utc_offsets(period)
    for block in blocks:
        yield b"" if block.is_empty() else _lines(_cells(block, offsets, options), options.separator)


def _lines(cells: pl.DataFrame, separator: str) -> bytes:
    lines = BytesIO()
    # No `quote_style` of Polars fits (it writes an empty text as ""), so cells are quoted here, as text.
    cells.write_csv(lines, include_header=False, separator=separator, line_terminator="\r\n", quote_style="never")
    return lines.getvalue()


def _cells(block: pl.DataFrame, offsets: list[tuple[int, int]], options: CsvOptions) -> pl.DataFrame:
    text = partial(_text, to_quote=_TO_QUOTE[options.separator])
    decimal = partial(_decimal, mark=options.decimal_mark)
    # The unit says what a movement is, never the description: an old usage type may be called `refund`.
    is_usage = pl.col("unit") != ""
    return block.select(
        _local_time(block["occurred_at_micros"], offsets),
        text(block["interaction_id"]),
        _each_once(block["description"], text),
        _each_once(block["unit"], partial(_quoted, to_quote=_TO_QUOTE[options.separator])),
        pl.when(is_usage).then("units_charged"),
        pl.when(is_usage).then(_values_per_unit(block["price_nanos"], block["price_units"], options.decimal_mark)),
        decimal(block["credit_movement_nanos"]).alias("credit_movement"),
    )


def _each_once(values: pl.Series, cells: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """The cells of `values`. Each distinct value is formatted once, since few descriptions and units come again and again."""
    known = values.unique()
    texts = cells(known)
    return values if texts.equals(known) else values.replace_strict(known, texts)


def _local_time(instants: pl.Series, offsets: list[tuple[int, int]]) -> pl.Series:
    """Local times, by the same offsets as the period. Polars has a time-zone database of its own, maybe of another version."""
    (_, offset), *changes = offsets
    shift: pl.Expr = pl.lit(offset, dtype=pl.Int64)
    for changed_at, changed_offset in changes:
        shift = pl.when(pl.lit(instants) < changed_at).then(shift).otherwise(pl.lit(changed_offset, dtype=pl.Int64))
    seconds = pl.select((instants + shift) // _SECOND_MICROS).to_series()
    # Rows lie in the order of time, so those of one second lie together, and share one text.
    distinct = seconds.rle().struct.field("value")
    days, times = distinct // _DAY_SECONDS, distinct % _DAY_SECONDS
    # Looking texts up in a table takes a fraction of the time of formatting them.
    first_day, last_day = int(days.to_numpy().min()), int(days.to_numpy().max())
    dates = pl.int_range(first_day, last_day + 1, dtype=pl.Int32, eager=True).cast(pl.Date).dt.strftime("%Y-%m-%d ")
    texts = dates.gather(days - first_day) + _times_of_day().gather(times)
    return texts.gather(seconds.rle_id()).alias("at")


@cache
def _times_of_day() -> pl.Series:
    return pl.time_range(interval="1s", eager=True).dt.strftime("%H:%M:%S")


def _text(texts: pl.Series, to_quote: str) -> pl.Series:
    is_special = texts.str.contains(_FORMULA + "|" + to_quote)
    return texts.zip_with(~is_special, _quoted(guarded(texts), to_quote)) if is_special.any() else texts


def guarded(texts: pl.Series) -> pl.Series:
    """Texts that a spreadsheet takes for texts: one that begins like a formula gets an apostrophe before it."""
    return texts.zip_with(~texts.str.contains(_FORMULA), "'" + texts)


def _quoted(texts: pl.Series, to_quote: str) -> pl.Series:
    quoted = '"' + texts.str.replace_all('"', '""', literal=True) + '"'
    return texts.zip_with(~texts.str.contains(to_quote), quoted)


def _values_per_unit(nanos: pl.Series, units: pl.Series, mark: str) -> pl.Series:
    """The value per unit of each price of `nanos` for `units`. Each distinct price is formatted once: there are few."""
    prices, counts = nanos.to_arrow().dictionary_encode(), units.to_arrow().dictionary_encode()
    # A price and a number of units are one number together: arrow tells numbers apart faster than polars does pairs.
    pairs = numpy_of(prices.indices).astype(np.int64) * len(counts.dictionary) + numpy_of(counts.indices)
    known = arrow_of(pairs).dictionary_encode()
    price_of, count_of = np.divmod(numpy_of(known.dictionary), len(counts.dictionary))
    distinct = zip(_taken(prices, price_of), _taken(counts, count_of), strict=True)
    texts = [_value_per_unit(price, count).replace(".", mark) for price, count in distinct]
    return pl.Series("value", texts, dtype=pl.String).gather(numpy_of(known.indices))


def _taken(encoded: pa.DictionaryArray, places: npt.NDArray[np.int64]) -> list[int]:
    taken: list[int] = encoded.dictionary.take(arrow_of(places)).to_pylist()
    return taken


@lru_cache(4096)
def _value_per_unit(price_nanos: int, price_units: int) -> str:
    """The exact value where it ends within 18 decimals; else 18 decimals, rounded up."""
    attos = -(-price_nanos * _ATTOS_OF_A_NANO // price_units)
    digits = f"{attos:0{_VALUE_DECIMALS + 1}d}"
    return f"{digits[:-_VALUE_DECIMALS]}.{digits[-_VALUE_DECIMALS:]}".rstrip("0").rstrip(".")


def _decimal(nanos: pl.Series, mark: str) -> pl.Series:
    """Nanos as a plain decimal: no exponent, no trailing zeros, no negative zero."""
    # The digits stay the same; the point comes before the last nine of them.
    halves = np.empty((len(nanos), 2), dtype="<i8")
    halves[:, 0] = nanos.to_numpy()
    halves[:, 1] = halves[:, 0] >> 63  # the sign, spread over the upper half
    money = pl.Series(pa.Array.from_buffers(_MONEY, len(nanos), [None, pa.py_buffer(halves)]))
    digits = money.cast(pl.String).to_arrow(compat_level=pl.CompatLevel.oldest())
    plain = pl.Series(pc.ascii_rtrim(pc.ascii_rtrim(digits, "0"), "."))
    return plain if mark == "." else plain.str.replace(".", mark, literal=True)
