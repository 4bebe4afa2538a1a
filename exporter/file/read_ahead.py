"""Runs the steps of one work side by side: each in a thread of its own, a few items ahead of the step after it."""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


@contextmanager
def read_ahead(items: Generator[T, None, None], depth: int) -> Iterator[Iterator[T]]:
    """`items`, made by a thread that is never more than `depth` of them ahead. What they raise is raised to whoever takes the
    next item.

    At the end of the block, however it ends, `items` is closed and its thread has ended. That takes as long as the item that
    is being made.
    """
    ahead = _Ahead(items, depth)
    thread = threading.Thread(target=ahead.make, name="exporter-ahead", daemon=True)
    thread.start()
    try:
        yield ahead.taken()
    finally:
        ahead.stop()
        thread.join()


class _Ahead(Generic[T]):
    def __init__(self, items: Generator[T, None, None], depth: int) -> None:
        self._items = items
        self._room = threading.Semaphore(depth)
        # Items, then None, or what was raised instead of the next one.
        self._made: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()
        self._is_stopped = False

    def make(self) -> None:
        end = None
        try:
            while self._has_room():
                self._made.put((next(self._items),))
        except StopIteration:
            pass
        except BaseException as raised:  # handed to who takes, whatever it is
            end = raised
        finally:
            self._items.close()
            self._made.put(end)

    def taken(self) -> Iterator[T]:
        while (made := self._made.get()) is not None:
            if isinstance(made, BaseException):
                raise made
            yield made[0]
            self._room.release()

    def stop(self) -> None:
        self._is_stopped = True
        self._room.release()

    def _has_room(self) -> bool:
        self._room.acquire()
        return not self._is_stopped
