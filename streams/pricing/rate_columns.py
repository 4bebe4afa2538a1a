"""The columns of a table of rates: the numbers that rating needs, and the key."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from streams.events.sorted_keys import Ints
from streams.pricing.rates import UNIT_SIZES
from streams.pricing.tables.hash_index import Hashes, Mask

OPEN_END = int(np.iinfo(np.int64).max)
UNITS = tuple(UNIT_SIZES)
_MULTIPLIERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)


class Number(IntEnum):
    """The columns of `RateTable.numbers`, which lie side by side: rating reads all of them of one rate at once."""

    UNIT = 0
    UNIT_SIZE = 1
    INITIAL_INCREMENT = 2
    INCREMENT = 3
    PRICE_NANOS = 4
    PRICE_UNITS = 5
    MAX_UNITS = 6
    EFFECTIVE_FROM = 7


# What a row without a rate gets: no unit, and nothing to pay.
NO_RATE = np.array([[len(UNITS), 1, 1, 1, 0, 1, 0, 0]], dtype=np.int64)


class Key(NamedTuple):
    """The columns that a rate's key is made of. `groups`: of one card and one usage type."""

    groups: Ints
    prefixes: Ints
    begins: Ints

    def at(self, rows: Ints | Mask) -> "Key":
        return Key(*(column[rows] for column in self))

    def is_same(self, other: "Key") -> Mask:
        same: Mask = (self.groups == other.groups) & (self.prefixes == other.prefixes) & (self.begins == other.begins)
        return same

    def hashes(self) -> Hashes:
        hashed: Hashes = sum(
            (column.view(np.uint64) * by for column, by in zip(self, _MULTIPLIERS, strict=True)),
            start=np.zeros(len(self.begins), dtype=np.uint64),
        )
        return hashed
