"""The keys of records, as columns."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from credit_movements.publishing.records import keys_of
from schemas.topics import ACCOUNT_PLANS, ALERT_SETTINGS, RATES, USAGE_EVENTS
from streams.pricing.rate_checks import PLAN_COLUMNS, RATE_COLUMNS
from streams.pricing.rates import EARLIEST_MICROS, LATEST_MICROS, AccountPlan, Rate

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=4)
TIMES = st.integers(EARLIEST_MICROS, LATEST_MICROS)


@given(st.lists(st.builds(AccountPlan, NAMES, NAMES, TIMES), min_size=1))
def test_the_keys_of_plans_and_of_settings_of_alerts(plans: list[AccountPlan]) -> None:
    table = pl.DataFrame([vars(each) for each in plans], schema=PLAN_COLUMNS)
    assert keys_of(ACCOUNT_PLANS, table).to_list() == [each.key for each in plans]
    assert keys_of(ALERT_SETTINGS, table).to_list() == [each.key for each in plans]
    assert keys_of(USAGE_EVENTS, table).to_list() == [each.account_id for each in plans]


@given(st.lists(st.tuples(NAMES, NAMES, st.sampled_from(["", "49", "0" * 18]), TIMES), min_size=1))
def test_the_keys_of_rates(keys: list[tuple[str, str, str, int]]) -> None:
    rates = [
        Rate(card, usage_type, prefix, "", "seconds", 1, 1, 1, 1, 1, "EUR", begin, None)
        for card, usage_type, prefix, begin in keys
    ]
    table = pl.DataFrame([vars(each) for each in rates], schema=RATE_COLUMNS)
    assert keys_of(RATES, table).to_list() == [each.key for each in rates]
