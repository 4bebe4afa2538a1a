"""The first road: all datums of a batch in step, one field of all of them after the other.

Every datum of a schema has the same fields in the same order, so a few NumPy calls read one field of a whole batch. A datum
in which something is wrong goes along to its end, so that no other has to wait for it: what is read of it never lies outside
of it, and is thrown away.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.columnar.joined import JoinedValues, Ints
from schemas.columnar.texts import texts
from schemas.columnar.varints import read_varints

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


class Datums(NamedTuple):
    """`records`: a column for each field, of the datums that `whole` tells. `faults`: what is wrong with each other one."""

    records: pl.DataFrame
    whole: Mask
    faults: dict[int, str]


class _Inspection:
    """Which of the datums are whole so far; of each other one what was found first."""

    def __init__(self, count: int) -> None:
        self.whole = np.ones(count, dtype=bool)
        self.faults: dict[int, str] = {}

    def strike(self, right: Mask, fault: Callable[[int], str]) -> None:
        """Strike out those that are not right; `fault` says of one of them, by its number, what is wrong."""
        if not right.all():
            self.faults.update((number, fault(number)) for number in np.flatnonzero(self.whole & ~right).tolist())
            self.whole &= right


class _Column(NamedTuple):
    """One field of all datums. A number, or how long the text is that begins at `begins`. `absent`: None where none can be."""

    field: Field
    numbers: Ints
    begins: Ints
    absent: Mask | None


def read_datums(joined: JoinedValues, starts: Ints, ends: Ints, fields: list[Field]) -> Datums:
    """The records of those datums that are whole, of all that lie from `starts` to `ends` (ascending).

    Whole is one datum of these fields, in the only encoding that a right writer gives it, and nothing behind it.
    """
    inspection = _Inspection(len(starts))
    columns = []
    places = starts
    for field in fields:
        column, places = _read_field(joined, places, ends, field, inspection)
        columns.append(column)
    inspection.strike(places == ends, lambda number: f"{ends[number] - places[number]} bytes after the datum")
    # Texts can be wrong as well, so the table comes first.
    records = pl.DataFrame({column.field.name: _series(joined, column, inspection) for column in columns})
    whole = inspection.whole
    return Datums(records if whole.all() else records.filter(pl.Series(whole)), whole, inspection.faults)


def _read_field(
    joined: JoinedValues, places: Ints, ends: Ints, field: Field, inspection: _Inspection
) -> tuple[_Column, Ints]:
    """Read the field that begins at `places`; gives it and where the next one begins, at the datum's end at most."""
    absent = None
    if field.absent is not None:
        branch = joined.bytes[places]
        absent = branch != field.present
        inspection.strike(
            (~absent | (branch == field.absent)) & (places < ends), _fault(field, "neither null nor a value")
        )
        places = places + 1
    numbers, sizes = read_varints(joined, places)
    begins = places + sizes
    # What is left is compared with, not added to: a length may be near 2^63.
    left = ends - begins
    right = left >= 0
    if field.is_text:
        right &= (numbers >= 0) & (numbers <= left)
        numbers = np.where(right, numbers, 0)
    after = begins + numbers if field.is_text else begins
    if absent is not None:
        right |= absent
        sizes = np.where(absent, 1, sizes)
        after = np.where(absent, places, after)
    inspection.strike(sizes > 0, _fault(field, "a number written as no right writer does"))
    inspection.strike(right, _fault(field, "cut short, or of an impossible length"))
    return _Column(field, numbers, np.minimum(begins, ends), absent), np.minimum(after, ends)


def _fault(field: Field, what: str) -> Callable[[int], str]:
    return lambda _: f"not a datum of its schema: its {field.name} is {what}"


def _series(joined: JoinedValues, column: _Column, inspection: _Inspection) -> pl.Series:
    """A column as it goes into the table, with anything where a datum is not whole."""
    if column.field.is_text:
        wanted = inspection.whole if column.absent is None else inspection.whole & ~column.absent
        series, is_text = texts(joined, column.begins, np.where(wanted, column.numbers, 0))
        inspection.strike(is_text, _fault(column.field, "not UTF-8"))
    else:
        series = pl.Series(column.numbers, dtype=pl.Int64)
    if column.absent is None:
        return series
    return pl.select(pl.when(pl.Series(~column.absent)).then(series)).to_series()
