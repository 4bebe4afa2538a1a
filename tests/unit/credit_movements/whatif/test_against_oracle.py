"""What a company's usage would have come to by another deck, held against the oracle, which shares no code with rating."""

import csv
import io
from collections import Counter
from decimal import Decimal

import polars as pl

from credit_movements.demo.company import company
from credit_movements.demo.company_oracle import CompanyOracle
from credit_movements.demo.generated.deck import DEFAULT_CARD
from credit_movements.demo.generated.faults import MOVEMENT
from credit_movements.whatif.price_lists import in_place_of, price_list_of
from credit_movements.whatif.revaluation import ACCOUNT, Sums, rate_anew
from schemas.topics import USAGE_EVENTS
from streams.pricing.deck.fault import LINE
from streams.pricing.deck.parsing import lint
from streams.pricing.rate_checks import PLAN_COLUMNS
from tests.limits import LIMITS

NOW = 1_760_000_000_000_000
NANOS = 10**9


def test_a_mended_deck_comes_to_what_the_oracle_says_to_the_nano() -> None:
    made = company(NOW, seed=5, events=1_500)
    rates = lint(csv.reader(io.StringIO(made.rate_deck))).table.drop(LINE)
    # Prices that mostly do not end: a third more, for seven times as many units.
    dearer = rates.with_columns(pl.col("price_nanos") * 4 // 3, price_units=pl.col("price_units") * 7)
    events = made.usage_events.filter(outcome=MOVEMENT).drop("outcome").unique(["account_id", "event_id"])
    oracle = CompanyOracle(made)._oracle
    before, after = Counter[str](), Counter[str]()
    charged = []
    for rate, deck_row in zip(oracle.rates, dearer.iter_rows(named=True), strict=True):
        rate["before"] = (rate["price_nanos"], rate["price_units"])
        rate["after"] = (deck_row["price_nanos"], deck_row["price_units"])
    for row in events.iter_rows(named=True):
        event = {"user_id": None, **row, "source_topic": USAGE_EVENTS.name}
        nanos = {}
        for name in ("before", "after"):
            rate = oracle.rate(event)
            assert rate is not None
            rate["price_nanos"], rate["price_units"] = rate[name]
            kind, result = oracle._rated(event)
            assert kind == "movement"
            nanos[name] = int(Decimal(result[0]) * NANOS)
        before[row["account_id"]] += nanos["before"]
        after[row["account_id"]] += nanos["after"]
        charged.append((nanos["before"], oracle.currency(event)))
    movements = events.with_columns(
        pl.col("occurred_at").alias("occurred_at_micros"),
        pl.Series("movement_nanos", [nanos for nanos, _ in charged]),
        pl.Series("currency_code", [currency for _, currency in charged]),
        pl.lit("").alias("destination_prefix"),
    )
    prices = price_list_of(
        in_place_of(rates, dearer, over=False), made.plans.cast(dict(PLAN_COLUMNS)).select(*PLAN_COLUMNS), DEFAULT_CARD
    )
    sums = Sums()
    for block in movements.iter_slices(400):
        sums.add(block, block["movement_nanos"].to_numpy(), rate_anew(block, prices, LIMITS))
    assert (sums.movements, sums.refused.total()) == (len(events), 0)
    found = {row[ACCOUNT]: (row["paid"], row["anew"]) for row in sums.by(ACCOUNT).iter_rows(named=True)}
    assert found == {account: (before[account], after[account]) for account in before}
    assert len(found) > 10
