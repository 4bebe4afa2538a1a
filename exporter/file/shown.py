"""What of an export's movements its file shows: all, or those of some descriptions; and the balance after each. Pure.

All movements of the period are read, whatever the file shows: only so is each balance right, and only so can the rows be held
against ClickHouse's own sums.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import polars as pl

from exporter.file.formats.columns import BALANCE_NANOS, BALANCE_WHOLE
from exporter.file.formats.csv_file import guarded
from exporter.file.formats.focus import is_charge
from exporter.file.totals import Totals
from exporter.request.file_options import FileOptions, Format

_NANOS: Final = 10**9


class Shown:
    """`read`: the sums of all movements; `totals`: of those that the file shows, by descriptions as it shows them."""

    def __init__(self, options: FileOptions, opening_nanos: int) -> None:
        self._options = options
        self._balance = opening_nanos
        # A sheet and a Parquet file have their texts as they are.
        shown_as = guarded if options.format in (Format.CSV, Format.FOCUS) else None
        self.totals = Totals(shown_as, by_card=not options.shows_all)
        self.read = self.totals if options.shows_all else Totals()

    def blocks(self, blocks: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The rows that the file shows. Add them up as they pass."""
        for block in blocks:
            if self._options.is_detailed:
                block = self._with_balances(block)
            if not self._options.shows_all:
                self.read.add(block)
                block = block.filter(self._is_shown())
            self.totals.add(block)
            yield block

    def _is_shown(self) -> pl.Expr:
        is_wanted = pl.lit(True)
        if self._options.descriptions:
            is_wanted = pl.col("description").is_in(self._options.descriptions)
        return is_wanted & is_charge() if self._options.format == Format.FOCUS else is_wanted

    def _with_balances(self, block: pl.DataFrame) -> pl.DataFrame:
        # Ten movements may need more than 64 bits together. Whole units and the nanos beside them never do.
        whole, nanos = np.divmod(block["credit_movement_nanos"].to_numpy(), _NANOS)
        before_whole, before_nanos = divmod(self._balance, _NANOS)
        more, nanos = np.divmod(before_nanos + np.cumsum(nanos), _NANOS)
        whole = before_whole + np.cumsum(whole) + more
        if len(block):
            self._balance = int(whole[-1]) * _NANOS + int(nanos[-1])
        return block.with_columns(pl.Series(BALANCE_WHOLE, whole), pl.Series(BALANCE_NANOS, nanos))
