"""What the integration tests do to a running Kafka: publish as any client would, work a while, read what came of it."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition
from prometheus_client import CollectorRegistry

from credit_movements import clients
from credit_movements.settings import Settings
from credit_movements.workers.rater import GROUP, make_rater
from kafka_io.reading import log_ends
from schemas.codec import RecordCodec
from schemas.partitioner import account_partition
from schemas.topics import Topic, topic_named
from streams.events.table import SOURCES
from streams.missing_offsets import MissingOffsets

DEADLINE_SECONDS = 60.0


class Stack:
    """A Kafka and a registry with all topics made."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._codecs: dict[str, RecordCodec] = {}
        self._refused: list[KafkaError] = []
        self._producer = self._make_producer()
        self._reader = clients.reading_consumer(settings, "test")
        # It never joins its group: it only asks for what the group has committed.
        self._group = clients.group_consumer(settings, GROUP)
        self._working: Future[None] = Future()
        self._seen_ends: dict[Any, int] = {}

    def __enter__(self) -> "Stack":
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.close()
        self._reader.close()
        self._group.close()

    def renew_clients(self) -> None:
        """Go on with clients that begin now. A producer that knew a topic before it was made anew may send to the old one, and
        a consumer that did may end the whole process (in librdkafka's metadata cache; its issue 5280)."""
        self.__exit__()
        self._seen_ends = {}
        self._producer = self._make_producer()
        self._reader = clients.reading_consumer(self.settings, "test")
        self._group = clients.group_consumer(self.settings, GROUP)

    def _make_producer(self) -> Producer:
        refused = self._refused

        # It must not know this object: a producer in a cycle is ended by the garbage collector, wherever that happens to run.
        def note_refusal(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                refused.append(error)

        return clients.producer(self.settings, on_delivery=note_refusal)

    def codec(self, topic: Topic) -> RecordCodec:
        if topic.name not in self._codecs:
            self._codecs[topic.name] = clients.codec(self.settings, topic)
        return self._codecs[topic.name]

    def publish(self, topic: Topic, *records: dict[str, Any]) -> None:
        """Publish records in their order, each to its account's partition."""
        for record in records:
            self.send(topic, self.codec(topic).encode_one(record), record["account_id"])
        self.flush()

    def publish_priced(self, topic: Topic, *records: dict[str, Any]) -> None:
        """Publish rates or plans."""
        for number, record in enumerate(records):
            self._producer.produce(topic.name, key=str(number), value=self.codec(topic).encode_one(record), partition=0)
        self.flush()

    def send(
        self, topic: Topic, value: bytes | None, account_id: str, partition: int | None = None, **more: Any
    ) -> None:
        if partition is None:
            partition = account_partition(account_id, self.settings.topic_partitions)
        self._producer.produce(topic.name, key=account_id, value=value, partition=partition, **more)

    def flush(self) -> None:
        """Wait until Kafka has all that was sent; fail if it refused a record."""
        assert self._producer.flush(DEADLINE_SECONDS) == 0
        assert not self._refused

    def read(self, topic: str) -> list[Message]:
        """Every message of a topic, by partition and offset."""
        count = topic_named(topic).partitions(self.settings.topic_partitions)
        self._reader.assign([TopicPartition(topic, number, 0) for number in range(count)])
        messages: list[Message] = []
        ends: set[int] = set()
        while len(ends) < count:
            for message in self._reader.consume(10_000, 0.05):
                if message.error() is None:
                    messages.append(message)
                else:
                    assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                    ends.add(int(message.partition() or 0))
        return sorted(messages, key=lambda message: (message.partition() or 0, message.offset() or 0))

    def records(self, topic: Topic) -> list[dict[str, Any]]:
        """Every record of a topic, decoded."""
        return [self.codec(topic).decode_one(message.value()) for message in self.read(topic.name)]

    def committed(self) -> dict[tuple[str, int], int]:
        """Where the raters' group goes on in each partition, negative where it does not know."""
        partitions = [
            TopicPartition(topic.name, number) for topic in SOURCES for number in range(self.settings.topic_partitions)
        ]
        answers = self._group.committed(partitions, DEADLINE_SECONDS)
        return {(answer.topic, answer.partition): answer.offset for answer in answers}

    def is_empty(self, topic: Topic) -> bool:
        """Whether each partition of a topic answers, and never held a record."""
        partitions = [TopicPartition(topic.name, number) for number in range(self.settings.topic_partitions)]
        # No consumer that knew the topic before it was made anew: see `renew_clients`.
        newcomer = clients.reading_consumer(self.settings, "newcomer")
        try:
            return not any(newcomer.get_watermark_offsets(each, DEADLINE_SECONDS)[1] for each in partitions)
        except KafkaException:  # no leader yet
            return False
        finally:
            newcomer.close()

    def is_rated(self) -> bool:
        """Whether `lag` is none. It is asked again and again, and where the topics end is much to ask: so that waits until the
        group has come to the ends that were seen before."""
        committed = self.committed()
        if any(max(committed[each], 0) < end for each, end in self._seen_ends.items()):
            return False
        self._seen_ends = log_ends(self._reader, committed)
        return _behind(committed, self._seen_ends) == 0

    def lag(self) -> int:
        """Events that the raters' group has not committed yet."""
        committed = self.committed()
        return _behind(committed, log_ends(self._reader, committed))

    @contextmanager
    def rating(self, missing_offsets: MissingOffsets = MissingOffsets.STOP) -> Iterator[CollectorRegistry]:
        """A rater at work in a thread for the length of a block; what it raised is raised at the end."""
        metrics = CollectorRegistry()
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            rater = make_rater(self.settings, metrics, missing_offsets)
            working = self._working = pool.submit(rater.run, stop)
            try:
                yield metrics
            finally:
                stop.set()
            working.result(DEADLINE_SECONDS)

    def wait_until_rated(self) -> None:
        """Until nothing is left to rate, or the rater at work has ended by itself."""
        eventually(lambda: self._working.done() or self.is_rated())

    def wait_until_it_ends(self) -> None:
        """Until the rater at work has ended by itself."""
        eventually(self._working.done)

    def rate_everything(self, missing_offsets: MissingOffsets = MissingOffsets.STOP) -> None:
        """Run a rater until nothing is left to rate, or it ends by itself: raises what it ended with."""
        with self.rating(missing_offsets):
            self.wait_until_rated()


def _behind(committed: Mapping[tuple[str, int], int], ends: Mapping[Any, int]) -> int:
    return sum(ends[each] - max(offset, 0) for each, offset in committed.items())


def eventually(condition: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until it is so; fail if it never is. What takes long is asked for less often: to ask costs the server too."""
    began_at = time.monotonic()
    while not condition():
        waited = time.monotonic() - began_at
        assert waited < seconds, "it never came to be"
        time.sleep(min(0.02 + waited / 20, 0.25))
