"""The columns of a file, seven by default, eleven more in a detailed one; and their cells, for a format to write. Pure."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import polars as pl

from exporter.file.formats.local_times import Offsets, local_seconds, offset_texts
from exporter.file.formats.numbers import decimals, values_per_unit, wide_decimals

# Running balances, which `shown` adds to the blocks: see `wide_decimals`.
BALANCE_WHOLE: Final = "balance_whole"
BALANCE_NANOS: Final = "balance_nanos"
# Of these the quantity is whole seconds.
_UNITS_OF_TIME: Final = ("seconds", "minutes")


class Kind(Enum):
    """What a cell is. A time is local, as whole seconds since 1970-01-01 00:00:00; a number is a plain decimal as text."""

    TIME = auto()
    TEXT = auto()
    NUMBER = auto()


@dataclass(frozen=True)
class Column:
    """`width`: how wide a spreadsheet shows it, in characters."""

    header: str
    kind: Kind
    width: int


DEFAULT: Final = (
    Column("Date & Time", Kind.TIME, 19),
    Column("Interaction ID", Kind.TEXT, 24),
    Column("Description", Kind.TEXT, 16),
    Column("Units", Kind.TEXT, 10),
    Column("Units charged", Kind.NUMBER, 15),
    Column("Value per unit", Kind.NUMBER, 22),
    Column("Credit movement", Kind.NUMBER, 18),
)
DETAILS: Final = (
    Column("UTC offset", Kind.TEXT, 10),
    Column("Duration (seconds)", Kind.NUMBER, 20),
    Column("User", Kind.TEXT, 16),
    Column("Direction", Kind.TEXT, 10),
    Column("From", Kind.TEXT, 16),
    Column("To", Kind.TEXT, 16),
    Column("Destination name", Kind.TEXT, 24),
    Column("Rate card", Kind.TEXT, 12),
    Column("Currency", Kind.TEXT, 9),
    Column("Balance after", Kind.NUMBER, 18),
    Column("Movement ID", Kind.TEXT, 36),
)


def columns_of(is_detailed: bool) -> tuple[Column, ...]:
    return DEFAULT + DETAILS if is_detailed else DEFAULT


def cells(block: pl.DataFrame, offsets: Offsets, is_detailed: bool) -> pl.DataFrame:
    """The cells of a block (see `csv_chunks`), by the columns' headers; null where one is empty."""
    default = {
        "Date & Time": local_seconds(block["occurred_at_micros"], offsets),
        "Interaction ID": block["interaction_id"],
        "Description": block["description"],
        "Units": block["unit"].set(block["unit"] == "", None),
        "Units charged": _of_usage(block, block["units_charged"].cast(pl.String)),
        "Value per unit": _of_usage(block, values_per_unit(block["price_nanos"], block["price_units"])),
        "Credit movement": decimals(block["credit_movement_nanos"]),
    }
    return pl.DataFrame(default | (detail_cells(block, offsets) if is_detailed else {}))


def detail_cells(block: pl.DataFrame, offsets: Offsets) -> dict[str, pl.Series]:
    """The cells of DETAILS. The block has what `stream_movements` adds for them, and the balance after each movement."""
    is_time = block["unit"].is_in(_UNITS_OF_TIME)
    return {
        "UTC offset": offset_texts(block["occurred_at_micros"], offsets),
        "Duration (seconds)": block["quantity"].cast(pl.String).set(~is_time, None),
        "User": block["user_id"],
        "Direction": block["direction_text"],
        "From": block["from_number"],
        "To": block["destination"],
        "Destination name": block["destination_name_text"],
        "Rate card": block["rate_card_id"],
        "Currency": block["currency_text"],
        "Balance after": wide_decimals(block[BALANCE_WHOLE], block[BALANCE_NANOS]),
        "Movement ID": block["movement_text"],
    }


def _of_usage(block: pl.DataFrame, values: pl.Series) -> pl.Series:
    # The unit says what a movement is, never the description: an old usage type may be called `refund`.
    return values.set(block["unit"] == "", None)
