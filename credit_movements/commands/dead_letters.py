"""The commands `dead-letters list` and `dead-letters replay`."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from credit_movements.commands.output import AsJson, DataDir, wide_console
from schemas.dead_letters import Reason
from schemas.topics import DEAD_LETTER_SUFFIX, topic_named

if TYPE_CHECKING:
    from credit_movements.dead_letters.letter import Letter
    from credit_movements.dead_letters.reading import DeadLetters
    from credit_movements.dead_letters.selection import Selection
    from credit_movements.settings import Settings

dead_letters_app = typer.Typer(no_args_is_help=True, help="What could not be used, and sending it once more.")

Reasons = Annotated[list[str] | None, typer.Option("--reason", help=f"One of {', '.join(Reason)}; may be repeated.")]
Topics = Annotated[list[str] | None, typer.Option("--topic", help="Source topic; may be repeated.")]
Since = Annotated[str | None, typer.Option(help="Written at or after, as 2026-01-31T12:00:00Z.")]
Until = Annotated[str | None, typer.Option(help="Written before.")]


@dead_letters_app.command("list")
def list_letters(
    reason: Reasons = None,
    topic: Topics = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(help="How many of the newest to show.", min=0)] = 10,
    show: Annotated[
        str | None, typer.Option(help="Decode this one as far as it can be: usage-events.dlq/PARTITION@OFFSET.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Count dead letters by topic and reason, and show the newest, or one of them decoded."""
    from credit_movements.dead_letters.reading import DeadLetters
    from credit_movements.dead_letters.selection import selection
    from credit_movements.settings import load_settings

    wanted = selection(topic or (), reason or (), since, until)
    settings = load_settings(data_dir)
    letters = DeadLetters(settings, wanted.topics)
    try:
        if show is None:
            _show_listing(letters, wanted, limit, as_json)
        else:
            _show_letter(settings, letters.at(show), as_json)
    finally:
        letters.close()


def _show_listing(letters: "DeadLetters", wanted: "Selection", limit: int, as_json: bool) -> None:
    from credit_movements.dead_letters.listing import listed
    from credit_movements.dead_letters.report import listing_json, show_listing

    listing = listed(letters.read(), wanted, limit)
    if as_json:
        _print_json(listing_json(listing))
    else:
        show_listing(listing, wide_console())


def _show_letter(settings: "Settings", letter: "Letter", as_json: bool) -> None:
    from credit_movements.clients import subject_schemas
    from credit_movements.dead_letters.decoding import deciphered
    from credit_movements.dead_letters.report import letter_json, show_letter

    source = topic_named(letter.topic_partition.topic.removesuffix(DEAD_LETTER_SUFFIX))
    found = deciphered(letter.value, source, subject_schemas(settings))
    if as_json:
        _print_json(letter_json(letter, found))
    else:
        show_letter(letter, found, wide_console())


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@dead_letters_app.command("replay")
def replay_letters(
    reason: Reasons = None,
    topic: Topics = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int | None, typer.Option(help="Send at most so many.", min=1)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing, say what would be sent.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Send refused usage events, top-ups and adjustments once more: after a missing rate was published, say. Safe to repeat."""
    from credit_movements.clock import now_micros
    from credit_movements.dead_letters.reading import DeadLetters
    from credit_movements.dead_letters.replay import REPLAYABLE, Replay
    from credit_movements.dead_letters.report import show_replay
    from credit_movements.dead_letters.selection import selection
    from credit_movements.settings import load_settings

    _check_replayable(topic or [], REPLAYABLE)
    wanted = selection(topic or (), reason or (), since, until, REPLAYABLE)
    settings = load_settings(data_dir)
    letters = DeadLetters(settings, wanted.topics)
    try:
        replayed = Replay(settings, wanted, limit, dry_run, now_micros).run(letters)
    finally:
        letters.close()
    show_replay(replayed, dry_run, f"{settings.event_max_age.total_seconds() / 86_400:g} days", wide_console())


def _check_replayable(topics: list[str], replayable: tuple[str, ...]) -> None:
    from credit_movements.dead_letters.selection import SOURCE_NAMES, BadSelectionError

    for name in topics:
        source = name.removesuffix(DEAD_LETTER_SUFFIX)
        if source in SOURCE_NAMES and source not in replayable:
            raise BadSelectionError(
                f"--topic {name}: only {', '.join(replayable)} are replayed; publish a mended record instead"
            )
