"""A Bloom filter in front of the runs of a store: most ids are new, and it says so of nearly all of them at one glance.

A search in many runs costs a microsecond an id; the filter costs a fiftieth of that, and leaves every seventh new id to the
search, or fewer. It errs to one side alone: it never denies an id that was added.
"""

from collections.abc import Iterable
from typing import Self

import numpy as np
import numpy.typing as npt

from streams.dedup.fingerprints import Hashes
from streams.dedup.runs import Run

_WORD_BITS = 64
# Each id sets two bits in a word of its own choice, so that looking at both costs one cache miss. When the filter is full, 16 %
# of new ids find both set; when it is new, 8 %.
_BITS_AN_ID = 4
_ROOM_TO_GROW = 1.5
_SMALLEST_CAPACITY = 65_536
# Ids that are added at once, so that what is computed on the way stays in the processor's cache.
_PIECE = 65_536
# The first bits of a hash choose the word, the last ones the bits in it. The word's number is a product of 32 bits by 32.
_FIRST_BITS = np.uint64(32)
_BIT_NUMBER_BITS = np.uint64(6)
_BIT_NUMBER = np.uint64(_WORD_BITS - 1)
_ONE = np.uint64(1)


class BloomFilter:
    """`capacity`: how many ids it is made for. It takes half a byte for each of these."""

    def __init__(self, capacity: int) -> None:
        self._capacity = max(capacity, _SMALLEST_CAPACITY)
        self._words = np.zeros(self._capacity * _BITS_AN_ID // _WORD_BITS, dtype=np.uint64)
        self._added = 0

    @classmethod
    def of(cls, runs: Iterable[Run]) -> Self:
        """One that holds the ids of these runs, and has room for half as many more."""
        runs = list(runs)
        made = cls(int(sum(map(len, runs)) * _ROOM_TO_GROW))
        for run in runs:
            made.add(run)
        return made

    @property
    def is_full(self) -> bool:
        """Whether more was added than it was made for. It goes on being right, and leaves more to the search."""
        return self._added > self._capacity

    def add(self, run: Run) -> None:
        self._added += len(run)
        for begin in range(0, len(run), _PIECE):
            ids = run.ids[begin : begin + _PIECE]
            words = self._words_of(ids)
            # The ids are in order, and so are their words. Those of one word go into it together.
            firsts = np.flatnonzero(np.diff(words, prepend=-1))
            self._words[words[firsts]] |= np.bitwise_or.reduceat(_bits_of(ids), firsts)

    def may_hold(self, ids: Hashes) -> npt.NDArray[np.bool_]:
        """For each id False only if it was never added."""
        bits = _bits_of(ids)
        held: npt.NDArray[np.bool_] = (self._words[self._words_of(ids)] & bits) == bits
        return held

    def _words_of(self, ids: Hashes) -> npt.NDArray[np.int64]:
        return ((ids >> _FIRST_BITS) * np.uint64(len(self._words)) >> _FIRST_BITS).view(np.int64)


def _bits_of(ids: Hashes) -> Hashes:
    first: Hashes = _ONE << (ids & _BIT_NUMBER)
    second: Hashes = _ONE << (ids >> _BIT_NUMBER_BITS & _BIT_NUMBER)
    return first | second
