"""Adds up the rows of an export, block by block, as columns. Pure; sums are exact whatever their size."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from exporter.file.csv_file import guarded

_KINDS: Final = ("description", "unit")
# Of what has no unit: the rest are adjustments, and their descriptions are their kinds.
_TOP_UP: Final = "top-up"


@dataclass
class KindTotal:
    """The sum of the movements of one description and unit ('' = top-ups and adjustments)."""

    row_count: int = 0
    units_charged: int = 0
    nanos: int = 0


class Totals:
    """Takes the blocks that `csv_chunks` takes. `by_kind`: (description as the file shows it, unit) → its total."""

    def __init__(self) -> None:
        self.by_kind: defaultdict[tuple[str, str], KindTotal] = defaultdict(KindTotal)

    def added(self, blocks: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The same blocks, added up as they pass."""
        for block in blocks:
            self.add(block)
            yield block

    def add(self, block: pl.DataFrame) -> None:
        # Money is below 1e18, so the sum of ten rows may need more than 64 bits, and Polars would wrap in silence.
        sums = block.group_by(_KINDS).agg(
            pl.len(), *(pl.col(name).cast(pl.Int128).sum() for name in ("units_charged", "credit_movement_nanos"))
        )
        shown = sums.with_columns(guarded(sums["description"]))
        for description, unit, row_count, units, nanos in shown.iter_rows():
            total = self.by_kind[description, unit]
            total.row_count += row_count
            total.units_charged += units
            total.nanos += nanos

    @property
    def row_count(self) -> int:
        return sum(total.row_count for total in self.by_kind.values())

    @property
    def nanos(self) -> int:
        return sum(total.nanos for total in self.by_kind.values())

    @property
    def charges_nanos(self) -> int:
        """Of usage; negative."""
        return sum(total.nanos for (_, unit), total in self.by_kind.items() if unit)

    @property
    def top_ups_nanos(self) -> int:
        return sum(total.nanos for (kind, unit), total in self.by_kind.items() if not unit and kind == _TOP_UP)

    @property
    def adjustments_nanos(self) -> int:
        """Signed: refunds, chargebacks and corrections may lie on both sides of 0."""
        return sum(total.nanos for (kind, unit), total in self.by_kind.items() if not unit and kind != _TOP_UP)
