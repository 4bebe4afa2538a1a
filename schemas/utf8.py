"""Which of many texts are not UTF-8 (RFC 3629), found for all of them at once."""

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_MASK, _CONTINUES = 0b1100_0000, 0b1000_0000
# What may follow these first bytes is narrower: nothing is written longer than it must be, no surrogate, nothing past U+10FFFF.
_LOWEST_SECOND, _HIGHEST_SECOND = np.full(256, 0x80, dtype=np.uint8), np.full(256, 0xBF, dtype=np.uint8)
_LOWEST_SECOND[[0xE0, 0xF0]] = 0xA0, 0x90
_HIGHEST_SECOND[[0xED, 0xF4]] = 0x9F, 0x8F


def misspelt(data: Bytes, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The numbers of the texts that are not UTF-8; text n lies in `data` from `offsets[n]` to `offsets[n + 1]`."""
    # Padded, so that the three bytes after a first byte can be read.
    data = np.append(data, np.zeros(3, dtype=np.uint8))
    continues = data & _MASK == _CONTINUES
    # A text ends what stood before it: what it begins with continues nothing.
    continues[offsets] = False
    beyond_ascii = np.flatnonzero(data >= 0x80)
    first = beyond_ascii[data[beyond_ascii] >= _MASK]
    wrong = np.zeros(len(data), dtype=bool)
    wrong[beyond_ascii] = True
    right = _is_right_pair(data[first], data[first + 1])
    follow = 1 + (data[first] >= 0xE0) + (data[first] >= 0xF0)
    for number in (1, 2, 3):
        right &= (follow < number) | continues[first + number]
    for number in (0, 1, 2, 3):
        wrong[first[right & (follow >= number)] + number] = False
    return np.unique(np.searchsorted(offsets, np.flatnonzero(wrong), side="right") - 1)


def _is_right_pair(first: Bytes, second: Bytes) -> Mask:
    return (first >= 0xC2) & (first <= 0xF4) & (second >= _LOWEST_SECOND[first]) & (second <= _HIGHEST_SECOND[first])
