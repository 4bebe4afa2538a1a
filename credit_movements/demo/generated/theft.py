"""A night in which a stolen SIP account calls Jamaica, on many lines at once, at the expense of the largest customer."""

from typing import Any, Final
from uuid import UUID, uuid5

import numpy as np

from credit_movements.demo.generated.accounts import ACCOUNTS, DAY_MICROS

USER: Final = "anna-0"
_PREFIX: Final = "1876"
_LINES: Final = 10
_FROM_HOUR: Final = 2
_SECOND: Final = 1_000_000
_HOUR: Final = 3_600 * _SECOND
_NAMESPACE: Final = UUID("0b0f2d5c-7a0e-5c43-9f0a-2f6b7ad0f1c9")


def stolen_calls(now_micros: int) -> list[dict[str, Any]]:
    """Records of `usage-events`, by their ends: an hour's calls of the last night that is over. Whoever makes them for the same
    instant makes the same."""
    random = np.random.default_rng(_LINES)
    begin = now_micros - now_micros % DAY_MICROS + _FROM_HOUR * _HOUR
    begin -= DAY_MICROS if begin + 2 * _HOUR > now_micros else 0
    calls = []
    for line in range(_LINES):
        at = begin + line * _SECOND
        while at < begin + _HOUR:
            seconds = int(random.integers(180, 540))
            calls.append((at + seconds * _SECOND, at, seconds))
            at += (seconds + 3) * _SECOND
    return [_call(number, at, seconds) for number, (_, at, seconds) in enumerate(sorted(calls))]


def _call(number: int, at: int, seconds: int) -> dict[str, Any]:
    return {
        "event_id": str(uuid5(_NAMESPACE, f"{at} {number}")),
        "account_id": ACCOUNTS[0].account_id,
        "interaction_id": f"SIP-{number}",
        "usage_type": "call",
        "quantity": seconds,
        "destination": f"+{_PREFIX}{number % 7}551234",
        "occurred_at": at,
        "user_id": USER,
    }
