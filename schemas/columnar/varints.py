"""Avro's numbers: zigzag varints, seven bits a byte, the lowest first, the high bit set in all bytes but the last."""

import numpy as np
import numpy.typing as npt

from schemas.columnar.joined import Ints, JoinedValues

_Words = npt.NDArray[np.uint64]
_CONTINUES = 0x80
_CONTINUES_IN_EACH_BYTE = np.uint64(0x8080_8080_8080_8080)
# Closing the gaps: seven bits in each byte become 14 in each two, 28 in each four, 56 in eight. Each line masks the lower one
# of two neighbours, and says by how many bits the higher one moves down to it.
_LOWER_NEIGHBOURS = [
    (np.uint64(0x007F_007F_007F_007F), 1),
    (np.uint64(0x0000_3FFF_0000_3FFF), 2),
    (np.uint64(0x0000_0000_0FFF_FFFF), 4),
]
_ONE = np.uint64(1)


def read_varints(joined: JoinedValues, starts: Ints) -> tuple[Ints, Ints]:
    """The numbers that begin at `starts`, and how many bytes each of them takes.

    The size is 0 where no right writer can have written the bytes: they are too long for the number, or for 64 bits. Up to ten
    bytes are read from each start. Where a size reaches over the end of its value, the number means nothing.
    """
    first = joined.bytes[starts]
    zigzag = first.astype(np.uint64)
    sizes = np.ones(len(starts), dtype=np.int64)
    longer = np.flatnonzero(first >= _CONTINUES)
    if len(longer):
        zigzag[longer], sizes[longer] = _of_many_bytes(joined, starts[longer])
    numbers = (zigzag >> _ONE).view(np.int64) ^ -(zigzag & _ONE).view(np.int64)
    return numbers, sizes


def _of_many_bytes(joined: JoinedValues, starts: Ints) -> tuple[_Words, Ints]:
    words = joined.words[starts]
    last = ~words & _CONTINUES_IN_EACH_BYTE
    # All bits below the top bit of the first byte that ends a number; all 64 bits where none of the eight bytes ends one.
    inside = (last & -last) - _ONE
    zigzag = _without_gaps(words & inside)
    sizes = (np.bitwise_count(inside).astype(np.int64) + 1) // 8
    _add_ninth_and_tenth(joined, starts, np.flatnonzero(last == 0), zigzag, sizes)
    # A last byte of zero is one byte too many.
    sizes[zigzag >> (7 * np.maximum(sizes - 1, 0)).astype(np.uint64) == 0] = 0
    return zigzag, sizes


def _without_gaps(words: _Words) -> _Words:
    words = words & ~_CONTINUES_IN_EACH_BYTE
    for lower, gap in _LOWER_NEIGHBOURS:
        higher = lower << np.uint64(8 * gap)
        words = words & lower | (words & higher) >> np.uint64(gap)
    return words


def _add_ninth_and_tenth(
    joined: JoinedValues, starts: Ints, long: npt.NDArray[np.int64], zigzag: _Words, sizes: Ints
) -> None:
    ninth = joined.bytes[starts[long] + 8].astype(np.uint64)
    tenth = joined.bytes[starts[long] + 9].astype(np.uint64)
    is_ninth_last = ninth < _CONTINUES
    zigzag[long] |= (ninth & np.uint64(0x7F)) << np.uint64(56)
    # 63 bits are taken by then, so only one bit of the tenth byte counts.
    zigzag[long] |= np.where(is_ninth_last, 0, tenth & _ONE) << np.uint64(63)
    sizes[long] = np.where(is_ninth_last, 9, np.where(tenth == 1, 10, 0))
