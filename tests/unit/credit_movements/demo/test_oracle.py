"""The oracle agrees with results by hand, with how the company was made, and with the rater's pure heart."""

import csv
import io
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from credit_movements.demo.answer import Line
from credit_movements.demo.company import Company, company
from credit_movements.demo.company import Outcomes as CountedOutcomes
from credit_movements.demo.company_oracle import CompanyOracle
from credit_movements.demo.generated.accounts import ACCOUNTS
from credit_movements.demo.generated.deck import deck
from schemas.partitioner import account_partitions
from schemas.topics import ADJUSTMENT_EVENTS, TOP_UP_EVENTS, USAGE_EVENTS
from streams.dedup.fingerprints import content_hashes, id_hashes
from streams.events.table import EVENT_COLUMNS, events_table
from streams.outcome import KnownIds, Outcomes, check_batch, classify, refusals_of
from streams.pricing.deck.parsing import lint
from tests.limits import LIMITS
from tests.prices import price_list

NOW = 1_763_884_800_123_456  # 2025-11-23T08:00:00.123456Z
HOUR = 3600 * 10**6
PARTITIONS = 12


@pytest.fixture(scope="module")
def made() -> Company:
    return company(NOW, seed=3, events=8_000)


def _company_of(*events: dict[str, Any]) -> Company:
    schema = {name: dtype for name, dtype in EVENT_COLUMNS.items() if name in _EVENT}
    usage = pl.DataFrame([{**_EVENT, **event} for event in events], schema={**schema, "outcome": pl.String})
    empty = company(NOW, events=2_000)
    return replace(empty, usage_events=usage, top_up_events=empty.top_up_events.clear(), spoiled=[])


_EVENT = {
    "event_id": "00000000-0000-4000-8000-000000000001",
    "account_id": "nobody-has-a-plan",
    "interaction_id": "call-1",
    "usage_type": "call",
    "quantity": 61,
    "destination": "+49 151 5550123",
    "occurred_at": NOW - HOUR,
    "user_id": None,
    "outcome": "",
}


@pytest.mark.parametrize(
    ("event", "units", "price", "price_units", "movement"),
    [
        ({"quantity": 0}, 0, "0.0199", 60, "0"),
        ({"quantity": 1}, 60, "0.0199", 60, "-0.0199"),
        ({"quantity": 60}, 60, "0.0199", 60, "-0.0199"),
        ({"quantity": 61}, 120, "0.0199", 60, "-0.0398"),
        ({"occurred_at": NOW - 20 * 24 * HOUR}, 120, "0.01791", 60, "-0.03582"),
        ({"destination": "0049 30 1"}, 120, "0.0089", 60, "-0.0178"),
        ({"destination": "+49800"}, 120, "0", 60, "0"),
        ({"destination": None, "usage_type": "stt", "quantity": 61}, 2, "0.0145", 1, "-0.029"),
        ({"account_id": "acme-logistics", "quantity": 31}, 36, "0.016915", 60, "-0.010149"),
        ({"account_id": "acme-logistics", "quantity": 40}, 42, "0.016915", 60, "-0.0118405"),
    ],
)
def test_a_charge_by_hand(event: dict[str, Any], units: int, price: str, price_units: int, movement: str) -> None:
    [line] = CompanyOracle(_company_of(event)).account(event.get("account_id", "nobody-has-a-plan")).lines
    assert (line.units_charged, line.price, line.price_units) == (units, Decimal(price), price_units)
    assert f"{line.credit_movement.normalize():f}" == movement


def test_what_comes_again_counts_once_and_a_contradiction_is_refused() -> None:
    answer = CompanyOracle(_company_of({}, {}, {"quantity": 62})).account("nobody-has-a-plan")
    assert len(answer.lines) == 1
    assert answer.outcomes[USAGE_EVENTS.name].duplicates == 1
    assert answer.outcomes[USAGE_EVENTS.name].dead_letters == {"conflict": 1}


def test_an_export_has_the_period_without_what_cost_nothing_in_order() -> None:
    ids = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(5)]
    times = [NOW - HOUR, NOW - 2 * HOUR, NOW - 2 * HOUR, NOW - 3 * HOUR, NOW]
    events = [{"event_id": event_id, "occurred_at": at} for event_id, at in zip(ids, times, strict=True)]
    answer = CompanyOracle(_company_of(*events, {"event_id": ids[0][:-1] + "9", "quantity": 0})).account(
        "nobody-has-a-plan"
    )
    assert [line.movement_id for line in answer.exported(NOW - 3 * HOUR, NOW)] == [ids[3], ids[1], ids[2], ids[0]]


def test_the_oracle_agrees_with_how_the_company_was_made(made: Company) -> None:
    told = CompanyOracle(made).everything()
    expected = {topic.name: made.expected(topic) for topic in (USAGE_EVENTS, TOP_UP_EVENTS)}
    assert told == {**expected, ADJUSTMENT_EVENTS.name: CountedOutcomes()}


def test_the_oracle_and_the_rater_agree_on_every_line(made: Company) -> None:
    classified = _classified(made)
    rated = {(row["account_id"], row["movement_id"]): _line(row) for row in classified.movements.to_dicts()}
    told = {
        (account.account_id, line.movement_id): line
        for account in ACCOUNTS
        for line in CompanyOracle(made).account(account.account_id).lines
    }
    assert rated == told


def test_the_oracle_and_the_rater_agree_on_every_refusal(made: Company) -> None:
    classified = _classified(made)
    told = CompanyOracle(replace(made, spoiled=[])).everything().values()
    assert Counter(check.reason.value for _, check, _ in refusals_of(classified)) == sum(
        (Counter(outcomes.dead_letters) for outcomes in told), Counter()
    )
    assert len(classified.duplicates) == sum(outcomes.duplicates for outcomes in told)


def _classified(made: Company) -> Outcomes:
    events = events_table(
        {
            TOP_UP_EVENTS.name: _with_positions(made.top_up_events, 0),
            USAGE_EVENTS.name: _with_positions(made.usage_events, len(made.top_up_events)),
        }
    )
    rates = lint(csv.reader(io.StringIO(deck(NOW)))).rates
    prices = price_list([vars(each) for each in rates], made.plans.to_dicts())
    ids, content = id_hashes(events), content_hashes(events)
    nothing = KnownIds(np.zeros(len(events), np.bool_), np.zeros(len(events), np.uint64))
    return classify(events, check_batch(events, PARTITIONS, LIMITS), ids, content, nothing, prices, LIMITS)


def _with_positions(events: pl.DataFrame, first_row: int) -> pl.DataFrame:
    return events.drop("outcome").with_columns(
        pl.int_range(first_row, first_row + len(events)).alias("row"),
        pl.Series("partition", account_partitions(events["account_id"], PARTITIONS)),
        pl.int_range(len(events)).alias("offset"),
        pl.lit(NOW).alias("recorded_at"),
        pl.lit(NOW).alias("newest_at"),
    )


def _line(row: dict[str, Any]) -> Line:
    is_top_up = row["description"] == "top-up"
    return Line(
        row["movement_id"],
        row["occurred_at"],
        row["interaction_id"],
        row["description"],
        None if is_top_up else row["units_charged"],
        None if is_top_up else Decimal(row["price_nanos"]).scaleb(-9),
        None if is_top_up else row["price_units"],
        Decimal(row["credit_movement_nanos"]).scaleb(-9),
        row["currency"],
    )
