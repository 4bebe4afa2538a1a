"""The commands that operate a running system, `audit`, `dead-letters list|replay` and `delete-export`; and `verify`."""

import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from credit_movements.commands.output import DataDir
from credit_movements.logs import set_up_logs
from credit_movements.settings import load_settings
from schemas.dead_letters import Reason
from schemas.topics import DEAD_LETTER_SUFFIX, topic_named


class NoSuchExportError(Exception):
    """There is nothing to delete."""


operations = typer.Typer()
dead_letters_app = typer.Typer(no_args_is_help=True, help="What could not be used, and sending it once more.")
operations.add_typer(dead_letters_app, name="dead-letters")

Reasons = Annotated[list[str] | None, typer.Option("--reason", help=f"One of {', '.join(Reason)}; may be repeated.")]
Topics = Annotated[list[str] | None, typer.Option("--topic", help="Source topic; may be repeated.")]
Since = Annotated[str | None, typer.Option(help="Written at or after, as 2026-01-31T12:00:00Z.")]
Until = Annotated[str | None, typer.Option(help="Written before.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@operations.command()
def audit(
    as_json: AsJson = False,
    partitions: Annotated[bool, typer.Option("--partitions", help="Show each partition.")] = False,
    every: Annotated[float | None, typer.Option(help="Go on, an audit every so many seconds.", min=1)] = None,
    http_port: Annotated[int, typer.Option(help="With --every: port of /metrics; 0: any.", min=0, max=65535)] = 18084,
    data_dir: DataDir = None,
) -> None:
    """Prove that nothing is lost, doubled or altered: events = movements + duplicates + dead letters = ClickHouse."""
    from credit_movements.audit.auditor import Auditor
    from credit_movements.audit.report import as_json as json_of
    from credit_movements.audit.report import show
    from credit_movements.audit.watch import watch

    settings = load_settings(data_dir)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if every is not None:
        set_up_logs(settings.log_level)
        watch(settings, every, http_port, stop)
        return
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    auditor = Auditor(settings, stop)
    try:
        with errors.status("Auditing …") as status:
            found = auditor.audit(lambda done, of: status.update(f"Auditing partition {done + 1} of {of} …"))
    finally:
        auditor.close()
    if as_json:
        sys.stdout.write(json.dumps(json_of(found), indent=2, ensure_ascii=False) + "\n")
    else:
        show(found, partitions, _console(), errors)
    if not found.holds:
        raise typer.Exit(1)


@operations.command()
def verify(
    file: Path,
    manifest: Annotated[
        Path | None, typer.Option(help="Its manifest.  [default: beside it, .manifest.json in place of .csv]")
    ] = None,
) -> None:
    """Check an exported CSV against its manifest, line by line. Needs no server and no settings."""
    from credit_movements.verify.findings import MOST_TOLD
    from credit_movements.verify.report import summary
    from credit_movements.verify.source import UnreadableFileError
    from credit_movements.verify.verification import verified

    console = Console(highlight=False, soft_wrap=True)
    try:
        told, findings = verified(file, manifest)
    except OSError as error:
        raise UnreadableFileError(f"{file}: {error.strerror}") from error
    if not findings.count:
        console.print(summary(file, told), markup=False)
        return
    for each in findings.told:
        console.print(each, markup=False)
    if findings.count > MOST_TOLD:
        console.print(f"... and {findings.count - MOST_TOLD} more")
    console.print(f"{file} is NOT what its manifest says: {findings.count} differences.", markup=False)
    raise typer.Exit(1)


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
    from credit_movements.clients import registry
    from credit_movements.dead_letters import report
    from credit_movements.dead_letters.decoding import deciphered
    from credit_movements.dead_letters.listing import listed
    from credit_movements.dead_letters.reading import DeadLetters
    from credit_movements.dead_letters.selection import selection
    from schemas.registry import SubjectSchemas

    wanted = selection(topic or (), reason or (), since, until)
    settings = load_settings(data_dir)
    letters = DeadLetters(settings, wanted.topics)
    console = _console()
    try:
        if show is None:
            listing = listed(letters.read(), wanted, limit)
            if as_json:
                sys.stdout.write(json.dumps(report.listing_json(listing), indent=2, ensure_ascii=False) + "\n")
            else:
                report.show_listing(listing, console)
            return
        letter = letters.at(show)
    finally:
        letters.close()
    source = topic_named(letter.place.topic.removesuffix(DEAD_LETTER_SUFFIX))
    found = deciphered(letter.value, source, SubjectSchemas(registry(settings)))
    if as_json:
        sys.stdout.write(json.dumps(report.letter_json(letter, found), indent=2, ensure_ascii=False) + "\n")
    else:
        report.show_letter(letter, found, console)


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
    """Send refused usage events and top-ups once more: after a missing rate was published, say. Safe to repeat."""
    from credit_movements.dead_letters.reading import DeadLetters
    from credit_movements.dead_letters.replay import REPLAYABLE, Replay
    from credit_movements.dead_letters.report import show_replay
    from credit_movements.dead_letters.selection import selection

    _check_replayable(topic or [], REPLAYABLE)
    wanted = selection(topic or (), reason or (), since, until, REPLAYABLE)
    settings = load_settings(data_dir)
    letters = DeadLetters(settings, wanted.topics)
    try:
        replayed = Replay(settings, wanted, limit, dry_run, lambda: time.time_ns() // 1000).run(letters)
    finally:
        letters.close()
    show_replay(replayed, dry_run, f"{settings.event_max_age.total_seconds() / 86_400:g} days", _console())


@operations.command()
def delete_export(
    account: Annotated[str, typer.Argument(help="The account.")],
    export_id: Annotated[str, typer.Argument(help="The export's id, as its notification tells it.")],
    data_dir: DataDir = None,
) -> None:
    """Delete the files of a finished export before their time: its links are dead from now on, and stay so."""
    from credit_movements.workers.exporter import export_storage
    from exporter.storage.records import ExportRecords

    if not ExportRecords(export_storage(load_settings(data_dir))).delete_files(account, export_id):
        raise NoSuchExportError(f"account {account!r} has no finished export {export_id!r}")
    _console().print(f"export {export_id} of account {account!r} is deleted", markup=False, soft_wrap=True)


def told_in_one_line() -> tuple[type[Exception], ...]:
    """What ends one of these commands with one line."""
    from credit_movements.dead_letters.selection import BadSelectionError
    from credit_movements.verify.manifest import NoManifestError
    from credit_movements.verify.source import UnreadableFileError
    from exporter.storage.objects import StorageUnavailableError
    from kafka_io.reading import StoppedError, StuckError
    from sinks.read.movements import MovementsUnavailableError

    return (
        BadSelectionError,
        MovementsUnavailableError,
        NoManifestError,
        NoSuchExportError,
        StoppedError,
        StorageUnavailableError,
        StuckError,
        UnreadableFileError,
    )


def _check_replayable(topics: list[str], replayable: tuple[str, ...]) -> None:
    from credit_movements.dead_letters.selection import SOURCE_NAMES, BadSelectionError

    for name in topics:
        source = name.removesuffix(DEAD_LETTER_SUFFIX)
        if source in SOURCE_NAMES and source not in replayable:
            raise BadSelectionError(
                f"--topic {name}: only {' and '.join(replayable)} are replayed; publish a mended record instead"
            )


def _console() -> Console:
    """Piped into a file there is no terminal to fit into."""
    return Console(width=None if sys.stdout.isatty() else 160)
