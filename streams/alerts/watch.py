"""The watch's loop: from `credit-movements` to `credit-alerts`, each alert told once. For each batch:

1. Consume movements of committed transactions, take in the settings of accounts that have come, and decode.
2. Judge (`judging`): what each partition's judge knows is a projection of the log from its beginning, so a restarted watch or
   another one comes to the same alerts, with the same ids.
3. Keep what is to be told: not what lies below the offset that was committed when the partition came, not what is in
   `credit-alerts` already, and nothing that is older than `max_age`.
4. In one transaction write these alerts and commit the offsets (`writer`). Where it is aborted, it is written again. Where
   there is nothing to tell, the offsets are committed alone, once a second. Settings that are wrong become dead letters here,
   and how far they are is an offset of the group, too: so each is one once, though every watch reads all settings.

A crash before the end of step 4 leaves nothing behind: the same movements raise the same alerts again. After it the committed
offset says that they are told. A watch that has lost its partition cannot tell any more: Kafka refuses offsets of an earlier
generation of the group, and the alerts with them. Should offsets be set back or lost, the ids in `credit-alerts` are known,
and an alert that is not there any more is too old to be told.

The clock has one use, in step 3: it decides only whether an alert of days ago is still told.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, KafkaError, Message

from kafka_io.access.refusals import is_unauthorized
from kafka_io.access.refusals import told as explained
from kafka_io.batches import ConsumedBatch, available_pieces, log_error, sort_out
from kafka_io.offsets import assign, committed, last_known_end, subscribe
from kafka_io.outages import Complaints, MonotonicSeconds, Patience, StoppedWaitingError
from kafka_io.positions import TopicPartition
from kafka_io.reading import StoppedError
from kafka_io.transactions import AbortedError, NotAllowedError
from schemas.codec import RecordCodec
from schemas.topics import CREDIT_MOVEMENTS
from streams.alerts.judging.alerts import Alert
from streams.alerts.judging.facts import Facts
from streams.alerts.judging.settings import AccountSettings
from streams.alerts.metrics import WatchMetrics
from streams.alerts.partitions import WatchedPartition, WatchedPartitions
from streams.alerts.settings_feed import SettingsFeed
from streams.alerts.told import ToldReader
from streams.alerts.writer import AlertWriter
from streams.events.sorted_keys import Ints, distinct
from streams.registry_outages import outlast_registry

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 0.2
# A batch of few movements takes as long as one of a thousand, and that for each partition. So they gather meanwhile.
_SECONDS_BETWEEN_BATCHES = 0.5
_SECONDS_BETWEEN_COMMITS = 1.0
_SECONDS_AFTER_ABORT = 0.5
_NOT_ALLOWED_SECONDS = 15.0
_MICROS_PER_MILLI = 1_000
_PERMISSION = "a permission of Kafka's"


class UndecodableMovementError(Exception):
    """The log holds a record that is no movement. That is a bug of its writer, and the record must not be skipped."""


@dataclass(frozen=True)
class WatchOptions:
    """`folder`: of the judges' files. `log_id`: identifies the log. `max_age`: of an alert that is still told."""

    folder: Path
    log_id: str
    max_age: timedelta
    batch_size: int


