"""What the commands about dead letters print."""

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from credit_movements.dead_letters.decoding import Deciphered
from credit_movements.dead_letters.letter import Letter
from credit_movements.dead_letters.listing import Listing
from credit_movements.dead_letters.replay import Fate, Replayed
from credit_movements.terminal.texts import cell, printable
from streams.pricing.rates import EARLIEST_MICROS, LATEST_MICROS, rfc3339

_HEX_BYTES = 64


def show_listing(listing: Listing, console: Console) -> None:
    """The counts, then the newest letters."""
    if not listing.lines:
        console.print("No dead letters.")
        return
    counts = Table("Topic", "Reason", "Count", "Oldest (UTC)", "Newest (UTC)")
    counts.columns[2].justify = "right"
    for line in listing.lines:
        counts.add_row(
            cell(line.topic), cell(line.reason), f"{line.count:,}", _second(line.oldest), _second(line.newest)
        )
    console.print(counts)
    for letter in listing.newest:
        console.print(
            printable(f"{_second(letter.at)}  {letter.name}  {letter.reason}: {letter.detail}"),
            markup=False,
            highlight=False,
        )
    console.print("`dead-letters list --show PLACE` decodes one of them.", markup=False, highlight=False)


def listing_json(listing: Listing) -> dict[str, Any]:
    return {
        "counts": [
            {**vars(line), "oldest": rfc3339(line.oldest), "newest": rfc3339(line.newest)} for line in listing.lines
        ],
        "newest": [letter_json(letter) for letter in listing.newest],
    }


def letter_json(letter: Letter, found: Deciphered | None = None) -> dict[str, Any]:
    source = (
        None if letter.source is None else f"{letter.source.topic}/{letter.source.partition}@{letter.source_offset}"
    )
    record = (
        {} if found is None else {"schema_id": found.schema_id, "fields": _readable(found), "problem": found.problem}
    )
    return {
        "place": letter.name,
        "at": rfc3339(letter.at),
        "reason": letter.reason,
        "detail": letter.detail,
        "source": source,
        "key": None if letter.key is None else letter.key.decode(errors="replace"),
        "bytes": None if letter.value is None else len(letter.value),
        **record,
    }


def show_letter(letter: Letter, found: Deciphered, console: Console) -> None:
    """One letter, with all that could be decoded."""

    def say(name: str, value: Any) -> None:
        console.print(printable(f"{name:>16}  {value}"), markup=False, highlight=False, soft_wrap=True)

    for name, value in letter_json(letter).items():
        say(name, value)
    for header, text in letter.headers:
        if not header.startswith("dlq."):
            say("header", f"{header}: {text!r}")
    say("schema", "none" if found.schema_id is None else found.schema_id)
    for field, value in _readable(found).items():
        say(field, json.dumps(value, ensure_ascii=False))
    if found.problem:
        say("problem", found.problem)
        if letter.value is not None:
            more = " …" if len(letter.value) > _HEX_BYTES else ""
            say("first bytes", letter.value[:_HEX_BYTES].hex(" ") + more)


def show_replay(replayed: Replayed, dry_run: bool, max_age: str, console: Console) -> None:
    """What became of the letters, and what the counts mean."""
    if not replayed.counts:
        console.print("No dead letters to replay.")
        return
    names = [
        (Fate.SENT, "Would be sent" if dry_run else "Sent"),
        *((fate, fate.capitalize()) for fate in list(Fate)[1:]),
    ]
    table = Table("Topic", "Reason", *(title for _, title in names))
    for column in table.columns[2:]:
        column.justify = "right"
    for topic, reason in sorted({(topic, reason) for topic, reason, _ in replayed.counts}):
        table.add_row(cell(topic), cell(reason), *(f"{replayed.counts[topic, reason, fate]:,}" for fate, _ in names))
    console.print(table)
    for fate, text in _EXPLANATIONS.items():
        if count := replayed.of(fate):
            console.print(f"{count:,} {text.format(max_age=max_age)}", highlight=False)
    if replayed.of(Fate.SENT) and not dry_run:
        console.print("What was sent is rated like any event; what became a movement before is a duplicate.")


_EXPLANATIONS = {
    Fate.CAME_BACK: "lie here with the same bytes as a newer letter: each content is sent once at most.",
    Fate.NEEDS_REASON: "would be refused again as they are: name their reason with --reason to send them all the same.",
    Fate.TOO_OLD: (
        "happened longer ago than CREDIT_EVENT_MAX_AGE ({max_age}): sent now they would become invalid_event, so they stay."
    ),
    Fate.OVER_LIMIT: "are left over by --limit.",
}


def _second(micros: int) -> str:
    return rfc3339(micros)[:19].replace("T", " ")


def _readable(found: Deciphered) -> dict[str, Any]:
    """The fields as people read them: a time is RFC 3339, unless it is none that could be."""
    return {
        name: rfc3339(value) if _is_time(name) and _can_be(value) else value for name, value in found.fields.items()
    }


def _is_time(field: str) -> bool:
    return field.endswith("_at") or field in {"effective_from", "effective_to"}


def _can_be(micros: Any) -> bool:
    return isinstance(micros, int) and EARLIEST_MICROS <= micros <= LATEST_MICROS
