"""The sink's loop: how inserts lie apart, in which order it works, and its end when Kafka no longer answers."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from itertools import pairwise
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pyarrow as pa
import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from prometheus_client import CollectorRegistry

from schemas.codec import RecordCodec
from schemas.topics import CREDIT_MOVEMENTS
from sinks.write import loop
from sinks.write.loop import INSERT_INTERVAL_SECONDS, Sink
from sinks.write.metrics import SinkMetrics
from tests.unit.schemas.test_codec import RegisteredSchemas


class ClosedInARebalance:
    """A consumer to which a rebalance gives a partition while it closes. It cannot ask for offsets any more."""

    def subscribe(self, _: list[str], on_assign: Callable[..., None], **__: Any) -> None:
        self._on_assign = on_assign

    def close(self) -> None:
        self._on_assign(self, [TopicPartition(CREDIT_MOVEMENTS.name, 0)])

    def committed(self, *_: Any) -> None:
        raise KafkaException(KafkaError(KafkaError._DESTROY))


def test_a_sink_that_is_closed_in_the_middle_of_a_rebalance_ends_in_order() -> None:
    consumer, stop = ClosedInARebalance(), Event()
    stop.set()
    metrics = SinkMetrics(CollectorRegistry())
    Sink(cast(Any, consumer), cast(Any, None), cast(Any, None), metrics, "log", lambda: 0.0, 10).run(stop)
    consumer.close()


_CODEC = RecordCodec(CREDIT_MOVEMENTS, RegisteredSchemas())  # type: ignore[arg-type]
_MOVEMENT = pl.DataFrame(
    {name: ["1"] if dtype == pl.String else [1] for name, dtype in _CODEC.dtypes.items()}, schema=_CODEC.dtypes
)
_VALUE = _CODEC.encode(_MOVEMENT)[0]


class AtOnce(Executor):
    """Inserts take no time, and no thread, so that the diary is the same each time."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(call(*args, **kwargs))
        return future


@pytest.fixture(autouse=True)
def _without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "ThreadPoolExecutor", AtOnce)


class Diary:
    """A consumer and a ClickHouse that write down what the sink does and when. Time passes where the sink waits for records, of
    which `per_second` come."""

    def __init__(self, per_second: int, until_seconds: float) -> None:
        self._per_second, self._until_seconds = per_second, until_seconds
        self.stop = Event()
        self.now = 0.0
        self.read = 0
        self.entries: list[tuple[str, float, int]] = []

    def subscribe(self, _: list[str], on_assign: Callable[..., None], **__: Any) -> None:
        on_assign(self, [TopicPartition(CREDIT_MOVEMENTS.name, 0)])

    def committed(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
        return partitions

    def assign(self, _: list[TopicPartition]) -> None:
        pass

    def get_watermark_offsets(self, *_: Any, **__: Any) -> tuple[int, int]:
        return 0, self.read

    def consume(self, most: int, wait_seconds: float) -> list[Message]:
        while (there := int(self.now * self._per_second) - self.read) < most and wait_seconds > 0:
            self.now, wait_seconds = self.now + 0.001, wait_seconds - 0.001
        if self.now > self._until_seconds:
            self.stop.set()
        first, self.read = self.read, self.read + min(there, most)
        return [
            Message(topic=CREDIT_MOVEMENTS.name, partition=0, offset=offset, value=_VALUE)
            for offset in range(first, self.read)
        ]

    def commit(self, offsets: list[TopicPartition], **_: Any) -> None:
        self.entries.append(("commit", self.now, offsets[0].offset))

    def query(self, *_: Any, **__: Any) -> Any:
        """No account was erased."""
        return SimpleNamespace(result_rows=[])

    def insert(self, *_: Any, **__: Any) -> None:
        """The log has the same movement again and again, which the sink notes."""

    def insert_arrow(self, _: str, rows: pa.Table, **__: Any) -> None:
        self.entries.append(("insert", self.now, rows["log_offset"][-1].as_py() + 1))

    def kept(self, messages_a_batch: int) -> "Diary":
        """Everything that a sink does until the consumer stops it."""
        metrics = SinkMetrics(CollectorRegistry())
        kafka, clickhouse = cast(Any, self), cast(Any, self)
        Sink(kafka, clickhouse, _CODEC, metrics, "log", lambda: self.now, messages_a_batch).run(self.stop)
        return self

    def inserts(self) -> list[tuple[float, int]]:
        return [(at, offset) for what, at, offset in self.entries if what == "insert"]


def test_movements_that_come_one_by_one_are_stored_soon_and_in_few_inserts() -> None:
    inserts = Diary(per_second=1_000, until_seconds=3.0).kept(messages_a_batch=10_000).inserts()
    began = [at for at, _ in inserts]
    assert all(later - earlier >= INSERT_INTERVAL_SECONDS for earlier, later in pairwise(began))
    assert 20 <= len(inserts) <= 30
    # What an insert did not have had come shortly before it.
    assert all(at * 1_000 - offset < 50 for at, offset in inserts)


def test_where_the_sink_is_behind_blocks_are_full_and_do_not_wait() -> None:
    diary = Diary(per_second=2_000, until_seconds=1.15)
    diary.now = 1.0
    inserts = diary.kept(messages_a_batch=500).inserts()
    assert [offset for _, offset in inserts][:4] == [500, 1_000, 1_500, 2_000]
    assert [at for at, _ in inserts][:4] == [1.0] * 4


def test_an_offset_is_committed_when_all_rows_before_it_are_in() -> None:
    stored = 0
    entries = Diary(per_second=5_000, until_seconds=2.0).kept(messages_a_batch=300).entries
    for what, _, offset in entries:
        if what == "insert":
            stored = offset
        assert offset <= stored
    assert entries[-1] == ("commit", entries[-1][1], stored)
