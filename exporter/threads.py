"""Runs blocking work in threads beside the event loop."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_NAME = "exporter-work"
_POLL_SECONDS = 0.02


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `function` in a daemon thread of its own, and return its result.

    With asyncio's executor the process would wait at its end for a query or an upload that hangs for ever. If the caller is
    cancelled, the thread runs on, and its result is dropped.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = function(*args, **kwargs)
        except BaseException as raised:  # whatever it is, the caller raises it again
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver, result, error)

    threading.Thread(target=run, name=_NAME, daemon=True).start()
    return await future


async def threads_ended(within_seconds: float) -> bool:
    """Wait for all threads of `in_thread`; False if some are still at work. The interpreter must not end while they run,
    because native code that returns to a Python that is shutting down aborts the process."""
    deadline_seconds = time.monotonic() + within_seconds
    while any(thread.name == _NAME for thread in threading.enumerate()):
        if time.monotonic() > deadline_seconds:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True
