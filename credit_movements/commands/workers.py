"""The commands `rate`, `sink`, `watch` and `export`: one worker each, until SIGINT or SIGTERM."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from credit_movements.commands.output import fail
from credit_movements.logs import set_up_logs
from sinks.write.missing_offsets import MissingOffsets as SinkMissingOffsets
from streams.missing_offsets import MissingOffsets

if TYPE_CHECKING:
    from credit_movements.settings import Settings

logger = logging.getLogger(__name__)


def rate(
    missing_offsets: Annotated[
        MissingOffsets, typer.Option(help="Where to go on in a partition whose committed offset is missing or gone.")
    ] = MissingOffsets.STOP,
) -> None:
    """Run a rater: usage events, top-ups and adjustments in, credit movements out."""
    from credit_movements.workers.polars_setup import set_up_polars

    set_up_polars()
    from credit_movements.workers.rater import run_rater

    _work(partial(run_rater, missing_offsets=missing_offsets))


def sink(
    missing_offsets: Annotated[
        SinkMissingOffsets, typer.Option(help="Where to go on where the log does not have the committed offset.")
    ] = SinkMissingOffsets.STOP,
) -> None:
    """Run a sink: credit movements into ClickHouse."""
    from credit_movements.workers.sink import run_sink

    _work(partial(run_sink, missing_offsets=missing_offsets))


def watch() -> None:
    """Run a watch: credit movements in, alerts out: low balance, soon empty, unusual spending."""
    from credit_movements.workers.polars_setup import set_up_polars

    set_up_polars()
    from credit_movements.workers.watch import run_watch

    _work(run_watch)


def export() -> None:
    """Run an exporter: export requests in, CSV files, links and notifications out."""
    from credit_movements.workers import WorkerCrashedError
    from credit_movements.workers.exporter import run_exporter

    try:
        _work(run_exporter)
    except WorkerCrashedError as crashed:
        fail(str(crashed))


def _work(run: Callable[["Settings", threading.Event], None]) -> None:
    """Run a worker until SIGINT or SIGTERM; while a server that it needs at the start is away, wait and say so."""
    from credit_movements.settings import load_settings
    from credit_movements.unreachable import UnreachableError
    from kafka_io.outages import Complaints, Patience, StoppedWaitingError

    settings = load_settings()
    set_up_logs(settings.log_level)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with suppress(StoppedWaitingError):
        Patience(stop, Complaints(time.monotonic)).outlast(
            "a server that this worker needs at its start",
            partial(run, settings, stop),
            is_outage=lambda error: isinstance(error, UnreachableError),
        )
    logger.info("ended")
