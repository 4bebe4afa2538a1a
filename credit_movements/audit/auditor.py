"""The audit, partition by partition, on a running system.

The system goes on while it is audited. So each step notes an offset, and a later step reads beyond it. Steps 1 and 2 take as
many partitions at once as memory allows, the others one partition after the other.

1. Note the sink's committed offset.
2. Read the rows of ClickHouse. All of them came from the log, which step 4 reads later.
3. Note the raters' committed offsets, then the ends of the log and of the dead letters, open transactions included. The
   outcome of every event before the raters' offsets lies before these ends.
4. Read the log and the dead letters to these ends at least, and wait for open transactions to end. A movement that no known
   rate gives is computed again with the newest rates.
5. Read the source topics from their oldest record to the raters' offsets, and account for each event.

The audit keeps 46 bytes of each movement, for one partition at a time. It knows an event by the rater's hash of 64 bits, and a
row by a hash of its own.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer

from credit_movements import clickhouse, clients
from credit_movements.audit.accounts import SourceAudit, SourceCount
from credit_movements.audit.clickhouse_rows import RowCounts, Rows, count_rows, read_rows, together
from credit_movements.audit.differences import Findings, Found, Kind
from credit_movements.audit.letters import LetterAudit, Letters
from credit_movements.audit.log_partition import LogAudit, LogPartition
from credit_movements.audit.projection import LogCount, ProjectionAudit
from credit_movements.audit.rate_history import RateHistory
from credit_movements.settings import Settings
from credit_movements.workers import rater, sink
from kafka_io.offsets import committed_offsets, offset_range
from kafka_io.positions import TopicPartition, position_of
from kafka_io.reading import read, read_to_end
from schemas.topics import CREDIT_MOVEMENTS, RATES, dead_letter_topic, topic_named
from streams.events.table import SOURCES

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 10.0
_RATES = TopicPartition(RATES.name, 0)


@dataclass(frozen=True)
class Audit:
    """What an audit found. `other_rows`: rows of ClickHouse that are of other logs and could not be checked."""

    log_id: str
    sources: list[SourceCount]
    logs: list[LogCount]
    other_rows: int
    differences: list[Found]
    counts: dict[Kind, int]
    seconds: float

    @property
    def holds(self) -> bool:
        return not self.differences


class Auditor:
    """Makes audits with clients of its own, until it is closed. Nothing is written anywhere."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        """Raises UnreachableError, SettingsError."""
        self._stop = stop
        self._log_id = clients.log_identity(settings)
        self._client: Client = clickhouse.checked_client(settings)
        self._reader = clients.reading_consumer(settings, "audit")
        self._written_reader = clients.group_consumer(
            settings, "credit-movements-audit-written", **{"isolation.level": "read_uncommitted"}
        )
        self._raters = clients.group_consumer(settings, rater.GROUP)
        self._sinks = clients.group_consumer(settings, sink.GROUP)
        self._codecs = {topic.name: clients.codec(settings, topic) for topic in (*SOURCES, CREDIT_MOVEMENTS, RATES)}

    def close(self) -> None:
        for consumer in (self._reader, self._written_reader, self._raters, self._sinks):
            consumer.close()
        self._client.close()

    def audit(self, on_progress: Callable[[int, int], None] = lambda done, of: None) -> Audit:
        """Audit everything once. `on_progress` gets the number of partitions done, and the number of all.

        Raises KafkaException, RegistryUnavailableError, MovementsUnavailableError, StuckError, StoppedError.
        """
        began = time.monotonic()
        findings = Findings()
        partitions = _partitions(self._reader)
        row_counts = count_rows(self._client, self._log_id)
        round_ = _Round(findings, RateHistory(self._codecs[RATES.name]))
        for group in together(row_counts, partitions):
            on_progress(group[0], partitions)
            sink_committed, rows = self._read_rows(group, row_counts)
            for number in group:
                on_progress(number, partitions)
                self._audit_partition(number, sink_committed[number], rows.pop(number), round_)
        for number, count in sorted(row_counts.of_log.items()):
            if not 0 <= number < partitions:
                name = f"{CREDIT_MOVEMENTS.name}/{number}"
                findings.add(Kind.SURPLUS_ROW, count, [(name, "", f"the log has {partitions} partitions")])
        return Audit(
            log_id=self._log_id,
            sources=round_.sources,
            logs=round_.logs,
            other_rows=row_counts.of_others,
            differences=findings.found(),
            counts={kind: findings.count(kind) for kind in Kind},
            seconds=time.monotonic() - began,
        )

    def _read_rows(self, numbers: list[int], counts: RowCounts) -> tuple[dict[int, int], dict[int, Rows]]:
        """How far the sink has committed, and then the rows of ClickHouse, by log partition."""
        found = committed_offsets(self._sinks, [TopicPartition(CREDIT_MOVEMENTS.name, number) for number in numbers])
        sink_committed = {each.partition: offset for each, offset in found.items()}
        dtypes = self._codecs[CREDIT_MOVEMENTS.name].dtypes
        return sink_committed, read_rows(self._client, self._log_id, sink_committed, counts, dtypes)

    def _audit_partition(self, number: int, sink_committed: int, rows: Rows, round_: "_Round") -> None:
        log_partition = TopicPartition(CREDIT_MOVEMENTS.name, number)
        sources = [TopicPartition(topic.name, number) for topic in SOURCES]
        letter_partitions = {
            source: TopicPartition(dead_letter_topic(topic_named(source.topic)).name, number) for source in sources
        }
        committed = committed_offsets(self._raters, sources)
        written = {
            each: offset_range(self._written_reader, each) for each in (log_partition, *letter_partitions.values())
        }
        if number == 0:
            self._read_rates(round_)
        log, log_sums = self._read_log(number, written[log_partition], sink_committed, round_)
        projection = ProjectionAudit(self._client, self._log_id, self._movement_at(number), round_.findings)
        round_.logs.append(projection.compare(log, log_sums, rows, sink_committed))
        for source in sources:
            letters = self._read_letters(source, letter_partitions[source], written, round_.findings)
            round_.sources.append(self._account(source, committed[source], log, letters, round_.findings))

    def _read_rates(self, round_: "_Round") -> None:
        """Take in the rates that were published since the last call."""
        low, high = offset_range(self._written_reader, _RATES)
        for messages in read_to_end(self._reader, _RATES, max(low, round_.rates_read_to), high, self._stop):
            round_.rates.take(messages)
            round_.rates_read_to = position_of(messages[-1])[1] + 1

    def _read_log(
        self, number: int, written: tuple[int, int], sink_committed: int, round_: "_Round"
    ) -> tuple[LogPartition, dict[str, int]]:
        partition = TopicPartition(CREDIT_MOVEMENTS.name, number)
        reading = LogAudit(number, self._codecs[CREDIT_MOVEMENTS.name], round_.rates, round_.findings)
        for messages in read_to_end(self._reader, partition, *written, self._stop):
            reading.take(messages, sink_committed)
        if reading.has_doubts:
            # The newest movements may use rates that were published since the rates were read.
            self._read_rates(round_)
        return reading.finish(self._movement_at(number)), reading.sums

    def _read_letters(
        self,
        source: TopicPartition,
        partition: TopicPartition,
        written: dict[TopicPartition, tuple[int, int]],
        findings: Findings,
    ) -> Letters:
        reading = LetterAudit(source, findings)
        for messages in read_to_end(self._reader, partition, *written[partition], self._stop):
            reading.take(messages)
        return reading.finish()

    def _account(
        self, source: TopicPartition, committed: int, log: LogPartition, letters: Letters, findings: Findings
    ) -> SourceCount:
        first, _ = offset_range(self._reader, source)
        if first > committed:
            detail = f"up to {first - committed} events, from offset {committed}"
            findings.add(Kind.EXPIRED, first - committed, [(f"{source.topic}/{source.partition}", "", detail)])
        accounts = SourceAudit(source, log, letters, self._codecs[source.topic], findings)
        for messages in read(self._reader, source, first, committed, self._stop):
            accounts.take(messages)
        return accounts.finish(first, committed, self._movement_at(source.partition))

    def _movement_at(self, number: int) -> Callable[[int], dict[str, Any]]:
        """Reads one movement again, to show it. Not to be used while this auditor's consumer reads something else."""
        partition = TopicPartition(CREDIT_MOVEMENTS.name, number)

        def movement_at(offset: int) -> dict[str, Any]:
            (messages,) = read(self._reader, partition, offset, offset + 1, self._stop)
            return self._codecs[CREDIT_MOVEMENTS.name].decode_one(messages[0].value())

        return movement_at


class _Round:
    """What one audit collects on its way."""

    def __init__(self, findings: Findings, rates: RateHistory) -> None:
        self.findings = findings
        self.rates = rates
        self.rates_read_to = 0
        self.sources: list[SourceCount] = []
        self.logs: list[LogCount] = []


def _partitions(consumer: Consumer) -> int:
    return len(
        consumer.list_topics(CREDIT_MOVEMENTS.name, timeout=_TIMEOUT_SECONDS).topics[CREDIT_MOVEMENTS.name].partitions
    )
