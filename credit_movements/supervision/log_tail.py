"""Follows what the services write into their log files, to show it elsewhere too."""

from collections.abc import Callable
from pathlib import Path

LineSink = Callable[[str, str], None]
"""Gets the name of a service and one line of its log."""


class LogTail:
    """Passes on the complete lines that are appended to a file after the tail was made."""

    def __init__(self, name: str, path: Path, on_line: LineSink) -> None:
        self._name = name
        self._path = path
        self._on_line = on_line
        self._position = path.stat().st_size if path.exists() else 0
        self._unfinished = b""

    def read(self) -> None:
        """Passes on what is new. A file that has become shorter was put aside, and is read from its beginning."""
        if not self._path.exists():
            return
        with self._path.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(self._position if self._position <= size else 0)
            *lines, self._unfinished = (self._unfinished + log.read()).split(b"\n")
            self._position = log.tell()
        for line in lines:
            self._on_line(self._name, line.decode(errors="replace"))
