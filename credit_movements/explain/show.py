"""An explanation as text for a person, and as JSON for programs and the dashboard. Pure."""

from collections.abc import Callable, Iterable
from typing import Any

from credit_movements.explain.explanation import Copy, Explanation, Fields, HeldBy, Searched
from credit_movements.explain.texts import money, readable, time_of
from credit_movements.explain.touching import Adjusted
from credit_movements.terminal.texts import printable

Say = Callable[[str], None]

_WIDTH = 22


def as_json(found: Explanation) -> dict[str, Any]:
    """The contract's JSON (section 6), and besides it what was looked through, the copies and the exports."""
    return {
        "event": _record(found.copy),
        "outcome": found.copy.fate.value,
        "why": found.copy.why,
        "dead_letter": found.copy.letter,
        "movement": None if found.movement is None else readable(found.movement),
        "steps": [step._asdict() for step in found.steps],
        "disagreements": found.disagreements,
        "csv_line": found.csv_line,
        "adjustments": [readable(_adjustment(each)) for each in found.adjustments],
        "adjusted": _adjusted(found),
        "exports": None if found.exports is None else [_export(each) for each in found.exports],
        "copies": [
            {**_record(each), "outcome": each.fate.value, "why": each.why, "dead_letter": each.letter}
            for each in found.copies
        ],
        "searched": [each._asdict() for each in found.searched],
    }


def show(found: Explanation, say: Say) -> None:
    """Say it line by line."""
    say(f"Event {found.event_id}")
    _say_record(found.copy, say)
    say(f"\nWhat became of it: {found.copy.fate.value.replace('_', ' ')}")
    _say_pairs([("", found.copy.why), *([("dead letter", found.copy.letter)] if found.copy.letter else [])], say)
    if found.disagreements:
        say("\n!!! THE LEDGER AND THE PUBLISHED PRICES DISAGREE")
        _say_pairs([("", each) for each in found.disagreements], say)
    if found.steps:
        say("\nThe price, step by step" + ("" if found.movement else ", by today's prices"))
        _say_pairs([(step.name, step.value + (f"   ({step.why})" if step.why else "")) for step in found.steps], say)
    if found.movement is not None:
        _say_movement(found, found.movement, say)
    if found.copies:
        say("\nOther records of this id")
        _say_pairs(
            [(each.record.place.name, f"{each.fate.value.replace('_', ' ')}: {each.why}") for each in found.copies], say
        )
    say("\nLooked through")
    _say_pairs([(each.topic, _looked(each)) for each in found.searched], say)


def _say_movement(found: Explanation, movement: Fields, say: Say) -> None:
    say("\nThe line in the customer's file (UTC unless --time-zone says otherwise)")
    _say_pairs([("", found.csv_line or "none: movements of 0 are in no file")], say)
    adjusted = Adjusted.by(movement, found.adjustments)
    say(f"\nAdjustments that name it: {len(found.adjustments) or 'none'}")
    _say_pairs(
        [
            (time_of(each["occurred_at"]), f"{each['description']} {money(each['credit_movement_nanos'])}"
             f" {each['currency']}, {each['movement_id']}" + (f": {each['reason']}" if each["reason"] else ""))
            for each in found.adjustments
        ],
        say,
    )  # fmt: skip
    if found.adjustments:
        currency = movement["currency"]
        back = "to give back" if movement["credit_movement_nanos"] <= 0 else "to take back"
        left = f"at most {money(adjusted.left)} {currency} {back}"
        _say_pairs([("together", f"{money(adjusted.nanos)} {currency}"), ("left", left)], say)
    if adjusted.exceeds:
        say(f"!!! THEY EXCEED IT: {money(adjusted.given_back)} against {money(abs(movement['credit_movement_nanos']))}")
    if found.exports is None:
        say(f"\nExports that hold it: not known: {found.exports_why}")
        return
    say(f"\nExports that hold it: {len(found.exports) or 'none'}")
    _say_pairs(
        [(time_of(each.requested_at), f"{each.file_name}, export {each.export_id}") for each in found.exports], say
    )


def _say_record(copy: Copy, say: Say) -> None:
    at = copy.record.recorded_at
    written = "the record itself is gone: retention" if at is None else time_of(at)
    fields = [(name, str(value)) for name, value in readable(copy.record.fields).items() if value is not None]
    _say_pairs([("lies at", copy.record.place.name), ("written", written), *fields], say)


def _say_pairs(pairs: Iterable[tuple[str, str | None]], say: Say) -> None:
    for name, value in pairs:
        say(f"  {printable(name):<{_WIDTH}}  {printable(str(value))}" if name else f"  {printable(str(value))}")


def _looked(searched: Searched) -> str:
    some = "all" if searched.records >= searched.of else f"{searched.records:,} of"
    partitions = "1 partition" if searched.partitions == 1 else f"{searched.partitions} partitions"
    return f"{some} {searched.of:,} records in {partitions}"


def _record(copy: Copy) -> dict[str, Any]:
    (topic, partition), offset = copy.record.place
    at = copy.record.recorded_at
    place = {"topic": topic, "partition": partition, "offset": offset, "at": None if at is None else time_of(at)}
    return {**place, "fields": readable(copy.record.fields)}


def _adjustment(movement: Fields) -> Fields:
    names = ("movement_id", "interaction_id", "occurred_at", "currency", "reason")
    kind = {"kind": movement["description"], "amount_nanos": movement["credit_movement_nanos"]}
    return {**kind, **{name: movement[name] for name in names}}


def _adjusted(found: Explanation) -> dict[str, Any] | None:
    if found.movement is None:
        return None
    adjusted = Adjusted.by(found.movement, found.adjustments)
    amounts = {"amount": adjusted.nanos, "given_back": adjusted.given_back, "left": adjusted.left}
    return {**{name: money(nanos) for name, nanos in amounts.items()}, "exceeds": adjusted.exceeds}


def _export(held: HeldBy) -> dict[str, Any]:
    ends = held.link_ends_at
    return {
        "export_id": held.export_id,
        "requested_at": time_of(held.requested_at),
        "file_name": held.file_name,
        "link_ends_at": None if ends is None else time_of(ends),
    }
