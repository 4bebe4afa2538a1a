"""No movement is given back more than once, however its refunds come: one by one, together, or again."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.dedup.fingerprints import content_hashes, id_hashes
from streams.events.table import EVENT_COLUMNS
from streams.outcome import KnownIds, check_batch, classify
from streams.refunds.limit import TAKEN
from tests.prices import price_list
from tests.unit.streams.test_outcome import LIMITS, PARTITIONS, adjustment, event, outcome_of_each, rate

# What the ledger has: the movement's amount, and what adjustments have moved before.
LEDGER = {"charge": (-100, 30), "paid": (100, -30), "free": (0, 0), "unknown": (None, 40)}
UUIDS = {
    name: f"00000000-0000-4000-8000-0000000000b{number}" for number, name in enumerate([*LEDGER, "here", "nowhere"])
}
Event = dict[str, Any]


def ledger(adjustments: pl.DataFrame) -> pl.DataFrame:
    asked = set(adjustments["corrected_movement_id"])
    account = adjustments["account_id"][0]
    lines = [(account, UUIDS[name], *amounts) for name, amounts in LEDGER.items() if UUIDS[name] in asked]
    return pl.DataFrame(lines, schema=TAKEN, orient="row")


def ended(events: list[Event], taken_before: Callable[[pl.DataFrame], pl.DataFrame] | None = ledger) -> list[str]:
    """How each of them ended: `movement`, `duplicate`, or a reason."""
    table = pl.DataFrame([{**each, "row": row} for row, each in enumerate(events)], schema=EVENT_COLUMNS)
    nothing = KnownIds(np.zeros(len(table), dtype=bool), np.zeros(len(table), dtype=np.uint64))
    failed = check_batch(table, PARTITIONS, LIMITS)
    prices = price_list([rate()], (), "default")
    ids, content = id_hashes(table), content_hashes(table)
    outcomes = classify(table, failed, ids, content, nothing, prices, LIMITS, taken_before)
    return [end[1] if end[0] == "refused" else end[0] for end in outcome_of_each(outcomes, len(events))]


def gives(number: int, movement: str, amount: int, **fields: Any) -> Event:
    return adjustment(number, **{"corrected_movement_id": UUIDS[movement], "amount_nanos": amount} | fields)


TOO_LARGE = "refund_too_large"


@pytest.mark.parametrize(
    ("movement", "amounts", "outcomes"),
    [
        ("charge", [70], ["movement"]),
        ("charge", [71], [TOO_LARGE]),
        ("charge", [40, 30, 1], ["movement", "movement", TOO_LARGE]),
        # What is refused takes no room.
        ("charge", [71, 70], [TOO_LARGE, "movement"]),
        # To charge more is not limited, and makes room: what was charged more, or taken back again, can be given back.
        ("charge", [-(10**17), 71 + 10**17, 70 + 10**17], ["movement", TOO_LARGE, "movement"]),
        ("charge", [70, -20, 21, 20], ["movement", "movement", TOO_LARGE, "movement"]),
        ("paid", [-70], ["movement"]),
        ("paid", [-71], [TOO_LARGE]),
        ("paid", [-40, -40, -30], ["movement", TOO_LARGE, "movement"]),
        ("paid", [1, -72, -71], ["movement", TOO_LARGE, "movement"]),
        ("free", [1], [TOO_LARGE]),
        ("free", [-1, 2, 1], ["movement", TOO_LARGE, "movement"]),
        ("nowhere", [1], [TOO_LARGE]),
        ("nowhere", [-1, -1], [TOO_LARGE, TOO_LARGE]),
        ("unknown", [1], [TOO_LARGE]),
        # As much as an amount may be, many times.
        ("charge", [10**18 - 1] * 12, [TOO_LARGE] * 12),
    ],
)
def test_a_movement_is_given_back_once(movement: str, amounts: list[int], outcomes: list[str]) -> None:
    events = [gives(number, movement, amount) for number, amount in enumerate(amounts)]
    assert ended(events) == outcomes
    assert set(ended(events, taken_before=None)) == {"movement"}


def test_a_refund_that_comes_again_takes_no_room() -> None:
    first, again, rest = gives(1, "charge", 40), gives(1, "charge", 40), gives(2, "charge", 30)
    assert ended([first, again, rest]) == ["movement", "duplicate", "movement"]


def test_the_id_of_what_is_refused_stays_unknown() -> None:
    assert ended([gives(1, "charge", 71), gives(1, "charge", 70)]) == [TOO_LARGE, "movement"]
    assert ended([gives(1, "charge", 60), gives(2, "charge", 11), gives(2, "charge", 10)]) == [
        "movement", TOO_LARGE, "movement",
    ]  # fmt: skip


def test_a_charge_of_the_same_batch_can_be_given_back() -> None:
    call = event(7, event_id=UUIDS["here"], quantity=60)
    charged = 60_000
    assert ended([call, gives(1, "here", charged), gives(2, "here", 1)]) == ["movement", "movement", TOO_LARGE]
    # The log of one topic says nothing of another's: the refund may lie before its call.
    assert ended([gives(1, "here", charged), call]) == ["movement", "movement"]
    another = {**call, "account_id": "another", "partition": event(account_id="another")["partition"]}
    assert ended([another, gives(1, "here", 1)])[1] == TOO_LARGE


def test_what_names_no_movement_is_not_limited_and_nothing_is_asked() -> None:
    def unasked(_: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError

    assert (
        ended([event(1), adjustment(2, corrected_movement_id=None, amount_nanos=10**17)], unasked) == ["movement"] * 2
    )
    assert ended([gives(1, "charge", 0)], unasked) == ["amount_out_of_range"]


def one_by_one(events: list[Event]) -> list[str]:
    """The rule as one would say it, without a table."""
    room = {UUIDS["charge"]: (70, 1), UUIDS["paid"]: (70, -1), UUIDS["free"]: (0, 1)}
    taken: Counter[str] = Counter()
    seen: dict[str, Event] = {}
    outcomes = []
    for each in events:
        place = {name: value for name, value in each.items() if name not in {"offset", "row"}}
        if each["event_id"] in seen:
            outcomes.append("duplicate" if seen[each["event_id"]] == place else "conflict")
            continue
        movement = each["corrected_movement_id"]
        if movement is not None:
            most, sign = room.get(movement, (-1, 1))
            wants = sign * each["amount_nanos"]
            if most < 0 or (wants > 0 and wants > most - taken[movement]):
                outcomes.append(TOO_LARGE)
                continue
            taken[movement] += wants
        seen[each["event_id"]] = place
        outcomes.append("movement")
    return outcomes


EVENTS = st.tuples(
    st.integers(0, 4),
    st.sampled_from(["charge", "paid", "free", "nowhere", None]),
    st.sampled_from([-71, -35, -1, 1, 35, 70]),
)


@example([(0, "charge", 35), (0, "paid", -71), (1, "charge", 35), (1, "charge", 35), (2, "charge", 1)])
@example([(0, None, 1), (0, "charge", 35), (1, "charge", 70)])
@given(st.lists(EVENTS, max_size=12))
def test_a_batch_ends_as_its_events_do_one_by_one(drawn: list[tuple[int, str | None, int]]) -> None:
    events = [
        gives(number, "charge", amount, corrected_movement_id=None if movement is None else UUIDS[movement])
        for number, movement, amount in drawn
    ]
    if events:
        assert ended(events) == one_by_one(events)
