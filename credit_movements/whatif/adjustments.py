"""The adjustments that bring movements to what they should have been. Pure, and everything in them is derived.

- `amount`: what the movement should have been, less what it was and less all corrections that name it. A refund that names it
  counts only towards what would be given back: what it gave back is not given back again, and none of it is taken back.
- `event_id`: by the account, the movement, and how many corrections of this kind the ledger has of it. So there is one id for
  the next correction of a movement, whoever makes it with whichever deck. A file that is made or published twice corrects once.
  Of two files that were made of one ledger with other decks the second is refused as a conflict.
- `occurred_at`: that of the movement, so that it is the same whenever the file is made, and the correction stands beside the
  movement in every export. Or a time that is given, for movements that are older than raters take events.
"""

import hashlib
import uuid
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from credit_movements.whatif.amounts import plain_decimals
from credit_movements.whatif.revaluation import CURRENCY, RatedAnew
from streams.events.sorted_keys import Ints
from streams.pricing.rates import MAX_AMOUNT_NANOS

CORRECTION: Final = "correction"
_NAMESPACE: Final = uuid.UUID("5b0c7a52-3f0e-5d0c-9d6b-8f3f1f6c2a11")
_MOVEMENT: Final = ["account_id", "movement_text"]
_SHOWN_OF_CONTENT: Final = 16
# RFC 9562: the two highest bits of this digit are 10.
_VARIANTS: Final = {f"{digit:x}": f"{8 | digit & 3:x}" for digit in range(16)}


class EarlierAdjustments:
    """What the ledger's adjustments have done to the movements that they name."""

    def __init__(self, adjustments: pl.DataFrame) -> None:
        """`adjustments`: the columns of `sinks.read.adjustments`."""
        is_correction = pl.col("kind") == CORRECTION
        nanos = pl.col("nanos").cast(pl.Int128)
        self._sums = adjustments.group_by(_MOVEMENT).agg(
            nanos.filter(is_correction).sum().cast(pl.Int64).alias("corrected"),
            nanos.filter(~is_correction).sum().cast(pl.Int64).alias("refunded"),
        )
        self._ids = {(account, id_) for account, id_ in adjustments.select("account_id", "adjustment_text").iter_rows()}

    def __len__(self) -> int:
        """How many movements are named."""
        return len(self._sums)

    def of(self, movements: pl.DataFrame) -> tuple[Ints, Ints]:
        """What corrections, and what refunds and chargebacks, have added to each movement (nanos)."""
        if not len(self):
            return np.zeros(len(movements), dtype=np.int64), np.zeros(len(movements), dtype=np.int64)
        found = movements.select(_MOVEMENT).join(self._sums, on=_MOVEMENT, how="left", maintain_order="left")
        corrected, refunded = (found[name].fill_null(0).to_numpy() for name in ("corrected", "refunded"))
        return corrected, refunded

    def next_ids(self, movements: pl.DataFrame) -> pl.Series:
        """The id of the next correction of each movement."""
        names = movements.select(_MOVEMENT)
        ids = correction_ids(names, np.zeros(len(names), dtype=np.int64))
        if not self._ids:
            return ids
        # Few movements have been corrected before.
        taken = ids.is_in({id_ for _, id_ in self._ids}).arg_true().to_list()
        return ids.scatter(taken, [self._next_id(names[row]) for row in taken]) if taken else ids

    def _next_id(self, movement: pl.DataFrame) -> str:
        account, number = movement["account_id"][0], 0
        while (account, id_ := correction_ids(movement, np.array([number]))[0]) in self._ids:
            number += 1
        return str(id_)


def correction_ids(movements: pl.DataFrame, numbers: Ints) -> pl.Series:
    """The id of the correction of each movement (`account_id`, `movement_text`) before which there were so many of them: the
    UUID of version 5 of these three, made by columns but for the hash."""
    name = pl.format("{}/{}/{}", "movement_text", pl.Series(numbers), "account_id")
    names = movements.select(name).to_series()
    salt = _NAMESPACE.bytes
    digests = pl.Series([hashlib.sha1(salt + text.encode()).hexdigest() for text in names], dtype=pl.String)
    hexes = pl.lit(digests)
    variant = hexes.str.slice(16, 1).replace_strict(_VARIANTS)
    pieces = [hexes.str.slice(0, 8), hexes.str.slice(8, 4), "5" + hexes.str.slice(13, 3)]
    pieces += [variant + hexes.str.slice(17, 3), hexes.str.slice(20, 12)]
    return pl.select(pl.concat_str(pieces, separator="-")).to_series()


@dataclass(frozen=True)
class Booking:
    """`content`: the deck's, as `price_lists.content_of` gives it. `not_before`: adjustments that would occur earlier are not
    made (microseconds). `at`: when all of them occur; None: each when its movement did."""

    content: str
    not_before: int
    at: int | None = None


@dataclass(frozen=True)
class Adjustments:
    """`events`: the columns of AdjustmentEvent. `too_old`, `too_large`: how many movements are left out for that;
    `already_given_back`: how many of which a refund had given back all or some."""

    events: pl.DataFrame
    too_old: int
    too_large: int
    already_given_back: int


def adjustments_of(
    movements: pl.DataFrame, anew: RatedAnew, earlier: EarlierAdjustments, booking: Booking
) -> Adjustments:
    """The adjustments for movements (the columns of `sinks.read.usage`, with ids) that were rated anew."""
    corrected, refunded = earlier.of(movements)
    was = movements["movement_nanos"].to_numpy() + corrected
    owed = np.where(anew.is_rated, anew.nanos - was, 0)
    given_back = np.where(owed > 0, np.clip(refunded, 0, np.maximum(owed, 0)), 0)
    amounts = owed - given_back
    occurred_at = movements["occurred_at_micros"].to_numpy()
    booked_at = occurred_at if booking.at is None else np.full(len(movements), booking.at)
    too_old = (amounts != 0) & (booked_at < booking.not_before)
    too_large = (amounts != 0) & (np.abs(amounts) > MAX_AMOUNT_NANOS)
    rows = np.flatnonzero((amounts != 0) & ~too_old & ~too_large)
    picked = movements[rows]
    events = picked.select(
        event_id=earlier.next_ids(picked),
        account_id="account_id",
        interaction_id="interaction_id",
        kind=pl.lit(CORRECTION),
        amount_nanos=pl.Series(amounts[rows], dtype=pl.Int64),
        currency=CURRENCY,
        movement_id="movement_text",
        reason=_reasons(was[rows], anew.nanos[rows], booking.content),
        occurred_at=pl.Series(booked_at[rows], dtype=pl.Int64),
    )
    return Adjustments(events, int(too_old.sum()), int(too_large.sum()), int((given_back > 0).sum()))


def _reasons(was: Ints, should_be: Ints, content: str) -> pl.Expr:
    texts = [plain_decimals(pl.Series(nanos, dtype=pl.Int64)) for nanos in (should_be, was)]
    return pl.format(f"{{}} by rate deck {content[:_SHOWN_OF_CONTENT]} instead of {{}}", *texts)
