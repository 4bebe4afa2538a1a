"""Runs the steps of one piece of work side by side: each in a thread of its own, a few items ahead of the next step."""

import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


@contextmanager
def read_ahead(items: Generator[T, None, None], depth: int) -> Iterator[Iterator[T]]:
    """The same items, made by a thread that is never more than `depth` of them ahead. An error of `items` is raised where the
    next item is taken.

    With a `depth` of 0 there is no thread: an item is made where it is taken.

    At the end of the block, however it ends, `items` is closed and the thread has ended. That takes as long as making the
    current item.
    """
    if depth == 0:
        with closing(items):
            yield items
        return
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
        # Items, then None at the end, or the error that was raised instead of the next item.
        self._made: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()
        self._is_stopped = False

    def make(self) -> None:
        end = None
        try:
            while self._has_room():
                self._made.put((next(self._items),))
        except StopIteration:
            pass
        except BaseException as raised:  # whatever it is, the thread that takes items raises it again
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
