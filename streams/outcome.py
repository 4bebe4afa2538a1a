"""The pure heart: each decoded event becomes a movement, a duplicate or a named refusal.

Nothing here knows a clock, a client or an environment. The caller brings the ids of earlier movements. Begin with `decide`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from schemas.adjustments import KINDS, MOST_REASON_CHARACTERS
from schemas.ids import MOST_ID_CHARACTERS
from schemas.partitioner import account_partitions
from streams.dedup.fingerprints import Hashes, content_hashes, id_hashes
from streams.events.sorted_keys import Ints
from streams.pricing.checks import CHECKS, Check
from streams.pricing.rates import EARLIEST_MICROS, LATEST_MICROS, TOP_UP
from streams.pricing.rating import PASSED, Limits, Mask, PriceList, mark, rate_batch
from streams.refunds.limit import Room, TakenBefore, room_in

_CANONICAL_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


@dataclass(frozen=True)
class KnownIds:
    """For each row: whether a movement has its id, and the hash of that movement's content."""

    known: Mask
    content: Hashes


# Of partition numbers and id hashes, one of each a row: whether a movement has the id, the hash of that movement's content,
# and the time before which ids of the partition may be forgotten.
LookUp = Callable[[Ints, Hashes], tuple[Mask, Hashes, Ints]]


@dataclass(frozen=True)
class Outcomes:
    """What became of each event of a batch, exactly one of the three.

    `movements`: the columns of CreditMovement; `ids` and `content`: the fingerprints of the batch's events. `moved` and
    `duplicates`: row indices of the movements and of the duplicates in the table of events. `refused`: the columns of the
    refused events, and the `check` that each failed (index in CHECKS). `not_numbers`: row indices of all events, however they
    ended, whose destination has digits and yet is no number.
    """

    movements: pl.DataFrame
    moved: Ints
    duplicates: Ints
    not_numbers: Ints
    refused: pl.DataFrame
    ids: Hashes
    content: Hashes


def decide(
    events: pl.DataFrame,
    look_up: LookUp,
    prices: PriceList,
    partitions: int,
    limits: Limits,
    taken_before: TakenBefore | None = None,
) -> Outcomes:
    """Fingerprint the events of a batch (EVENT_COLUMNS in the order of the log), look up their ids, check and classify them.

    `taken_before`: None where adjustments may give back more than was taken.
    """
    ids, content = id_hashes(events), content_hashes(events)
    known, known_content, forgotten_before = look_up(events["partition"].to_numpy(), ids)
    failed = check_batch(events, partitions, limits, forgotten_before)
    return classify(events, failed, ids, content, KnownIds(known, known_content), prices, limits, taken_before)


def check_batch(events: pl.DataFrame, partitions: int, limits: Limits, forgotten_before: Ints | None = None) -> Ints:
    """The checks that need no rate. Returns for each row PASSED, or the index in CHECKS of the first check that it failed.

    `forgotten_before`: for each row the time before which ids of its partition may be forgotten (None: none are).
    """
    failed = np.full(len(events), PASSED, dtype=np.int64)
    occurred_at = pl.col("occurred_at")
    forgotten = pl.lit(False) if forgotten_before is None else occurred_at < pl.Series(forgotten_before)
    faults = events.select(
        (~pl.col("event_id").str.contains(_CANONICAL_UUID)).alias(Check.EVENT_ID.name),
        _bad_id("account_id").alias(Check.ACCOUNT_ID.name),
        _bad_id("interaction_id").alias(Check.INTERACTION_ID.name),
        _bad_id("user_id").fill_null(False).alias(Check.USER_ID.name),
        *_faults_of_adjustments(events),
        (~occurred_at.is_between(EARLIEST_MICROS, LATEST_MICROS)).alias(Check.TIME.name),
        (occurred_at < pl.col("newest_at") - _micros(limits.max_age)).alias(Check.TOO_OLD.name),
        forgotten.alias(Check.FORGOTTEN.name),
        (occurred_at > pl.col("recorded_at") + _micros(limits.max_ahead)).alias(Check.TOO_EARLY.name),
        pl.Series(Check.PARTITION.name, account_partitions(events["account_id"], partitions)) != pl.col("partition"),
        (pl.col("quantity") < 0).alias(Check.NEGATIVE.name),
    )
    for fault in faults:
        mark(failed, fault.to_numpy(), Check[fault.name])
    return failed


def _faults_of_adjustments(events: pl.DataFrame) -> list[pl.Expr]:
    """Mostly a batch has none, and then nothing is looked at."""
    kind = events["kind"]
    if kind.null_count() == len(kind):
        return []
    return [
        (~pl.col("kind").is_in(KINDS)).fill_null(False).alias(Check.KIND.name),
        (~pl.col("corrected_movement_id").str.contains(_CANONICAL_UUID)).fill_null(False).alias(Check.CORRECTED.name),
        (pl.col("reason").str.len_chars() > MOST_REASON_CHARACTERS).fill_null(False).alias(Check.REASON.name),
    ]


