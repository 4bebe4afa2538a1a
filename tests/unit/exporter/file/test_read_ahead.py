"""Steps side by side: nothing lost, nothing out of order, nothing left running."""

import threading
import time
from collections.abc import Generator, Iterator

import pytest

from exporter.file.read_ahead import read_ahead


class Source:
    """Numbers, and what became of whoever makes them."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self._count = count
        self._error = error
        self.made = 0
        self.is_closed = False

    def numbers(self) -> Generator[int, None, None]:
        try:
            for number in range(self._count):
                self.made += 1
                yield number
            if self._error is not None:
                raise self._error
        finally:
            self.is_closed = True


def test_all_items_come_in_their_order() -> None:
    source = Source(1000)
    with read_ahead(source.numbers(), 3) as items:
        assert list(items) == list(range(1000))
    assert source.is_closed


def test_no_more_than_so_many_are_made_before_they_are_taken() -> None:
    source = Source(1000)
    with read_ahead(source.numbers(), 3) as items:
        assert next(items) == 0
        time.sleep(0.1)
        assert source.made == 3
        assert next(items) == 1
        time.sleep(0.1)
        assert source.made == 4


def test_an_error_comes_after_the_items_before_it() -> None:
    source = Source(5, OSError("the network"))
    taken: list[int] = []
    with read_ahead(source.numbers(), 3) as items, pytest.raises(OSError, match="the network"):
        taken.extend(items)
    assert taken == [0, 1, 2, 3, 4]


def test_who_stops_early_leaves_nothing_running() -> None:
    source, before = Source(10**9), threading.active_count()
    with read_ahead(source.numbers(), 3) as items:
        assert next(items) == 0
    assert source.is_closed
    assert source.made <= 4
    assert threading.active_count() == before


def test_steps_behind_one_another_end_together() -> None:
    source, before = Source(10**9), threading.active_count()

    def doubled(numbers: Iterator[int]) -> Generator[int, None, None]:
        for number in numbers:
            yield 2 * number

    with read_ahead(source.numbers(), 2) as numbers, read_ahead(doubled(numbers), 2) as doubles:
        assert [next(doubles) for _ in range(100)] == list(range(0, 200, 2))
    assert source.is_closed
    assert threading.active_count() == before
