"""When something falls below a threshold, told once for each fall.

After it was told it is told again only when it was well above the threshold in between: else a balance that goes up and down
around it would tell at each movement.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from streams.events.sorted_keys import Ints

Mask = npt.NDArray[np.bool_]
States = npt.NDArray[np.int8]

# A balance that was never at its threshold cannot fall below it: an account that begins with nothing is no news.
NEVER_THERE: Final = 0
ABOVE: Final = 1
TOLD: Final = 2
_UP, _DOWN = 1, -1


def well_above(thresholds: Ints) -> Ints:
    """From where on a fall is told again: half as much more."""
    higher: Ints = thresholds + np.abs(thresholds) // 2
    return higher


def falls(states: States, groups: Ints, firsts: Ints, is_below: Mask, is_well_above: Mask) -> tuple[Mask, States]:
    """Whether each row is a fall that has to be told, and the state of each group after its last row.

    Rows lie by group (`groups`, from 0 on; each begins at its `firsts`), in the order of the log. `states`: of each group
    before its first row.
    """
    rows = np.arange(len(groups))
    reached = np.cumsum(~is_below)
    reached = reached - (reached[firsts] - ~is_below[firsts])[groups]
    # The first time at the threshold is enough to fall below it.
    is_up = is_well_above | (~is_below & (reached == 1) & (states == NEVER_THERE)[groups])
    turns = np.where(is_below, _DOWN, np.where(is_up, _UP, 0))
    last_turns = np.maximum.accumulate(np.where(turns != 0, rows, -1))
    before = np.concatenate([[-1], last_turns[:-1]])
    starts = firsts[groups]
    direction_before = np.where(before >= starts, turns[before], np.where(states[groups] == ABOVE, _UP, _DOWN))
    is_fall = is_below & (direction_before == _UP)
    ends = np.append(firsts[1:], len(rows)) - 1
    last = last_turns[ends]
    has_turned = last >= firsts
    was_there = (states != NEVER_THERE) | (reached[ends] > 0)
    down = np.where(was_there, TOLD, NEVER_THERE)
    after = np.where(has_turned, np.where(turns[last] == _UP, ABOVE, down), states)
    return is_fall, after.astype(np.int8)
