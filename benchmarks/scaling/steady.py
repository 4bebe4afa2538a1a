"""Calls something again and again, so often a second."""

import threading
import time
from collections.abc import Callable

_EVERY_SECONDS = 0.1


class Steady:
    """Calls `publish` with the number of events that are due, from a thread, for the length of a `with` block."""

    def __init__(self, publish: Callable[[int], None], per_second: int) -> None:
        self._publish = publish
        self._per_second = per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="steady")
        self._error: BaseException | None = None

    def __enter__(self) -> "Steady":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        began, published = time.monotonic(), 0
        try:
            while not self._stop.wait(_EVERY_SECONDS):
                due = int((time.monotonic() - began) * self._per_second)
                self._publish(due - published)
                published = due
        except Exception as error:
            self._error = error
