"""The first road: all datums of a batch in step, one field of all of them after the other.

Every datum of a schema has the same fields in the same order, so a few NumPy calls read one field of a whole batch. A datum
in which something is wrong goes along to its end, so that no other has to wait for it: what is read of it never lies outside
of it, and is thrown away.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.joined import JoinedValues, Places
from schemas.texts import texts
from schemas.varints import read_varints

Mask = npt.NDArray[np.bool_]


class Field(NamedTuple):
    """`absent` and `present`: the byte that a nullable field begins with, for null and for a value; None where it is not."""

    name: str
    is_text: bool
    absent: int | None = None
    present: int | None = None

    @classmethod
    def of(cls, field: dict[str, Any]) -> "Field":
        """Of a field of a schema: string, long, a timestamp (long) or a nullable of these, as the contract has it."""
        if not isinstance(field["type"], list):
            return cls(field["name"], field["type"] == "string")
        null = field["type"].index("null")
        (other,) = (each for each in field["type"] if each != "null")
        # The branch's number, as a zigzag varint.
        return cls(field["name"], other == "string", 2 * null, 2 * (1 - null))


class _Column(NamedTuple):
    """One field of all datums. A number, or how long the text is that begins at `begins`. `present`: None where all are."""

    field: Field
    numbers: Places
    begins: Places
    present: Mask | None


def read_datums(joined: JoinedValues, starts: Places, ends: Places, fields: list[Field]) -> tuple[pl.DataFrame, Mask]:
    """Which of the datums that lie from `starts` to `ends` (ascending) are whole, and the records of these.

    Whole is one datum of these fields, in the only encoding that a right writer gives it, and nothing behind it.
    """
    whole = np.ones(len(starts), dtype=bool)
    columns = []
    places = starts
    for field in fields:
        column, places = _read_field(joined, places, ends, field, whole)
        columns.append(column)
    whole &= places == ends
    # Texts as well are struck out of `whole`, so the table comes first.
    table = pl.DataFrame({column.field.name: _series(joined, column, whole) for column in columns})
    return table if whole.all() else table.filter(pl.Series(whole)), whole


def _read_field(
    joined: JoinedValues, places: Places, ends: Places, field: Field, whole: Mask
) -> tuple[_Column, Places]:
    """Read the field that begins at `places`; gives it and where the next one begins, and strikes out of `whole` those in
    which it is not right."""
    present = None
    if field.absent is not None:
        branch = joined.bytes[places]
        present = branch == field.present
        whole &= (present | (branch == field.absent)) & (places < ends)
        places = places + 1
    numbers, sizes = read_varints(joined, places)
    begins = places + sizes
    # What is left is compared with, not added to: a length may be near 2^63.
    left = ends - begins
    right = (sizes > 0) & (left >= 0)
    if field.is_text:
        right &= (numbers >= 0) & (numbers <= left)
        numbers = np.where(right, numbers, 0)
    after = begins + numbers if field.is_text else begins
    if present is not None:
        right |= ~present
        after = np.where(present, after, places)
    whole &= right
    return _Column(field, numbers, np.minimum(begins, ends), present), np.minimum(after, ends)


def _series(joined: JoinedValues, column: _Column, whole: Mask) -> pl.Series:
    """A column as it goes into the table. Texts that are none are struck out of `whole`."""
    if column.field.is_text:
        wanted = whole if column.present is None else whole & column.present
        series, wrong = texts(joined, column.begins, np.where(wanted, column.numbers, 0))
        whole[wrong] = False
    else:
        series = pl.Series(column.numbers, dtype=pl.Int64)
    if column.present is None:
        return series
    return pl.select(pl.when(pl.Series(column.present)).then(series)).to_series()
