"""The clients of an audit, and what it asks Kafka with them: offsets and records of many partitions at once."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from confluent_kafka import Message

from credit_movements import clickhouse, clients
from credit_movements.audit.clickhouse.erasure import EVER, Erasure
from credit_movements.audit.clickhouse.rows import ALL_MONTHS, NO_MONTH, RowCounts, Rows, count_rows, read_rows, rows_at
from credit_movements.audit.clickhouse.sums import SumsFound, check_sums
from credit_movements.audit.log_partition import MovementAt
from credit_movements.settings import Settings
from credit_movements.workers import rater, sink
from kafka_io.offsets import committed_offsets, reported_begins, reported_ends
from kafka_io.positions import TopicPartition
from kafka_io.reading import Span, log_ends, read, read_together, read_together_to_end
from schemas.topics import CREDIT_MOVEMENTS, RATES, dead_letter_topic, topic_named
from sinks.read.erased import erased_accounts
from sinks.read.slice import outages_named
from streams.events.table import SOURCES

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_RATES = TopicPartition(RATES.name, 0)


class Readers:
    """One reader of records, and three clients that are asked for offsets alone. Nobody else uses them meanwhile."""

    def __init__(self, settings: Settings, log_id: str, stop: threading.Event) -> None:
        """Raises UnreachableError, SettingsError."""
        self.stop = stop
        self.log_id = log_id
        self._retention = settings.movements_retention
        self._clickhouse: Client = clickhouse.checked_client(settings)
        self.codecs = {topic.name: clients.codec(settings, topic) for topic in (*SOURCES, CREDIT_MOVEMENTS, RATES)}
        self._reader = clients.reading_consumer(settings, "audit")
        self._written = clients.group_consumer(
            settings, "credit-movements-audit-written", **{"isolation.level": "read_uncommitted"}
        )
        self._raters = clients.group_consumer(settings, rater.GROUP)
        self._sinks = clients.group_consumer(settings, sink.GROUP)

    def close(self) -> None:
        for consumer in (self._reader, self._written, self._raters, self._sinks):
            consumer.close()
        self._clickhouse.close()

    def sink_committed(self, numbers: Iterable[int]) -> dict[int, int]:
        """Log partition → how far the sinks have come. Raises KafkaException."""
        found = committed_offsets(self._sinks, map(log_partition, numbers))
        return {each.partition: offset for each, offset in found.items()}

    def raters_committed(self, numbers: Iterable[int]) -> dict[TopicPartition, int]:
        """How far the raters have come in each source partition. Waits for open transactions to end. Raises KafkaException."""
        return committed_offsets(self._raters, [each for number in numbers for each in source_partitions(number)])

    def written_ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The ends that the broker names, what open transactions have written included. Raises KafkaException."""
        return reported_ends(self._written, partitions)

    def ends_not_below(self, reached: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """The ends of partitions of which these offsets were reached before. A broker may name an end that is too low, so one
        that lies below is looked for. Raises StuckError, KafkaException."""
        ends = self.written_ends(reached)
        too_low = [each for each, offset in reached.items() if ends[each] < offset]
        return {**ends, **(log_ends(self._written, too_low) if too_low else {})}

    def begins(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The oldest offsets that retention has left. Raises KafkaException."""
        return reported_begins(self._reader, partitions)

    def counts(self, begins: Mapping[int, int], from_month: int, months: list[int]) -> RowCounts:
        """See `count_rows`."""
        return count_rows(self._clickhouse, self.log_id, begins, from_month, months)

    def rows(
        self,
        spans: Mapping[int, Span],
        sink_committed: Mapping[int, int],
        kept_from: int,
        from_month: int = ALL_MONTHS,
        until_month: int = NO_MONTH,
    ) -> dict[int, Rows]:
        """See `read_rows`."""
        return read_rows(self._clickhouse, self.log_id, spans, sink_committed, from_month, until_month, kept_from)

    def erasure(self, now_seconds: float) -> Erasure:
        """What ClickHouse need not have any more. Raises MovementsUnavailableError."""
        kept = self._retention
        with outages_named():
            accounts = erased_accounts(self._clickhouse)
        return Erasure(accounts, EVER if kept is None else int((now_seconds - kept.total_seconds()) * 1e6))

    def sums(self, from_month: int, months: list[int], erasure: Erasure) -> SumsFound:
        """See `check_sums`."""
        return check_sums(self._clickhouse, self.log_id, from_month, months, erasure.accounts, erasure.kept_from)

    def rows_at(self, number: int, log_offsets: list[int]) -> list[dict[str, Any]]:
        """Whole rows, for examples. Raises MovementsUnavailableError."""
        return rows_at(self._clickhouse, self.log_id, number, log_offsets)

    def new_rates(self, begin: int) -> Iterator[list[Message]]:
        """The rates from `begin` to the end of their topic. Raises StuckError, StoppedError, KafkaException."""
        low, high = self.begins([_RATES])[_RATES], self.written_ends([_RATES])[_RATES]
        for _, messages in read_together_to_end(self._reader, {_RATES: Span(max(low, begin), high)}, self.stop):
            yield messages

    def records(self, spans: Mapping[TopicPartition, Span]) -> Iterator[tuple[TopicPartition, list[Message]]]:
        """See `read_together`."""
        return read_together(self._reader, spans, self.stop)

    def records_to_end(self, spans: Mapping[TopicPartition, Span]) -> Iterator[tuple[TopicPartition, list[Message]]]:
        """See `read_together_to_end`."""
        return read_together_to_end(self._reader, spans, self.stop)

    def movement_at(self, number: int) -> MovementAt:
        """Reads one movement again, to show it. Not to be used in the middle of `records`."""

        def movement_at(offset: int) -> dict[str, Any]:
            (messages,) = read(self._reader, log_partition(number), offset, offset + 1, self.stop)
            return self.codecs[CREDIT_MOVEMENTS.name].decode_one(messages[0].value())

        return movement_at


def log_partition(number: int) -> TopicPartition:
    return TopicPartition(CREDIT_MOVEMENTS.name, number)


def source_partitions(number: int) -> list[TopicPartition]:
    return [TopicPartition(topic.name, number) for topic in SOURCES]


def letters_of(source: TopicPartition) -> TopicPartition:
    """The partition of its dead letters."""
    return TopicPartition(dead_letter_topic(topic_named(source.topic)).name, source.partition)
