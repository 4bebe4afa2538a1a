"""The peers' rating, held equal to the oracle: what stands beside the rater must give the customer the same bill."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from benchmarks.peers.rating import Rating
from credit_movements.demo.company import Company, company
from credit_movements.demo.company_oracle import CompanyOracle

NOW_MICROS = 1_790_000_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def made() -> Company:
    return company(NOW_MICROS, events=4_000)


@pytest.fixture
def rating(made: Company, tmp_path: Path) -> Rating:
    deck, plans = tmp_path / "rates.csv", tmp_path / "plans.jsonl"
    deck.write_text(made.rate_deck, encoding="utf-8")
    made.plans.write_ndjson(plans)
    return Rating(deck, plans)


def test_every_good_event_of_the_company_becomes_the_movement_that_the_oracle_says(
    made: Company, rating: Rating
) -> None:
    oracle = CompanyOracle(made)
    good = made.usage_events.filter(pl.col("outcome") == "movement").drop("outcome")
    found, told = [], []
    for account in good["account_id"].unique(maintain_order=True):
        told += [
            (account, each.movement_id, each.units_charged, each.price, each.price_units, each.credit_movement, each.currency)
            for each in oracle.account(account).lines
            if each.description != "top-up"
        ]  # fmt: skip
    for event in good.iter_rows(named=True):
        event["occurred_at"] = EPOCH + timedelta(microseconds=event["occurred_at"])
        each = rating.movement(event, "usage-events", 0, 0)
        price, amount = (Decimal(each[name]).scaleb(-9) for name in ("price_nanos", "credit_movement_nanos"))
        identity = (each["account_id"], each["movement_id"])
        found.append((*identity, each["units_charged"], price, each["price_units"], amount, each["currency"]))
    assert len(found) > 3_900
    assert sorted(found) == sorted(told)


def test_an_event_without_a_rate_is_an_error(rating: Rating) -> None:
    event = {"event_id": "7", "account_id": "acme", "usage_type": "fax", "destination": None, "occurred_at": EPOCH}
    with pytest.raises(LookupError, match="no rate for event 7"):
        rating.movement(event, "usage-events", 0, 0)