def classify(
    events: pl.DataFrame,
    failed: Ints,
    ids: Hashes,
    content: Hashes,
    known_ids: KnownIds,
    prices: PriceList,
    limits: Limits,
    taken_before: TakenBefore | None = None,
) -> Outcomes:
    """Classify each event of a batch (EVENT_COLUMNS in the order of the log), and rate it.

    `failed` is the result of `check_batch`, `ids` and `content` are the fingerprints; all have one value a row. Only a
    movement makes its id known: where an id comes twice in one batch, the first that can be rated stands.
    """
    priced, unrated = rate_batch(events, prices, limits)
    checked = failed == PASSED
    first_content = np.where(known_ids.known, known_ids.content, content)
    repeated = checked & known_ids.known
    fresh = checked & ~known_ids.known
    room = None if taken_before is None else room_in(events, priced, fresh & (unrated == PASSED), taken_before)
    if room is not None:
        room.refuse(unrated)
    _find_repeats_within(ids, content, fresh, unrated, repeated, first_content, room)
    duplicate = repeated & (content == first_content)
    outcome = failed.copy()
    mark(outcome, repeated & ~duplicate, Check.CONFLICT)
    outcome = np.where(checked & ~repeated, unrated, outcome)
    moved = (outcome == PASSED) & ~duplicate
    refused = outcome != PASSED
    return Outcomes(
        movements=_movements(_picked(events, moved), _picked(priced, moved)),
        moved=np.flatnonzero(moved),
        duplicates=np.flatnonzero(duplicate),
        not_numbers=np.flatnonzero(priced["is_no_number"].to_numpy()),
        refused=_picked(events, refused).with_columns(
            pl.Series("check", outcome[refused]),
            pl.Series("known_content", first_content[refused]),
            pl.Series("content_hash", content[refused]),
        ),
        ids=ids,
        content=content,
    )


def refusals_of(outcomes: Outcomes) -> list[tuple[int, Check, str]]:
    """(row, check, detail) of each refused event."""
    events = outcomes.refused.to_dicts()
    return [(event["row"], CHECKS[event["check"]], CHECKS[event["check"]].detail(event)) for event in events]


def _find_repeats_within(
    ids: Hashes,
    content: Hashes,
    fresh: Mask,
    unrated: Ints,
    repeated: Mask,
    first_content: Hashes,
    room: Room | None = None,
) -> None:
    """Mark in `repeated` the `fresh` rows that follow a ratable row with their id, and note that row's content. What is no
    repeat and finds no `room` is marked in `unrated`, and its id stays unknown."""
    rows = np.flatnonzero(fresh)
    # Sorting the ids alone is much quicker than sorting the rows by them, and mostly shows that none comes twice.
    in_order = np.sort(ids[rows])
    more_than_once = in_order[1:][in_order[1:] == in_order[:-1]]
    shared = np.empty(0, dtype=np.int64) if room is None else room.shared
    if len(more_than_once) == 0 and len(shared) == 0:
        return
    standing: dict[int, int] = {}
    for row in np.union1d(rows[np.isin(ids[rows], more_than_once)], shared).tolist():
        first = standing.get(int(ids[row]))
        if first is not None:
            repeated[row] = True
            first_content[row] = content[first]
        elif unrated[row] == PASSED:
            if room is not None and not room.take(row):
                unrated[row] = CHECKS.index(Check.REFUND)
            else:
                standing[int(ids[row])] = row


def _picked(table: pl.DataFrame, rows: Mask) -> pl.DataFrame:
    if rows.all():
        return table
    return table.filter(pl.Series(rows)) if rows.any() else table.clear()


def _movements(events: pl.DataFrame, priced: pl.DataFrame) -> pl.DataFrame:
    moved = events.drop("currency").hstack(priced)
    return moved.select(
        pl.col("event_id").alias("movement_id"),
        "account_id",
        "interaction_id",
        pl.coalesce("usage_type", "kind", pl.lit(TOP_UP)).alias("description"),
        "occurred_at",
        "quantity",
        "unit",
        "units_charged",
        "price_nanos",
        "price_units",
        "credit_movement_nanos",
        "currency",
        "user_id",
        "destination",
        "rate_card_id",
        "destination_prefix",
        "rate_effective_from",
        "source_topic",
        pl.col("partition").alias("source_partition"),
        pl.col("offset").alias("source_offset"),
        "corrected_movement_id",
        "reason",
    )


def _bad_id(column: str) -> pl.Expr:
    return ~pl.col(column).str.len_chars().is_between(1, MOST_ID_CHARACTERS)


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
