"""A line of a library is shown at once when it is new, and once a minute when it repeats."""

import logging
import subprocess
import sys

import pytest

from credit_movements.logs import LibraryLines


class Log:
    """What passes, by a clock of the test's."""

    def __init__(self) -> None:
        self.now_seconds = 5.0
        self._lines = LibraryLines(lambda: self.now_seconds)

    def shown(self, text: str, name: str = "kafka", level: int = logging.ERROR, **more: object) -> str | None:
        record = logging.LogRecord(name, level, __file__, 1, "%s [%s] %s", ("FAIL", "x#producer-1", text), None)
        record.__dict__.update(more)
        return record.getMessage() if self._lines.filter(record) else None


@pytest.fixture
def log() -> Log:
    return Log()


def test_lines_that_differ_in_numbers_alone_are_one_a_minute_and_the_rest_is_counted(log: Log) -> None:
    assert log.shown("refused (after 0ms)") == "FAIL [x#producer-1] refused (after 0ms)"
    assert [log.shown(f"refused (after {number}ms)") for number in range(25)] == [None] * 25
    assert log.shown("refused (after 0ms, 30 identical error(s) suppressed)") is None
    log.now_seconds += 61.0
    assert log.shown("refused (after 7ms)") == (
        "FAIL [x#producer-1] refused (after 7ms) (and 26 more like it in the last 61 s)"
    )
    log.now_seconds += 60.0
    assert log.shown("refused (after 8ms)") == "FAIL [x#producer-1] refused (after 8ms)"


def test_what_was_not_said_before_is_said_at_once(log: Log) -> None:
    assert log.shown("100% refused") is not None
    assert log.shown("timed out") is not None
    assert log.shown("100% refused", name="aiokafka.conn") is not None


def test_our_own_lines_and_tracebacks_pass_always(log: Log) -> None:
    for _ in range(3):
        assert log.shown("the same", name="streams.rater") is not None
        assert log.shown("the same", exc_info=(ValueError, ValueError(), None)) is not None


def test_lines_with_whole_urls_in_them_are_not_shown(log: Log) -> None:
    assert log.shown("http://user:a-secret@host", name="urllib3.connectionpool") is None


_WITHOUT_A_BROKER = """
from confluent_kafka import Consumer
from credit_movements.clients import kafka_log
from credit_movements.logs import set_up_logs

set_up_logs("INFO")
consumer = Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "x"}, logger=kafka_log)
consumer.subscribe(["usage-events"])
for _ in range(20):
    consumer.poll(0.1)
print("a broker that is away was asked for two seconds")
consumer.close()
"""


def test_a_broker_that_is_away_is_told_of_once() -> None:
    asked = subprocess.run([sys.executable, "-c", _WITHOUT_A_BROKER], capture_output=True, text=True, check=True)
    assert asked.stdout.startswith("a broker that is away")
    (line,) = asked.stderr.splitlines()
    assert " ERROR   kafka: FAIL " in line
    assert "Connection refused" in line


@pytest.mark.parametrize("room", ["schemas", "kafka_io", "streams", "sinks", "exporter", "credit_movements"])
def test_a_line_of_ours_always_passes(log: Log, room: str) -> None:
    assert log.shown("away", f"{room}.outages") is not None
    assert log.shown("away", f"{room}.outages") is not None


_SHOWS_A_URL = """
import logging
from credit_movements.commands import main
URL = "http://user:a-secret@host/x"
def balance() -> None:
    try:
        raise ValueError(URL)
    except ValueError:
        logging.getLogger("sinks").exception("at %s", URL)
    raise KeyError(URL)
main.app = balance
main.main()
"""


def test_neither_a_log_line_nor_a_traceback_shows_the_password_of_a_url() -> None:
    # Of a script in a file the traceback would show the line itself.
    ended = subprocess.run([sys.executable, "-c", _SHOWS_A_URL], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "sinks: at http://host/x" in ended.stderr
    assert "ValueError: http://host/x" in ended.stderr
    assert "KeyError: 'http://host/x'" in ended.stderr
    assert "a-secret" not in ended.stderr + ended.stdout
