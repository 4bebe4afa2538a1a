"""Writes alerts and the dead letters of settings, and commits the offsets with them in one Kafka transaction."""

from collections.abc import Mapping, Sequence

import polars as pl
from confluent_kafka import Consumer, KafkaException

from kafka_io.offsets import OffsetAndNote
from kafka_io.positions import TopicPartition
from kafka_io.producing import produce_all
from kafka_io.transactions import MakeProducer, Transactions, commit_alone
from schemas.codec import RecordCodec
from schemas.topics import CREDIT_ALERTS
from streams.alerts.judging.alerts import Alert
from streams.alerts.settings_feed import RefusedSettings
from streams.writer import produce_dead_letter


class AlertWriter:
    def __init__(self, make_producer: MakeProducer, codec: RecordCodec) -> None:
        self._transactions = Transactions(make_producer, lambda: None)
        self._codec = codec

    def open(self) -> None:
        """Fence any predecessor with the same transactional id. Raises KafkaException, RegistryUnavailableError."""
        self._codec.own_id()
        self._transactions.open()

    def write(
        self,
        alerts: Mapping[int, Sequence[Alert]],
        refused: Sequence[RefusedSettings],
        offsets: Mapping[TopicPartition, OffsetAndNote],
        consumer: Consumer,
    ) -> None:
        """Tell these alerts, each in its account's partition, dead-letter these settings, and commit these offsets: all or
        nothing. Where there is nothing to write, the offsets are committed alone.

        Raises AbortedError where nothing of it counts and it may be tried again, and KafkaException where this watch must end.
        """
        records = {partition: self._records(some) for partition, some in alerts.items() if some}
        if not records and not refused:
            # Offsets alone need no transaction, and Tansu loses the offsets of a transaction that holds nothing else.
            commit_alone(offsets, consumer)
            return
        self._transactions.begin()
        try:
            for partition, some in records.items():
                produce_all(self._transactions.producer, CREDIT_ALERTS.name, some, partition)
            for each in refused:
                produce_dead_letter(self._transactions.producer, each.message, each.reason, each.detail)
        except KafkaException as failure:
            self._transactions.abort(failure)
        self._transactions.commit(offsets, consumer.consumer_group_metadata())

    def _records(self, alerts: Sequence[Alert]) -> list[dict[str, object]]:
        values = self._codec.encode(pl.DataFrame([alert.record for alert in alerts], schema=self._codec.dtypes))
        return [{"key": alert.account_id, "value": value} for alert, value in zip(alerts, values, strict=True)]
