"""The whole of it: what is published, the deck, the ledger, and what comes of them. The command and the demo ask here."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import polars as pl

from credit_movements import clickhouse
from credit_movements.rating import limits_of
from credit_movements.settings import Settings
from credit_movements.whatif.adjustments import Booking
from credit_movements.whatif.price_lists import content_of, in_place_of, price_list_of
from credit_movements.whatif.published import read_prices
from credit_movements.whatif.report import names_of
from credit_movements.whatif.service import Asked, OnProgress, WhatIf, rate_ledger_anew
from kafka_io.errors import UserError
from streams.pricing.rates import EARLIEST_MICROS, rfc3339

# For whoever looks at the file before it is published.
TIME_TO_LOOK: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)


class BookedTooFarError(UserError):
    """Raters would refuse adjustments that occur at the time that was asked for."""


@dataclass(frozen=True)
class Question:
    """What would the usage of the last `length_micros` have come to by `deck` (RATE_COLUMNS; None: by what is published)?

    `over`: the deck is laid over what is published. `at_micros`: as if all had happened then. `adjust`: the file for the
    adjustments, `booked_at` when all of them occur (microseconds; None: each when its movement did).
    """

    deck: pl.DataFrame | None
    length_micros: int
    over: bool = False
    at_micros: int | None = None
    adjust: Path | None = None
    booked_at: int | None = None


@dataclass(frozen=True)
class Answer:
    """`content`: of the deck. `names`: prefix → destination."""

    found: WhatIf
    content: str
    names: Mapping[str, str]


def answered(
    settings: Settings, question: Question, now_micros: int, on_progress: OnProgress = lambda *_: None
) -> Answer:
    """Raises BookedTooFarError, NotComparableError, and as `read_prices`, `checked_client` and `rate_ledger_anew`."""
    limits = limits_of(settings)
    not_before = now_micros - (limits.max_age - TIME_TO_LOOK) // _MICROSECOND
    not_after = now_micros + limits.max_ahead // _MICROSECOND
    if question.booked_at is not None and not not_before <= question.booked_at <= not_after:
        between = f"{rfc3339(not_before)} and {rfc3339(not_after)}"
        raise BookedTooFarError(f"--booked-at: raters take adjustments that occur between {between}")
    published = read_prices(settings, on_progress)
    deck = published.rates if question.deck is None else question.deck
    rates = in_place_of(published.rates, deck, over=question.over)
    prices = price_list_of(rates, published.plans, settings.default_rate_card or None)
    from_micros = max(EARLIEST_MICROS, now_micros - question.length_micros)
    asked = Asked(from_micros, now_micros, prices, limits, question.at_micros)
    booking = Booking(content_of(deck), not_before, question.booked_at)
    with closing(clickhouse.checked_client(settings)) as client:
        adjust = None if question.adjust is None else (question.adjust, booking)
        found = rate_ledger_anew(client, asked, adjust, on_progress)
    return Answer(found, booking.content, names_of(rates))
