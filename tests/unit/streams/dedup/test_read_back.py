"""The thread that reads the log back: what goes wrong in it is waited out, or raised where it was begun."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from kafka_io.batches import OffsetOutOfRangeError
from kafka_io.positions import RecordPosition, TopicPartition
from schemas.registry import RegistryUnavailableError
from streams.dedup.progress import LogEnd, Progress
from streams.dedup.read_back import ReadBack
from streams.dedup.store import DedupStore


class Reader:
    """Does in `catch_up` what it is told, one thing after the other."""

    def __init__(self, *steps: Callable[[Mapping[int, DedupStore], Progress], None]) -> None:
        self._steps = list(steps)

    def skip(self, stores: Mapping[int, DedupStore], needed: Any) -> None:
        """Nothing to skip."""

    def catch_up(self, stores: Mapping[int, DedupStore], progress: Progress, stop: threading.Event) -> None:
        for number in stores:
            progress.begin(number, 0, 100)
        self._steps.pop(0)(stores, progress)


class Store:
    def begin_from_snapshot(self, _: Callable[[], bool]) -> None:
        """There is none."""


def read_back(reader: Reader, *numbers: int) -> ReadBack:
    stores = dict.fromkeys(numbers, cast(DedupStore, Store()))
    return ReadBack(cast(Any, reader), stores, {}, lambda: 0.0)


def reach_the_ends(stores: Mapping[int, DedupStore], progress: Progress) -> None:
    for number in stores:
        progress.read_to(number, 100, 100, 0)
        progress.reach_end(number, 101)


def test_what_is_ready_is_handed_over_once() -> None:
    reading = read_back(Reader(reach_the_ends), 3, 4)
    reading.wait()
    assert reading.has_news
    assert reading.take_ready() == {3: LogEnd(101, 0), 4: LogEnd(101, 0)}
    assert not reading.has_news
    reading.stop()


def test_an_outage_of_the_registry_is_waited_out_and_what_is_ready_is_not_touched_again() -> None:
    def one_and_then_an_outage(stores: Mapping[int, DedupStore], progress: Progress) -> None:
        reach_the_ends({3: stores[3]}, progress)
        raise RegistryUnavailableError("for a test")

    def the_other(stores: Mapping[int, DedupStore], progress: Progress) -> None:
        assert set(stores) == {4}
        reach_the_ends(stores, progress)

    reading = read_back(Reader(one_and_then_an_outage, the_other), 3, 4)
    reading.wait()
    assert set(reading.take_ready()) == {3, 4}
    reading.stop()


def test_what_nobody_can_wait_out_is_raised_where_it_was_begun() -> None:
    def gone(stores: Mapping[int, DedupStore], progress: Progress) -> None:
        raise OffsetOutOfRangeError(RecordPosition(TopicPartition("credit-movements", 3), 7))

    reading = read_back(Reader(gone), 3)
    reading.wait()
    assert reading.has_news
    with pytest.raises(OffsetOutOfRangeError):
        reading.take_ready()
    reading.stop()


def test_it_ends_at_once_in_the_middle_of_an_outage() -> None:
    def outage(stores: Mapping[int, DedupStore], progress: Progress) -> None:
        raise RegistryUnavailableError("for a test")

    reading = read_back(Reader(*[outage] * 1000), 3)
    reading.stop()
    assert reading.progress.take_ready() == {}


def test_how_far_it_is_is_told_in_words() -> None:
    now = [0.0]
    progress = Progress(lambda: now[0])
    progress.begin(2, 1_000_000, 4_400_000)
    progress.begin(5, 0, 10)
    progress.reach_end(5, 10)
    now[0] = 6.0
    progress.read_to(2, 2_200_000, 1_200_000, 0)
    assert str(progress) == "partition 2: 1.2 of 3.4 million movements read back, about 11 s left"
    assert progress.left_in_all == 2_200_000
    progress.reach_end(2, 4_400_000)
    assert str(progress) == ""


def test_how_far_it_is_is_logged_after_a_while_and_then_every_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    now = [0.0]
    progress = Progress(lambda: now[0])
    progress.begin(2, 0, 1000)
    for second in range(25):
        now[0] = float(second)
        progress.tell()
    assert len(caplog.messages) == 3
    assert caplog.messages[0] == "reading the log back: partition 2: 0 of 1,000 movements read back"


def test_only_a_whole_log_says_how_far_it_is_behind() -> None:
    progress = Progress(lambda: 0.0)
    progress.begin(1, 0, 10)
    progress.begin(2, 5, 10)
    for number in (1, 2):
        progress.read_to(number, 10, 5, 70)
        progress.reach_end(number, 11)
    assert progress.take_ready() == {1: LogEnd(11, 70), 2: LogEnd(11, None)}
