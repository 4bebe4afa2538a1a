"""Logs that people read: one line an event, on stderr, times in UTC."""

import logging
import re
import time
from collections.abc import Callable
from math import inf

from kafka_io.errors import without_passwords

_OURS = ("credit_movements", "schemas", "kafka_io", "streams", "sinks", "exporter")
# Our own line says once a minute what is down. Theirs would come with every attempt, with whole URLs.
_SILENT = ("urllib3", "clickhouse_connect")
_SECONDS_BETWEEN_LIKE_LINES = 60.0
# Numbers, and what librdkafka adds to a line when it has left some out itself.
_DIFFERS = re.compile(r"(, \d+ identical error\(s\) suppressed)|\d+")
# Some lines have names of group members in them, so there may be very many kinds of lines.
_MOST_KINDS = 1_000


def set_up_logs(level: str) -> None:
    """Log to stderr from `level` on; libraries from WARNING on, with few repetitions."""
    formatter = _WithoutPasswords("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    handler.addFilter(LibraryLines(time.monotonic))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for ours in _OURS:
        logging.getLogger(ours).setLevel(level)


class _WithoutPasswords(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """The whole of it, with tracebacks."""
        return without_passwords(super().format(record))


class LibraryLines(logging.Filter):
    """Lets one line a minute pass of those of a library that differ in numbers alone, with the number of those left out.

    librdkafka logs some 25 lines a second while a broker is away. Tracebacks always pass, and so do our own lines.
    """

    def __init__(self, monotonic_seconds: Callable[[], float]) -> None:
        super().__init__()
        self._now = monotonic_seconds
        self._said_at: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        package = record.name.split(".")[0]
        if package in _OURS:
            return True
        # Not by the logger's level: urllib3's is set anew when clickhouse_connect is imported.
        if package in _SILENT:
            return record.levelno >= logging.CRITICAL
        return record.exc_info is not None or self._is_due(record)

    def _is_due(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        kind = f"{record.name} {_DIFFERS.sub('', message)}"
        now = self._now()
        if now - self._said_at.get(kind, -inf) < _SECONDS_BETWEEN_LIKE_LINES:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return False
        if len(self._said_at) >= _MOST_KINDS:
            self._said_at.clear()
            self._left_out.clear()
        seconds = now - self._said_at.get(kind, now)
        self._said_at[kind] = now
        if left_out := self._left_out.pop(kind, 0):
            record.msg, record.args = f"{message} (and {left_out} more like it in the last {seconds:.0f} s)", ()
        return True