class Watch:
    """One watch of a group. The caller makes the clients; nobody else may use them until `run` returns."""

    def __init__(
        self,
        consumer: Consumer,
        writer: AlertWriter,
        told_reader: ToldReader,
        feed: SettingsFeed,
        settings: AccountSettings,
        codec: RecordCodec,
        options: WatchOptions,
        metrics: WatchMetrics,
        now_micros: Callable[[], int],
        monotonic_seconds: MonotonicSeconds,
    ) -> None:
        self._consumer = consumer
        self._writer = writer
        self._told_reader = told_reader
        self._feed = feed
        self._settings = settings
        self._codec = codec
        self._options = options
        self._metrics = metrics
        self._now_micros = now_micros
        self._monotonic_seconds = monotonic_seconds
        self._complaints = Complaints(monotonic_seconds)
        self._partitions = WatchedPartitions(options.folder, options.log_id)
        # Whether the group has given it partitions, be they none.
        self._is_member = False
        self._rebalances = 0
        self._commit_at_seconds = self._judge_at_seconds = 0.0
        metrics.to_read.set_function(lambda: self._to_read_back)
        metrics.lag.set_function(lambda: self._lag)

    @property
    def _to_read_back(self) -> int:
        return sum(each.to_read_back for each in tuple(self._partitions.now.values()))

    @property
    def _lag(self) -> int:
        try:
            ends = {number: last_known_end(self._consumer, _of_log(number)) for number in tuple(self._partitions.now)}
        except RuntimeError:
            # It is closed: the page goes a moment later.
            return 0
        now = dict(self._partitions.now)
        return sum(max(end - now[number].next_offset, 0) for number, end in ends.items() if number in now)

    @property
    def not_ready(self) -> str | None:
        """Why it is not ready, None if it is: it has its partitions, tells of their newest movements, and waits for no server.
        Any thread may ask."""
        behind = f"{self._to_read_back} movements are judged again" if self._to_read_back else ""
        reasons = ["" if self._is_member else "Kafka has assigned no partitions yet", behind, str(self._complaints)]
        return "; ".join(filter(None, reasons)) or None

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop` is set.

        Raises UndecodableMovementError, OffsetOutOfRangeError, and KafkaException where this watch cannot go on (fenced, or a
        fatal error): starting it anew is always safe.
        """
        patience, is_whole = Patience(stop, self._complaints), False
        try:
            patience.outlast("Kafka", lambda: outlast_registry(patience, lambda: self._feed.read_to_end(stop)))
            outlast_registry(patience, self._writer.open)
            subscribe(self._consumer, [CREDIT_MOVEMENTS.name], partial(self._begin, patience), self._give_up)
            while not stop.is_set():
                self._turn(patience)
            self._finish()
            is_whole = True
        except (StoppedWaitingError, StoppedError) as error:
            logger.warning("%s: the movements in hand are read again at the next start", error)
            is_whole = True
        finally:
            if not is_whole:
                # A judge may be in the middle of a batch: nothing of it may reach its file.
                self._partitions.now.clear()
            self._told_reader.close()
            self._feed.close()
            self._consumer.close()

    def _turn(self, patience: Patience) -> None:
        try:
            self._judge_all(self._consumed(), patience)
            self._tell()
        except NotAllowedError as error:
            self._metrics.aborts.inc()
            self._complaints.complain(_PERMISSION, str(error))
            patience.stop.wait(_NOT_ALLOWED_SECONDS)
        except AbortedError:
            # The alerts stay in hand and are written again, unless their partitions go.
            self._metrics.aborts.inc()
            patience.stop.wait(_SECONDS_AFTER_ABORT)

    def _consumed(self) -> ConsumedBatch:
        before = self._rebalances
        # 1. Consume.
        pieces = available_pieces(self._consumer, self._options.batch_size, _WAIT_SECONDS, self._are_to_gather)
        batches = [sort_out(piece, self._note_error) for piece in pieces]
        records = [record for batch in batches for record in batch.records]
        ends = {partition: end for batch in batches for partition, end in batch.ends.items()}
        if records or ends:
            self._complaints.withdraw("Kafka")
        if self._rebalances == before:
            return ConsumedBatch(records, ends)
        # Some of them came before the rebalance. All are read again.
        self._read_from_where_it_stands()
        return ConsumedBatch([], {})

    def _are_to_gather(self) -> bool:
        return self._monotonic_seconds() < self._judge_at_seconds

    def _note_error(self, error: KafkaError) -> None:
        # A client tells once that it may not read, and never that it may again: whoever asks Kafka itself learns both.
        if is_unauthorized(error):
            log_error(error)
        else:
            self._complaints.complain("Kafka", explained(error))

    def _judge_all(self, batch: ConsumedBatch, patience: Patience) -> None:
        outlast_registry(patience, self._feed.refresh)
        # Whoever had the partitions before can tell nothing there any more.
        patience.outlast("Kafka", lambda: outlast_registry(patience, lambda: self._read_told(patience.stop)))
        if batch.records:
            self._judge_at_seconds = self._monotonic_seconds() + _SECONDS_BETWEEN_BATCHES
            # 1. Decode.
            facts = outlast_registry(patience, lambda: self._decoded(batch.records))
            self._judge(facts, np.array([record.partition() for record in batch.records], dtype=np.int64))
        for (_, number), end in batch.ends.items():
            # The markers of transactions follow the last record, so the end may lie further on.
            partition = self._partitions.now[number]
            partition.next_offset = max(partition.next_offset, end)

    def _judge(self, facts: Facts, numbers: Ints) -> None:
        for number in distinct(numbers).tolist():
            partition, of_partition = self._partitions.now[number], facts.of(np.flatnonzero(numbers == number))
            # 2. Judge.
            alerts = partition.judge.judge(of_partition)
            # 3. Keep what is to be told.
            partition.to_tell += self._to_tell(partition, alerts)
            partition.next_offset = int(of_partition.offsets[-1]) + 1
        self._metrics.judged.inc(len(numbers))

    def _read_told(self, stop: threading.Event) -> None:
        self._partitions.read_told(lambda number: self._told_reader.told(number, stop))

    def _decoded(self, records: list[Message]) -> Facts:
        decoded = self._codec.decode([record.value() for record in records])
        for refusal in decoded.refusals:
            record = records[refusal.row]
            position = f"partition {record.partition()}, offset {record.offset()}"
            raise UndecodableMovementError(f"{CREDIT_MOVEMENTS.name}, {position}: {refusal.reason}, {refusal.detail}")
        offsets = np.array([record.offset() for record in records], dtype=np.int64)
        logged_at = np.array([record.timestamp()[1] for record in records], dtype=np.int64) * _MICROS_PER_MILLI
        return Facts.read(decoded.rows, offsets, logged_at, self._settings)

    def _to_tell(self, partition: WatchedPartition, alerts: list[Alert]) -> list[Alert]:
        told = partition.told or set()
        oldest = self._now_micros() - self._options.max_age // timedelta(microseconds=1)
        loud = [alert for alert in alerts if alert.offset >= partition.silent_until]
        new = [alert for alert in loud if alert.alert_id not in told]
        fresh = [alert for alert in new if alert.raised_at >= oldest]
        self._metrics.repeated.inc(len(loud) - len(new))
        self._metrics.stale.inc(len(new) - len(fresh))
        return fresh

    def _tell(self, *, at_once: bool = False) -> None:
        """Step 4. Raises AbortedError."""
        alerts, refused = self._partitions.to_tell(), self._partitions.to_dead_letter(self._feed.refused)
        offsets = self._partitions.offsets_to_commit(refused)
        is_due = at_once or bool(alerts or refused) or self._monotonic_seconds() >= self._commit_at_seconds
        if not offsets or not is_due:
            return
        self._writer.write(alerts, refused, offsets, self._consumer)
        self._complaints.withdraw(_PERMISSION)
        self._commit_at_seconds = self._monotonic_seconds() + _SECONDS_BETWEEN_COMMITS
        kinds = Counter(alert.kind.value for some in alerts.values() for alert in some)
        for kind, count in kinds.items():
            self._metrics.told.labels(kind).inc(count)
            logger.info("told: %s, %d alerts", kind, count)
        self._partitions.note_committed(refused)
        for letter in refused[-1:]:
            self._feed.forget_refused(letter.offset + 1)

    def _begin(self, patience: Patience, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalances += 1
        try:
            # It waits for the end of a predecessor's transaction.
            asked = self._partitions.with_offsets(partitions)
            found = patience.outlast("Kafka's offsets", partial(committed, consumer, asked))
        except StoppedWaitingError:
            # A consumer that closes in the middle of a rebalance calls this too. It will read no more.
            return
        assign(consumer, self._partitions.begin(found))
        logger.info("watching partitions %s", sorted(self._partitions.now))
        self._is_member = True

    def _give_up(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalances += 1
        self._finish()
        self._partitions.give_up([each.partition for each in partitions])

    def _finish(self) -> None:
        """Before partitions go. Whoever has them next raises again what could not be told."""
        try:
            self._tell(at_once=True)
        except AbortedError:
            self._metrics.aborts.inc()
        self._complaints.forget(_PERMISSION)

    def _read_from_where_it_stands(self) -> None:
        numbers = self._partitions.now.items()
        assign(
            self._consumer,
            {_of_log(number): each.next_offset for number, each in numbers},
        )


def _of_log(number: int) -> TopicPartition:
    return TopicPartition(CREDIT_MOVEMENTS.name, number)
