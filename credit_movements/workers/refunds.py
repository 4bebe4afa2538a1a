"""How a rater asks the ledger what may be given back, where `CREDIT_REFUND_LIMIT` says so."""

from collections.abc import Collection
from contextlib import closing

import polars as pl

from credit_movements import clickhouse, clients
from credit_movements.settings import Settings
from credit_movements.workers import sink
from kafka_io.offsets import committed_offsets
from kafka_io.positions import TopicPartition
from schemas.topics import CREDIT_MOVEMENTS
from sinks.read.refunds import taken_and_given
from sinks.read.slice import outages_named
from streams.refunds.ledger import RefundLedger

# The answer is short. While it is waited for nothing is rated, and nobody is told.
_ANSWER_SECONDS = 10.0


def refund_ledger(settings: Settings) -> RefundLedger:
    """A ClickHouse that does not answer is waited for when a refund comes, and not at the start: all else is rated meanwhile.

    Raises SettingsError, RefusedError and OtherBrandError.
    """
    clickhouse.check_brand_if_there(settings)
    connect = clickhouse.client_of_brand(settings, _ANSWER_SECONDS)
    sink_member = clients.group_consumer(settings, sink.GROUP)

    def stored_until(partitions: Collection[int]) -> dict[int, int]:
        asked = [TopicPartition(CREDIT_MOVEMENTS.name, number) for number in partitions]
        return {each.partition: offset for each, offset in committed_offsets(sink_member, asked).items()}

    def taken_before(adjustments: pl.DataFrame) -> pl.DataFrame:
        with outages_named(), closing(connect()) as client:
            return taken_and_given(client, adjustments)

    return RefundLedger(stored_until, taken_before)
