"""What `rates lint` warns of: it can be published, and is probably not what was meant."""

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.pricing.deck.parsing import lint

HEADER = (
    "rate_card_id,usage_type,destination_prefix,destination_name,unit,unit_size,initial_increment,increment,price,"
    "price_units,currency,effective_from,effective_to"
)


def warnings(*lines: str) -> list[str]:
    deck = lint([line.split(",") for line in (HEADER, *lines)])
    assert deck.faults == []
    assert len(deck.rates) == len(lines)
    return [str(warning) for warning in deck.warnings]


def priced(price: str, price_units: int = 1, unit: str = "seconds") -> list[str]:
    size = 60 if unit == "minutes" else 1
    return warnings(f"default,call,49,,{unit},{size},60,60,{price},{price_units},EUR,2026-01-01T00:00:00Z,")


@pytest.mark.parametrize(
    ("price", "price_units", "minute", "meant"),
    [
        ("0.003333333", 1, "0.19999998", "0.2"),
        ("0.003333334", 1, "0.20000004", "0.2"),
        ("0.00333", 1, "0.1998", "0.2"),
        ("0.0167", 1, "1.002", "1"),
        ("0.016666666", 1, "0.99999996", "1"),
        ("0.000166667", 1, "0.01000002", "0.01"),
        ("0.000058333", 1, "0.00349998", "0.0035"),
        ("0.000126083", 1, "0.00756498", "0.007565"),
        ("0.019999998", 6, "0.19999998", "0.2"),
        ("0.033333333", 10, "0.199999998", "0.2"),
        ("0.19999998", 60, "0.19999998", "0.2"),
        ("4.166666667", 1, "250.00000002", "250"),
    ],
)
def test_a_price_that_was_rounded_from_one_for_a_minute(price: str, price_units: int, minute: str, meant: str) -> None:
    assert priced(price, price_units) == [
        f"line 2, price: a minute costs {minute}; where a price list says {meant}, write price {meant}, price_units 60"
    ]


def test_a_price_of_a_minute_that_was_made_from_a_rounded_one() -> None:
    assert priced("0.19999998", 1, "minutes") == [
        "line 2, price: a minute costs 0.19999998; where a price list says 0.2, write price 0.2, price_units 1"
    ]


@pytest.mark.parametrize(
    ("price", "price_units", "unit"),
    [
        ("0.2", 60, "seconds"), ("0.0125", 60, "seconds"), ("0.003", 1, "seconds"), ("0.0035", 1, "seconds"),
        ("0", 1, "seconds"),
        ("0.0033", 1, "seconds"), ("0.00021", 1, "seconds"), ("0.2", 1, "minutes"), ("0.0105", 1, "minutes"),
        ("0.007564", 1, "minutes"), ("1", 3600, "seconds"), ("0.33", 7, "seconds"), ("0.000000001", 1, "seconds"),
        ("0.333333333", 1, "fragments"), ("999999999.999999999", 60, "seconds"),
    ],
)  # fmt: skip
def test_prices_that_a_price_list_would_say(price: str, price_units: int, unit: str) -> None:
    assert [each for each in priced(price, price_units, unit) if ", price:" in each] == []


@given(
    st.integers(1, 10**6), st.integers(0, 4), st.sampled_from([1, 2, 6, 10, 30]), st.sampled_from([ROUND_DOWN, ROUND_HALF_UP])
)  # fmt: skip
def test_a_price_that_does_not_end_in_nine_decimals_is_seen_and_mended(
    digits: int, decimals: int, units: int, how: str
) -> None:
    meant = Decimal(digits).scaleb(-decimals)
    typed = (meant * units / 60).quantize(Decimal("1e-9"), how)
    if typed * 60 != meant * units:
        (told,) = priced(f"{typed:f}", units)
        assert told.endswith(f"write price {meant.normalize():f}, price_units 60")


@pytest.mark.parametrize("usage_type", ["ai-voice-agents", "stt"])
def test_an_ai_type_that_is_not_charged_by_the_minute(usage_type: str) -> None:
    line = f"default,{usage_type},,,seconds,1,60,6,0.06,60,EUR,2026-01-01T00:00:00Z,"
    assert warnings(line) == [
        f"line 2, increment: '{usage_type}' is charged by whole minutes as a rule, and 6 seconds are none: write 60"
    ]
    assert warnings(line.replace("60,6,", "61,120,")) == [
        f"line 2, initial_increment: '{usage_type}' is charged by whole minutes as a rule, and 61 seconds are none: write 120"
    ]
    assert warnings(line.replace("60,6,", "60,60,")) == []
    assert warnings(line.replace("seconds,1,60,6,0.06,60", "minutes,60,60,60,0.06,1")) == []
    assert warnings(line.replace(usage_type, "call")) == []


def test_a_prefix_that_begins_with_a_zero() -> None:
    assert warnings("default,call,089,,seconds,1,1,1,0.06,60,EUR,2026-01-01T00:00:00Z,") == [
        "line 2, destination_prefix: no country's code begins with 0: write it with the code, as 4989 for 089"
    ]


@pytest.mark.parametrize(
    ("usage_type", "unit", "says"),
    [
        ("SMS", "fragments", "usage_type: types are compared exactly, and 'SMS' is not 'sms'"),
        ("Call", "seconds", "usage_type: types are compared exactly, and 'Call' is not 'call'"),
        ("sms", "messages", "unit: the quantity of 'sms' is in fragments"),
        ("mms", "seconds", "unit: the quantity of 'mms' is in messages"),
        ("call", "fragments", "unit: the quantity of 'call' is in seconds"),
    ],
)
def test_types_of_the_contract_that_are_not_written_or_counted_as_it_does(
    usage_type: str, unit: str, says: str
) -> None:
    assert warnings(f"default,{usage_type},,,{unit},1,1,1,0.06,1,EUR,2026-01-01T00:00:00Z,") == [f"line 2, {says}"]


def test_cards_that_differ_in_case_alone() -> None:
    line = "default,call,,,minutes,60,60,60,0.06,1,EUR,2026-01-01T00:00:00Z,"
    assert warnings(line, line.replace("default", "Default")) == [
        "line 3, rate_card_id: 'Default' differs from 'default' (line 2) in case alone: it is another card"
    ]
