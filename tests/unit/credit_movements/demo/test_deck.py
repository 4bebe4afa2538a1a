"""The made-up decks are decks that could be published."""

import csv
import io
from pathlib import Path

from credit_movements import demo
from credit_movements.demo.generated.deck import deck, sample_deck
from credit_movements.demo.generated.destinations import DESTINATIONS
from streams.pricing.deck.parsing import lint, read_deck
from streams.pricing.rates import Rate

NOW = 1_763_884_800_123_456  # 2025-11-23T08:00:00.123456Z
DAY = 86_400 * 10**6
SAMPLE = Path(demo.__file__).parent / "rates.csv"


def _rates(text: str) -> list[Rate]:
    linted = lint(csv.reader(io.StringIO(text)))
    assert linted.faults == []
    assert linted.warnings == []
    return linted.rates


def test_the_sample_deck_is_the_file_that_is_shipped_and_has_no_faults() -> None:
    assert SAMPLE.read_text("utf-8") == sample_deck()
    assert read_deck(SAMPLE).faults == []


def test_the_sample_deck_has_been_in_force_for_long() -> None:
    assert {rate.effective_from for rate in _rates(sample_deck())} == {1_577_836_800_000_000}


def test_there_are_three_cards_two_in_euro_and_one_in_dollars() -> None:
    cards = {(rate.rate_card_id, rate.currency) for rate in _rates(deck(NOW))}
    assert cards == {("default", "EUR"), ("business-eur", "EUR"), ("wholesale-usd", "USD")}


def test_every_usage_type_is_on_every_card_with_its_unit() -> None:
    units = {(rate.rate_card_id, rate.usage_type): rate.unit for rate in _rates(deck(NOW))}
    types = {
        "call": "seconds",
        "sms": "fragments",
        "whatsapp": "messages",
        "mms": "messages",
        "ai-voice-agents": "minutes",
        "stt": "minutes",
    }
    cards = ("default", "business-eur", "wholesale-usd")
    assert units == {(card, usage_type): unit for card in cards for usage_type, unit in types.items()}


def test_calls_go_by_the_increments_of_their_card() -> None:
    increments = {
        (rate.rate_card_id, rate.initial_increment, rate.increment)
        for rate in _rates(deck(NOW))
        if rate.usage_type == "call"
    }
    assert increments == {("default", 60, 60), ("business-eur", 30, 6), ("wholesale-usd", 1, 1)}


def test_prices_change_in_the_middle_of_the_month_without_gap_or_overlap() -> None:
    rates = _rates(deck(NOW))
    change = NOW - NOW % DAY - 15 * DAY + DAY // 2
    before = {rate.key for rate in rates if rate.effective_to == change}
    assert len(before) > 20
    assert len([rate for rate in rates if rate.effective_from == change]) == len(before)
    assert min(rate.effective_from for rate in rates) == NOW - NOW % DAY - 40 * DAY


def test_prefixes_stand_inside_one_another() -> None:
    prefixes = {each.prefix for each in DESTINATIONS}
    assert len(prefixes) == len(DESTINATIONS) >= 60
    assert {"1", "1684", "44", "447", "49", "4915", "49800", "7", "77", "39", "393"} <= prefixes
