"""The CSV of an export: turns blocks of movements into bytes, as docs/reference/CONTRACT.md, section 5, describes. Pure.

It is the CSV of RFC 4180: lines end with CRLF, and a field is quoted only if it holds the separator, a quote, CR or LF. The
text is UTF-8. Where the request asks for them, `packing` adds a byte-order mark and compresses with gzip.
"""

from collections.abc import Callable, Generator, Iterable
from functools import partial
from io import BytesIO

import polars as pl

from exporter.file.formats.columns import DETAILS, Kind, columns_of, detail_cells
from exporter.file.formats.local_times import Offsets, local_times
from exporter.file.formats.numbers import decimals, values_per_unit
from exporter.request.csv_options import CsvOptions
from exporter.request.window import Period, utc_offsets

# A spreadsheet may run a text that begins like this as a formula. LibreOffice first drops NULs, and nothing else (tried). OWASP
# warns of the signs at full width too.
_FORMULA = r"^\x00*[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
_TO_QUOTE = {separator: f'["{separator}\\r\\n]' for separator in ",;"}
_LINE_END = "\r\n"
_PLAIN = CsvOptions()


def csv_chunks(
    blocks: Iterable[pl.DataFrame], period: Period, options: CsvOptions = _PLAIN, is_detailed: bool = False
) -> Generator[bytes, None, None]:
    """The header, then one chunk for each block.

    A block has the columns `occurred_at_micros`, `interaction_id`, `description`, `unit` ('' = a top-up or adjustment),
    `units_charged`, `price_nanos` for `price_units` units, and `credit_movement_nanos` (integers: Int64, money
    below 1e18 either way), no nulls; rows of `period` in the order of the file. With details it has more: see `detail_cells`.
    """
    yield (options.separator.join(column.header for column in columns_of(is_detailed)) + _LINE_END).encode()
    offsets = utc_offsets(period)
    for block in blocks:
        if block.is_empty():
            yield b""
            continue
        cells = _cells(block, offsets, options)
        yield csv_lines(cells.hstack(_details(block, offsets, options)) if is_detailed else cells, options.separator)


def csv_lines(cells: pl.DataFrame, separator: str = ",") -> bytes:
    """The lines of cells that are quoted already."""
    lines = BytesIO()
    # No `quote_style` of Polars fits (it writes an empty text as ""), so cells are quoted here, as text.
    cells.write_csv(lines, include_header=False, separator=separator, line_terminator=_LINE_END, quote_style="never")
    return lines.getvalue()


def _cells(block: pl.DataFrame, offsets: Offsets, options: CsvOptions) -> pl.DataFrame:
    text = partial(_text, to_quote=_TO_QUOTE[options.separator])
    decimal = partial(decimals, mark=options.decimal_mark)
    # The unit says what a movement is, never the description: an old usage type may be called `refund`.
    is_usage = pl.col("unit") != ""
    return block.select(
        local_times(block["occurred_at_micros"], offsets),
        text(block["interaction_id"]),
        each_once(block["description"], text),
        each_once(block["unit"], partial(_quoted, to_quote=_TO_QUOTE[options.separator])),
        pl.when(is_usage).then("units_charged"),
        pl.when(is_usage).then(values_per_unit(block["price_nanos"], block["price_units"], options.decimal_mark)),
        decimal(block["credit_movement_nanos"]).alias("credit_movement"),
    )


def _details(block: pl.DataFrame, offsets: Offsets, options: CsvOptions) -> list[pl.Series]:
    found = detail_cells(block, offsets)
    return [
        text_cells(found[column.header], options.separator).alias(column.header)
        if column.kind == Kind.TEXT
        else found[column.header].str.replace(".", options.decimal_mark, literal=True).alias(column.header)
        for column in DETAILS
    ]


def text_cells(texts: pl.Series, separator: str = ",") -> pl.Series:
    """Texts as a CSV has them: guarded and quoted where they must be; an empty one for a null."""
    return _text(texts.fill_null(""), _TO_QUOTE[separator])


def each_once(values: pl.Series, cells: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """The cells of `values`. Each distinct value is formatted once, since few descriptions and units come again and again."""
    known = values.unique()
    texts = cells(known)
    return values if texts.equals(known) else values.replace_strict(known, texts)


def _text(texts: pl.Series, to_quote: str) -> pl.Series:
    is_special = texts.str.contains(_FORMULA + "|" + to_quote)
    return texts.zip_with(~is_special, _quoted(guarded(texts), to_quote)) if is_special.any() else texts


def guarded(texts: pl.Series) -> pl.Series:
    """Texts that a spreadsheet takes for texts: one that begins like a formula gets an apostrophe before it."""
    return texts.zip_with(~texts.str.contains(_FORMULA), "'" + texts)


def _quoted(texts: pl.Series, to_quote: str) -> pl.Series:
    quoted = '"' + texts.str.replace_all('"', '""', literal=True) + '"'
    return texts.zip_with(~texts.str.contains(to_quote), quoted)
