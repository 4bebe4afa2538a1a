"""A Kafka of lists around the real watch, for tests that need many histories, with one partition of each topic.

What is committed changes together, as in a transaction. Each turn of a watch takes all that has come.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any, cast

import polars as pl
from confluent_kafka import Message
from confluent_kafka import TopicPartition as PartitionOffset
from prometheus_client import CollectorRegistry

from kafka_io.offsets import OffsetAndNote
from kafka_io.outages import Complaints, Patience
from kafka_io.positions import TopicPartition
from kafka_io.transactions import AbortedError
from schemas.codec import RecordCodec
from schemas.dead_letters import Reason
from schemas.topics import ALERT_SETTINGS, CREDIT_MOVEMENTS
from streams.alerts.judging.alerts import Alert
from streams.alerts.judging.settings import AccountSettings
from streams.alerts.metrics import WatchMetrics
from streams.alerts.settings_feed import RefusedSettings
from streams.alerts.watch import Watch, WatchOptions
from tests.unit.schemas.test_codec import RegisteredSchemas
from tests.unit.streams.alerts.judging.test_judge import RULES

CODEC = RecordCodec(CREDIT_MOVEMENTS, cast(Any, RegisteredSchemas()))
NOW = 1_793_000_000_000_000
LOG_ID = "the log"
MAX_AGE = timedelta(days=3)
_LOG, _SETTINGS = TopicPartition(CREDIT_MOVEMENTS.name, 0), TopicPartition(ALERT_SETTINGS.name, 0)


class CrashedError(Exception):
    """The watch ended here, as by SIGKILL."""


class WatchDouble:
    """`alerts` and `letters` (the offsets of wrong settings): what was committed, in its order. `next_commit`: "commit",
    "abort", "crash before" or "crash after"."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log: list[Message] = []
        self.alerts: list[Alert] = []
        self.committed: OffsetAndNote | None = None
        self.wrong_settings: list[RefusedSettings] = []
        self.letters: list[int] = []
        self.letters_committed: OffsetAndNote | None = None
        self.next_commit = "commit"
        self.now_micros = NOW
        self.generation = 0

    def publish(self, *movements: dict[str, Any]) -> None:
        values = CODEC.encode(pl.DataFrame(list(movements), schema=CODEC.dtypes))
        stamp = (1, self.now_micros // 1000)
        for value in values:
            offset = len(self.log)
            message = Message(topic=CREDIT_MOVEMENTS.name, partition=0, offset=offset, value=value, timestamp=stamp)
            self.log.append(message)

    def publish_wrong_settings(self) -> None:
        offset = len(self.wrong_settings)
        message = Message(topic=ALERT_SETTINGS.name, partition=0, offset=offset, value=b"")
        self.wrong_settings.append(RefusedSettings(message, offset, Reason.UNDECODABLE, "no value"))

    def watch(self) -> "RunningWatch":
        """One that begins now, and has the partition from now on: another that had it can commit nothing any more."""
        self.generation += 1
        return RunningWatch(self, self.generation)

    def commit(
        self,
        generation: int,
        alerts: Sequence[Alert],
        refused: Sequence[RefusedSettings],
        offsets: Mapping[TopicPartition, OffsetAndNote],
    ) -> None:
        how, self.next_commit = self.next_commit, "commit"
        if how == "abort" or generation != self.generation:
            raise AbortedError("the double's")
        if how == "crash before":
            raise CrashedError
        self.alerts += alerts
        self.letters += [each.offset for each in refused]
        self.committed = offsets.get(_LOG, self.committed)
        self.letters_committed = offsets.get(_SETTINGS, self.letters_committed)
        if how == "crash after":
            raise CrashedError

    def told(self) -> Counter[str]:
        return Counter(alert.alert_id for alert in self.alerts)


class RunningWatch:
    """A watch that takes its turns when it is told to."""

    def __init__(self, kafka: WatchDouble, generation: int) -> None:
        self._consumer = _Consumer(kafka)
        self.watch = Watch(
            consumer=cast(Any, self._consumer),
            writer=cast(Any, _Writer(kafka, generation)),
            told_reader=cast(Any, _ToldReader(kafka)),
            feed=cast(Any, _Feed(kafka)),
            settings=AccountSettings(RULES),
            codec=CODEC,
            options=WatchOptions(kafka.folder, LOG_ID, MAX_AGE, 20_000),
            metrics=WatchMetrics(CollectorRegistry()),
            now_micros=lambda: kafka.now_micros,
            monotonic_seconds=lambda: 0.0,
        )
        stop = Event()
        # Nobody waits after an abort.
        stop.wait = lambda _=None: True  # type: ignore[method-assign, assignment]
        self._patience = Patience(stop, Complaints(lambda: 0.0))
        self.begin()

    def begin(self) -> None:
        """It gets the partition."""
        self.watch._begin(self._patience, cast(Any, self._consumer), [TopicPartition(CREDIT_MOVEMENTS.name, 0)])

    def turn(self) -> None:
        self.watch._judge_at_seconds = 0.0
        self.watch._turn(self._patience)

    def stop(self) -> None:
        """As at a signal or in a rebalance: it finishes, and writes its file."""
        self.watch._give_up(cast(Any, self._consumer), [TopicPartition(CREDIT_MOVEMENTS.name, 0)])


class _Consumer:
    def __init__(self, kafka: WatchDouble) -> None:
        self._kafka = kafka
        self._next = 0

    def committed(self, partitions: list[PartitionOffset], _: float) -> list[PartitionOffset]:
        found = {_LOG.topic: self._kafka.committed, _SETTINGS.topic: self._kafka.letters_committed}
        return [PartitionOffset(each.topic, 0, *(found[each.topic] or (-1001,))) for each in partitions]

    def assign(self, partitions: list[PartitionOffset]) -> None:
        self._next = partitions[0].offset

    def consume(self, count: int, _: float) -> list[Message]:
        taken = self._kafka.log[self._next : self._next + count]
        self._next += len(taken)
        return taken


class _Writer:
    def __init__(self, kafka: WatchDouble, generation: int) -> None:
        self._kafka = kafka
        self._generation = generation

    def write(
        self,
        alerts: Mapping[int, Sequence[Alert]],
        refused: Sequence[RefusedSettings],
        offsets: Mapping[TopicPartition, OffsetAndNote],
        _: Any,
    ) -> None:
        self._kafka.commit(self._generation, alerts.get(0, []), refused, offsets)


class _ToldReader:
    def __init__(self, kafka: WatchDouble) -> None:
        self._kafka = kafka

    def told(self, _: int, __: Event) -> set[str]:
        return set(self._kafka.told())


class _Feed:
    def __init__(self, kafka: WatchDouble) -> None:
        self._kafka = kafka
        self._read = 0
        self.refused: list[RefusedSettings] = []

    def refresh(self) -> None:
        self.refused += self._kafka.wrong_settings[self._read :]
        self._read = len(self._kafka.wrong_settings)

    def forget_refused(self, next_offset: int) -> None:
        self.refused = [each for each in self.refused if each.offset >= next_offset]
