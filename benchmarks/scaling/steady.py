"""Calls something again and again, so often a second."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_EVERY_SECONDS = 0.1


class Steady:
    """Calls `publish` with the number of events that are due, from a thread, for the length of a `with` block. What it raises
    comes at the block's end."""

    def __init__(self, publish: Callable[[int], None], per_second: int) -> None:
        self._publish = publish
        self._per_second = per_second
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, "steady")

    def __enter__(self) -> "Steady":
        self._running = self._pool.submit(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        self._running.result()

    def _run(self) -> None:
        began, published = time.monotonic(), 0
        while not self._stop.wait(_EVERY_SECONDS):
            due = int((time.monotonic() - began) * self._per_second)
            self._publish(due - published)
            published = due
