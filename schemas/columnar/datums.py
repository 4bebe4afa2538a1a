"""The fast road: reads all datums of a batch in step, one field of all of them, then the next field.

Every datum of a schema has the same fields in the same order, so a few NumPy calls read one field of a whole batch. A bad datum
is read along with the others, since leaving it out would slow them down: nothing outside of it is read for it, and what was
read of it is thrown away.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.columnar.joined import Ints, JoinedValues
from schemas.columnar.texts import texts
from schemas.columnar.varints import read_varints

Mask = npt.NDArray[np.bool_]


class Field(NamedTuple):
    """`absent` and `present`: the byte with which a nullable field begins, for null and for a value. None: not nullable."""

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
    """`records`: the datums marked in `whole`, a column for each field. `faults`: datum number → what is wrong with it."""

    records: pl.DataFrame
    whole: Mask
    faults: dict[int, str]


class _Inspection:
    """Which datums are whole so far, and the first fault that was found in each other one."""

    def __init__(self, count: int) -> None:
        self.whole = np.ones(count, dtype=bool)
        self.faults: dict[int, str] = {}

    def strike(self, right: Mask, fault: Callable[[int], str]) -> None:
        """Strike out the datums that are not `right`. `fault`: datum number → what is wrong with it."""
        if not right.all():
            self.faults.update((number, fault(number)) for number in np.flatnonzero(self.whole & ~right).tolist())
            self.whole &= right


class _Column(NamedTuple):
    """One field of all datums. `numbers` are its values, or the lengths of the texts that begin at `begins`. `absent`: where it
    is null; None for a field that is not nullable."""

    field: Field
    numbers: Ints
    begins: Ints
    absent: Mask | None


def read_datums(joined: JoinedValues, starts: Ints, ends: Ints, fields: list[Field]) -> Datums:
    """Read the datums that lie from `starts` to `ends` (ascending).

    A datum is whole if it has these fields, each in the only encoding that a right writer gives it, and no bytes behind them.
    """
    inspection = _Inspection(len(starts))
    columns = []
    reached = starts
    for field in fields:
        column, reached = _read_field(joined, reached, ends, field, inspection)
        columns.append(column)
    inspection.strike(reached == ends, lambda number: f"{ends[number] - reached[number]} bytes after the datum")
    # Making the table finds faults in texts, so it comes before `whole` is looked at.
    records = pl.DataFrame({column.field.name: _series(joined, column, inspection) for column in columns})
    whole = inspection.whole
    return Datums(records if whole.all() else records.filter(pl.Series(whole)), whole, inspection.faults)


def _read_field(
    joined: JoinedValues, starts: Ints, ends: Ints, field: Field, inspection: _Inspection
) -> tuple[_Column, Ints]:
    """Read the field that begins at `starts`. Returns it, and where the next one begins: at the datum's end at most."""
    absent = None
    if field.absent is not None:
        branch = joined.bytes[starts]
        absent = branch != field.present
        inspection.strike(
            (~absent | (branch == field.absent)) & (starts < ends), _fault(field, "neither null nor a value")
        )
        starts = starts + 1
    numbers, sizes = read_varints(joined, starts)
    begins = starts + sizes
    # A length may be near 2^63, so it is compared with what is left: adding it to a start could overflow.
    left = ends - begins
    right = left >= 0
    if field.is_text:
        right &= (numbers >= 0) & (numbers <= left)
        numbers = np.where(right, numbers, 0)
    after = begins + numbers if field.is_text else begins
    if absent is not None:
        right |= absent
        sizes = np.where(absent, 1, sizes)
        after = np.where(absent, starts, after)
    inspection.strike(sizes > 0, _fault(field, "a number written as no right writer does"))
    inspection.strike(right, _fault(field, "cut short, or of an impossible length"))
    return _Column(field, numbers, np.minimum(begins, ends), absent), np.minimum(after, ends)


def _fault(field: Field, what: str) -> Callable[[int], str]:
    return lambda _: f"not a datum of its schema: its {field.name} is {what}"


def _series(joined: JoinedValues, column: _Column, inspection: _Inspection) -> pl.Series:
    """The column of the table. Its value means nothing where a datum is not whole."""
    if column.field.is_text:
        wanted = inspection.whole if column.absent is None else inspection.whole & ~column.absent
        series, is_text = texts(joined, column.begins, np.where(wanted, column.numbers, 0))
        inspection.strike(is_text, _fault(column.field, "not UTF-8"))
    else:
        series = pl.Series(column.numbers, dtype=pl.Int64)
    if column.absent is None:
        return series
    return pl.select(pl.when(pl.Series(~column.absent)).then(series)).to_series()
