"""The cases of this folder's files, and the table of the conventions in which other systems differ. Format: README.md."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
# What a source states of a case; the rest of the amount is arithmetic by hand.
STATES = {"amount", "units", "rate", "rule"}
# Each convention in which others differ, in the words of the documentation's table.
CONVENTIONS = {
    "connection_fee": "a fee for each call, attempt or event, beside its units",
    "minimum_charge": "nothing, or no period, costs less than a least amount",
    "maximum_charge": "nothing, or no period, costs more than a highest amount",
    "free_allowance": "free seconds or units: grace periods, packages, bundles",
    "time_of_day": "another price by the clock, also in the middle of a call",
    "tiers": "the price changes with the length or the sum of the usage",
    "call_time_steps": "surcharges or longer counting from a length of call on",
    "scaled_duration": "a duration that counts more than it lasted",
    "fee_without_usage": "a flat amount that is due without usage",
    "grid_from_zero": "increments are counted from the begin of the call, not behind the initial increment",
    "rounding": "the amount has other places, or another direction, or its factors are rounded first",
    "tax": "the tax is part of the charge",
    "end_inclusive": "a price still counts in the instant in which it ends",
    "missing_rate_is_free": "what has no price costs nothing",
    "negative_quantity": "a negative quantity gives money back, or costs nothing",
    "limit": "no limit to the quantity of one event",
}


@dataclass(frozen=True)
class Case:
    """One published case. `deck` names the rows of `file`'s deck that it is rated with."""

    file: str
    id: str
    title: str
    source: dict[str, str]
    deck: str
    rows: tuple[dict[str, str], ...]
    event: dict[str, Any]
    expected: dict[str, Any]
    differs: dict[str, Any] | None = None


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.json"))


def read_cases() -> Iterator[Case]:
    for path in files():
        content = json.loads(path.read_text(encoding="utf-8"))
        for case in content["cases"]:
            yield Case(file=path.stem, rows=tuple(content["decks"][case["deck"]]), **case)


def table_of_differences(cases: list[Case]) -> str:
    """The documentation's table: each convention, how many systems of the cases have it, and which."""
    lines = ["| convention | systems | which |", "|---|---|---|"]
    rows = []
    for name, words in CONVENTIONS.items():
        systems = {case.source["system"] for case in cases if case.differs and name in case.differs["conventions"]}
        rows.append(
            (len(systems), f"| `{name}`: {words} | {len(systems)} | {', '.join(sorted(systems, key=str.lower))} |")
        )
    lines += [row for _, row in sorted(rows, key=lambda each: -each[0])]
    return "\n".join(lines)
