"""The rating against cases that others published: the deck reader, one batch a deck, exact amounts. Format: README.md."""

import csv
import json
import re
from collections import defaultdict
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from credit_movements.demo.oracle import Oracle
from streams.pricing.deck.parsing import read_deck
from streams.pricing.deck.sheet import COLUMNS
from streams.pricing.rates import Rate, micros_of
from tests.conformance.cases import CONVENTIONS, FOLDER, STATES, Case, files, read_cases, table_of_differences
from tests.unit.streams.test_outcome import classified, event, outcome_of_each

CASES = list(read_cases())
DOCUMENTATION = FOLDER.parents[1] / "docs" / "CONFORMANCE.md"


@pytest.fixture(scope="module")
def decks(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], list[Rate]]:
    """The rates of each file's decks, through a CSV file and its reader."""
    folder = tmp_path_factory.mktemp("decks")
    return {
        (case.file, case.deck): rates_of(case, folder / f"{number}.csv")
        for number, case in enumerate({(case.file, case.deck): case for case in CASES}.values())
    }


def rates_of(case: Case, path: Path) -> list[Rate]:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(case.rows)
    deck = read_deck(path)
    assert deck.faults == [], f"{case.file}, deck {case.deck}"
    return deck.rates


@pytest.fixture(scope="module")
def rated(decks: dict[tuple[str, str], list[Rate]]) -> dict[str, tuple[str, Any]]:
    """What the rating makes of each case: one batch for each deck."""
    together = defaultdict(list)
    for case in CASES:
        together[case.file, case.deck].append(case)
    return {
        case.id: outcome
        for deck, cases in together.items()
        for case, outcome in zip(cases, rated_batch(cases, decks[deck]), strict=True)
    }


def rated_batch(cases: list[Case], rates: list[Rate]) -> list[tuple[str, Any]]:
    events = [event_of(row, case) for row, case in enumerate(cases)]
    return outcome_of_each(classified(events, [asdict(rate) for rate in rates]), len(cases))


def event_of(number: int, case: Case) -> dict[str, Any]:
    """The case's event, recorded when it occurred: the calls lie decades apart, and their age is not what they are about."""
    at = micros_of(datetime.fromisoformat(case.event["occurred_at"]))
    return event(number, **case.event | {"occurred_at": at, "recorded_at": at, "newest_at": at})


def in_its_words(case: Case, outcome: tuple[str, Any]) -> dict[str, Any]:
    """An outcome as the case would write it, with the fields that the case states."""
    kind, result = outcome
    if kind != "movement":
        return {"reason": result}
    amount, units, *_ = result
    said = {"units_charged": units, "amount": amount}
    return {name: said[name] for name in case.expected}


def exact(expected: dict[str, Any]) -> dict[str, Any]:
    return expected | ({"amount": Decimal(expected["amount"])} if "amount" in expected else {})


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_rating_gives_the_published_amount_to_the_nano(case: Case, rated: dict[str, tuple[str, Any]]) -> None:
    assert in_its_words(case, rated[case.id]) == exact(case.expected), case.source


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_oracle_gives_the_published_amount_too(case: Case, decks: dict[tuple[str, str], list[Rate]]) -> None:
    oracle = Oracle([asdict(rate) for rate in decks[case.file, case.deck]], [])
    assert in_its_words(case, oracle.outcome(event_of(0, case))) == exact(case.expected), case.source


def test_a_hundred_cases_and_more_agree_and_none_is_left_out(rated: dict[str, tuple[str, Any]]) -> None:
    written = [case["id"] for path in files() for case in json.loads(path.read_text())["cases"]]
    assert len(written) >= 100
    assert len(set(written)) == len(written), "an id comes twice"
    assert sorted(rated) == sorted(written)
    assert sum(case.differs is None for case in CASES) >= 100


def test_every_deck_is_used() -> None:
    written = {(path.stem, deck) for path in files() for deck in json.loads(path.read_text())["decks"]}
    assert written == {(case.file, case.deck) for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_case_is_written_as_the_readme_says(case: Case) -> None:
    assert case.id.startswith(f"{case.file}/")
    assert case.title
    assert case.source["system"] not in ("", "others")
    # A repository and what in it, or the address of a page.
    assert re.match(r"https?://[^ ]+\.[^ ]+|[\w.-]+/[\w.-]+: .+", case.source["where"])
    assert case.source["states"] in STATES
    assert all(tuple(row) == COLUMNS and all(isinstance(cell, str) for cell in row.values()) for row in case.rows)
    assert set(case.event) == {"usage_type", "quantity", "destination", "occurred_at"}
    assert set(case.expected) in ({"reason"}, {"amount"}, {"units_charged", "amount"})
    if case.differs:
        assert set(case.differs) == {"conventions", "theirs", "why"}
        assert set(case.differs["conventions"]) <= set(CONVENTIONS)
        assert Decimal(case.differs["theirs"]) != Decimal(case.expected.get("amount", "NaN"))


def test_the_documentation_has_the_table_of_these_cases() -> None:
    table = table_of_differences(CASES)
    assert table in DOCUMENTATION.read_text(encoding="utf-8"), f"write this into {DOCUMENTATION.name}:\n{table}"
