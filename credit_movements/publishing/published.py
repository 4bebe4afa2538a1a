"""What is published of rates and account plans: read once, and then read on."""

import threading
from collections.abc import Callable, Iterator

import polars as pl
from confluent_kafka import Message

from credit_movements import clients
from credit_movements.settings import Settings
from kafka_io.offsets import offset_range
from kafka_io.positions import TopicPartition, position_of
from kafka_io.reading import Span, read_together_to_end
from schemas.codec import RecordCodec
from schemas.topics import ACCOUNT_PLANS, RATES, Topic
from streams.pricing.history import PriceHistory

_DECODED_AT_ONCE = 50_000

# Takes how many records were read so far.
OnRead = Callable[[int], None]


class Published:
    """The published rates and plans, by the same rules as the raters have. `history`: as of the last `read_on`."""

    def __init__(
        self, settings: Settings, stop: threading.Event | None = None, on_read: OnRead = lambda _: None
    ) -> None:
        self.history = PriceHistory(settings.default_rate_card or None)
        self._settings = settings
        self._stop = stop or threading.Event()
        self._on_read = on_read
        self._read = 0
        self._next_offsets: dict[Topic, int] = {}

    def read_on(self) -> None:
        """Read both topics to their ends, from where the last reading ended.

        Raises StuckError, KafkaException, RegistryUnavailableError, and StoppedError once `stop` is set.
        """
        for topic, put in ((RATES, self.history.put_rates), (ACCOUNT_PLANS, self.history.put_plans)):
            for records in self._records(topic):
                # What breaks a rule changes nothing, as in the raters.
                put(records)

    def _records(self, topic: Topic) -> Iterator[pl.DataFrame]:
        codec = clients.codec(self._settings, topic)
        values: list[bytes | None] = []
        for messages in self._messages(topic):
            # At once, while the few messages are in the processor's cache.
            values += [message.value() for message in messages]
            self._next_offsets[topic] = position_of(messages[-1]).next_offset
            if len(values) >= _DECODED_AT_ONCE:
                yield self._decoded(codec, values)
                values = []
        if values:
            yield self._decoded(codec, values)

    def _decoded(self, codec: RecordCodec, values: list[bytes | None]) -> pl.DataFrame:
        self._read += len(values)
        self._on_read(self._read)
        return codec.decode(values).rows.drop("row")

    def _messages(self, topic: Topic) -> Iterator[list[Message]]:
        consumer = clients.reading_consumer(self._settings, "published-prices")
        # A committed transaction may be open for its partition a little longer: wait for the end of all that is written.
        written = clients.reading_consumer(self._settings, "written-prices", **{"isolation.level": "read_uncommitted"})
        partition = TopicPartition(topic.name, 0)
        try:
            begin, end = offset_range(written, partition)
            span = Span(max(begin, self._next_offsets.get(topic, begin)), end)
            for _, messages in read_together_to_end(consumer, {partition: span}, self._stop):
                yield messages
        finally:
            written.close()
            consumer.close()
