"""The sink's loop at its end, when Kafka no longer answers."""

from collections.abc import Callable
from threading import Event
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from prometheus_client import CollectorRegistry

from schemas.topics import CREDIT_MOVEMENTS
from sinks.write.loop import Sink
from sinks.write.metrics import SinkMetrics


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
