"""Finds the texts of a batch that are not UTF-8 (RFC 3629), all at once."""

import numpy as np
import numpy.typing as npt

# (first byte, lowest, highest second byte): beyond them lie encodings that are too long, surrogates, and more than U+10FFFF.
_NARROWER = [(0xE0, 0xA0, 0xBF), (0xED, 0x80, 0x9F), (0xF0, 0x90, 0xBF), (0xF4, 0x80, 0x8F)]
_FIRST_OF_THREE, _FIRST_OF_FOUR = 0xE0, 0xF0


def misspelt(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The numbers of the texts that are not UTF-8; text n lies in `data` from `offsets[n]` to `offsets[n + 1]`."""
    length = len(data)
    # Three bytes behind the last one, so that it has neighbours too.
    padded = np.append(data, np.zeros(3, dtype=np.uint8))
    second = padded[1 : length + 1]
    follows = padded & 0b1100_0000 == 0b1000_0000
    # The first byte of a text cannot be the continuation of another text.
    follows[offsets] = False
    begins = (data >= 0xC2) & (data <= 0xF4) & follows[1 : length + 1]
    begins &= (data < _FIRST_OF_THREE) | follows[2 : length + 2]
    begins &= (data < _FIRST_OF_FOUR) | follows[3:]
    for first, lowest, highest in _NARROWER:
        begins &= (data != first) | (second >= lowest) & (second <= highest)
    right = (padded < 0x80) | np.append(begins, np.zeros(3, dtype=bool))
    right[1 : length + 1] |= begins
    right[2 : length + 2] |= begins & (data >= _FIRST_OF_THREE)
    right[3:] |= begins & (data >= _FIRST_OF_FOUR)
    return np.unique(np.searchsorted(offsets, np.flatnonzero(~right), side="right") - 1)
