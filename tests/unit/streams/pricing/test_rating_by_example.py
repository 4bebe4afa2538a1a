"""The worked examples of docs/reference/rating-by-example.md, rated by the product's own functions."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from streams.pricing.deck.parsing import read_deck
from streams.pricing.rates import micros_of
from tests.unit.streams.test_outcome import classified, event, outcome_of_each, top_up

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "rating-by-example.md"
NOON = datetime(2026, 3, 15, 12, tzinfo=UTC)
NANO = Decimal("1e-9")


@dataclass(frozen=True)
class Section:
    """A deck, and the examples that are rated by it, in one batch: the rows of a table, by the names of its columns."""

    title: str
    deck: str
    rows: list[dict[str, str]]


def sections() -> Iterator[Section]:
    for text in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        (deck,) = re.findall(r"<!-- deck -->\n```csv\n(.*?)```", text, re.DOTALL)
        header, _, *lines = [_cells(line) for line in text.splitlines() if line.startswith("|")]
        yield Section(text.splitlines()[0], deck, [dict(zip(header, line, strict=True)) for line in lines])


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def event_of(number: int, row: dict[str, str]) -> dict[str, Any]:
    """The event of an example. Its record is as old as the event: the age is not what these examples are about."""
    at = micros_of(datetime.fromisoformat(row["occurred at"]) if row.get("occurred at") else NOON)
    times = {"occurred_at": at, "recorded_at": at, "newest_at": at}
    if "top-up" in row:
        return top_up(number, amount_nanos=int(Decimal(row["top-up"]) / NANO), currency=row["currency"], **times)
    # Two rows with one id are one event sent twice, so nothing else may differ between them.
    number = int(row["event id"]) if "event id" in row else number
    return event(
        number,
        usage_type=row["usage type"],
        quantity=int(row["quantity"]),
        destination=row["destination"] or None,
        **times,
    )


@pytest.mark.parametrize("section", list(sections()), ids=lambda section: section.title)
def test_each_example_is_rated_as_the_page_says(section: Section, tmp_path: Path) -> None:
    file = tmp_path / "rates.csv"
    file.write_text(section.deck, encoding="utf-8")
    deck = read_deck(file)
    assert deck.faults == []
    events = [event_of(number, row) for number, row in enumerate(section.rows)]
    outcomes = outcome_of_each(classified(events, [asdict(rate) for rate in deck.rates]), len(events))
    for row, (kind, result) in zip(section.rows, outcomes, strict=True):
        if row["outcome"] == "movement":
            amount, units, *_ = result
            assert (kind, units, amount) == ("movement", int(row["units charged"]), Decimal(row["credit movement"])), (
                row
            )
        else:
            assert row["outcome"] == (result if kind == "refused" else kind), row
            assert row["units charged"] == row["credit movement"] == "", row


def test_every_rule_of_rating_has_an_example() -> None:
    named = {rule for section in sections() for rule in re.findall(r"3\.\d", section.title)}
    assert named == {"3.1", "3.2", "3.3", "3.4", "3.5", "3.6"}
