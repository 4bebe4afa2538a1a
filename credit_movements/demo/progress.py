"""The demo's traffic: published by a process of its own, while a progress bar shows what rater and sink have done."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from credit_movements.demo.company import Company
from credit_movements.settings import Settings
from credit_movements.supervision.launch import tethered
from kafka_io.errors import UserError
from schemas.topics import TOP_UP_EVENTS, USAGE_EVENTS

_POLL_SECONDS = 0.25
_STALL_SECONDS = 120.0
_STALLED = f"nothing was rated or stored for {_STALL_SECONDS:g} s: the logs may tell why"
_ANSWER_SECONDS = 5.0
_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


class DemoFailedError(UserError):
    """The demo cannot go on: one line that says what did not happen."""


def rate_and_store(
    settings: Settings, environment: Mapping[str, str], company: Company, events: int, console: Console
) -> tuple[int, int]:
    """Publish everything; return when all is rated and stored: how many messages and movements. Raises DemoFailedError."""
    expected = [company.expected(topic) for topic in (USAGE_EVENTS, TOP_UP_EVENTS)]
    messages, movements = (sum(getattr(each, name) for each in expected) for name in ("messages", "movements"))
    command = (sys.executable, "-m", "credit_movements.demo.publisher", str(company.now_micros), str(events))
    with (
        subprocess.Popen(tethered(command), env=dict(environment), stdin=subprocess.DEVNULL) as publisher,
        Progress(*_COLUMNS, console=console) as progress,
    ):
        progress.add_task("events rated    ", total=messages)
        progress.add_task("movements stored", total=movements)
        last_change = time.monotonic()
        while not progress.finished:
            time.sleep(_POLL_SECONDS)
            for task, done in zip(progress.tasks, _done(settings), strict=True):
                if done != task.completed:
                    last_change = time.monotonic()
                progress.update(task.id, completed=done)
            if publisher.poll() not in (None, 0):
                raise DemoFailedError(f"the publisher ended with status {publisher.returncode}")
            if time.monotonic() - last_change > _STALL_SECONDS:
                raise DemoFailedError(_STALLED)
    return messages, movements


def wait_until_stored(settings: Settings, messages: int, movements: int) -> None:
    """Return when the rater has read so many messages since its start, and the sink has stored so many movements.

    Raises DemoFailedError.
    """
    deadline = time.monotonic() + _STALL_SECONDS
    while any(done < wanted for done, wanted in zip(_done(settings), (messages, movements), strict=True)):
        if time.monotonic() > deadline:
            raise DemoFailedError(_STALLED)
        time.sleep(_POLL_SECONDS)


def waiting_for_more(settings: Settings) -> Callable[[int, int], None]:
    """Waits like `wait_until_stored`, for so many messages and movements more than there are now."""
    messages, movements = _done(settings)
    return lambda more_messages, more_movements: wait_until_stored(
        settings, messages + more_messages, movements + more_movements
    )


def _done(settings: Settings) -> tuple[int, int]:
    """How many events the rater has read, and how many movements the sink has stored, since their start."""
    return (
        counted(settings.rater_http_port, "credit_events_consumed"),
        counted(settings.sink_http_port, "credit_sink_rows_inserted"),
    )


def counted(port: int, name: str, **labels: str) -> int:
    """The sum of a worker's counter over all labels but those given; 0 while its page does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_ANSWER_SECONDS) as page:
            text = page.read().decode()
    except (urllib.error.URLError, TimeoutError):
        return 0
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    wanted = [each for each in samples if each.name == f"{name}_total" and labels.items() <= each.labels.items()]
    return int(sum(sample.value for sample in wanted))
