"""Names and their numbers: each name gets the next number when it first comes."""

from typing import NamedTuple

import numpy as np
import polars as pl

from streams.events.sorted_keys import NONE, Ints
from streams.pricing.tables.growing import GrowingTexts
from streams.pricing.tables.hash_index import Hashes, HashIndex, Mask


class Names(NamedTuple):
    """All names there are, by number. It never changes."""

    values: pl.Series
    by_hash: HashIndex

    def numbers_of(self, names: pl.Series) -> Ints:
        """The number of each name (no nulls), or NONE."""
        return self.by_hash.find(hashes_of(names), lambda wanted, rows: self._is_same(names, wanted, rows))

    def _is_same(self, names: pl.Series, wanted: Ints, rows: Ints) -> Mask:
        # Two names may have one hash.
        same: Mask = (names.gather(pl.Series(wanted)) == self.values.gather(pl.Series(rows))).to_numpy()
        return same


def hashes_of(names: pl.Series) -> Hashes:
    """They are kept nowhere, so they may be others in the next version of Polars."""
    hashes: Hashes = names.hash().to_numpy()
    return hashes


class NameTable:
    """Names that are numbered as they come."""

    def __init__(self) -> None:
        self._texts = GrowingTexts()
        self._index = HashIndex()

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def names(self) -> Names:
        return Names(self._texts.values, self._index)

    def numbered(self, names: pl.Series) -> Ints:
        """The number of each name (no nulls)."""
        numbers = self.names.numbers_of(names)
        new = np.flatnonzero(numbers == NONE)
        if len(new):
            count, missing = len(self), names.gather(pl.Series(new))
            added = missing.unique(maintain_order=True)
            self._texts.append(added)
            self._index = self._index.added(hashes_of(added), np.arange(count, count + len(added)))
            # Mostly no new name comes twice in a batch: then they need not be looked up again.
            are_distinct = len(added) == len(missing)
            numbers[new] = count + np.arange(len(added)) if are_distinct else self.names.numbers_of(missing)
        return numbers
