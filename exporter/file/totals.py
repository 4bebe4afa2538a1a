"""Adds up the rows of an export, block by block, as columns. Pure; sums are exact whatever their size."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from sinks.read.totals import CardTotal

_KINDS: Final = ("description", "unit")
_CARDS: Final = ("rate_card_id", "currency_text")
# Of what has no unit: the rest are adjustments, and their descriptions are their kinds.
_TOP_UP: Final = "top-up"


@dataclass
class KindTotal:
    """The sum of the movements of one description and unit ('' = top-ups and adjustments)."""

    row_count: int = 0
    units_charged: int = 0
    nanos: int = 0

    def add(self, row_count: int, units_charged: int, nanos: int) -> None:
        self.row_count += row_count
        self.units_charged += units_charged
        self.nanos += nanos


class Totals:
    """Takes the blocks that `csv_chunks` takes. `by_kind`: (description as the file shows it, unit) → its total. `shown_as`
    makes of texts what the file shows. `by_card`: also add up by rate card and currency, for which blocks need details."""

    def __init__(self, shown_as: Callable[[pl.Series], pl.Series] | None = None, by_card: bool = False) -> None:
        self._shown_as = shown_as
        self._is_by_card = by_card
        self.by_kind: defaultdict[tuple[str, str], KindTotal] = defaultdict(KindTotal)
        self._by_card: defaultdict[tuple[str | None, str], KindTotal] = defaultdict(KindTotal)

    def add(self, block: pl.DataFrame) -> None:
        # Money is below 1e18, so the sum of ten rows may need more than 64 bits, and Polars would wrap in silence.
        exact = [pl.len(), *(pl.col(name).cast(pl.Int128).sum() for name in ("units_charged", "credit_movement_nanos"))]
        sums = block.group_by(_KINDS).agg(exact)
        if self._shown_as is not None:
            sums = sums.with_columns(self._shown_as(sums["description"]))
        for description, unit, *sums_of_kind in sums.iter_rows():
            self.by_kind[description, unit].add(*sums_of_kind)
        if self._is_by_card:
            for card, currency, *sums_of_card in block.group_by(_CARDS).agg(exact).iter_rows():
                self._by_card[card, currency].add(*sums_of_card)

    @property
    def by_card(self) -> list[CardTotal]:
        """As ClickHouse adds up: by rate card (those without one at the end), then by currency."""
        order = sorted(self._by_card.items(), key=lambda each: (each[0][0] is None, each[0][0] or "", each[0][1]))
        return [CardTotal(*card, total.row_count, total.nanos) for card, total in order]

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
