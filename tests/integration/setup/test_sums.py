"""`setup` adds up a ledger of before, and a restored one: what ClickHouse has of this log, to the last whole block, once."""

from contextlib import closing

import clickhouse_connect
import pytest
from pydantic import SecretStr

from credit_movements import clients
from credit_movements.settings import Settings
from credit_movements.setup.provision import make_topics, set_up
from credit_movements.setup.rebuild import SINKS
from kafka_io.offsets import OffsetAndNote, commit
from kafka_io.positions import TopicPartition
from schemas.topics import CREDIT_MOVEMENTS
from sinks.read.balance import read_balance
from sinks.read.summed.grains import BLOCK_OFFSETS
from sinks.read.summed.reach import Reach, Summed, read_reach, summed
from sinks.write.migrations import apply_migrations
from tests.kafka.brokers import BROKERS

ROWS = BLOCK_OFFSETS + 100
_MADE = """
INSERT INTO credit_movements
    (account_id, occurred_at, movement_id, description, unit, credit_movement, currency, log_id, log_partition, log_offset)
SELECT 'acme', fromUnixTimestamp64Milli(toInt64(1700000000000 + number * 60000), 'UTC'), generateUUIDv4(), 'call', 'seconds',
    toDecimal64('-0.000000001', 9), 'EUR', {log_id:String}, 2, number
FROM numbers({rows:UInt64})
"""


@pytest.mark.parametrize("kafka", BROKERS[:1], indirect=True)
def test_a_ledger_of_before_is_added_up_once(settings: Settings, database: str) -> None:
    settings = settings.model_copy(update={"clickhouse_dsn": SecretStr(database)})
    make_topics(settings)
    apply_migrations(database)
    log_id = clients.log_identity(settings)
    with closing(clickhouse_connect.get_client(dsn=database, autogenerate_session_id=False)) as client:
        client.command(
            _MADE, parameters={"log_id": log_id, "rows": ROWS}, settings={"max_partitions_per_insert_block": 0}
        )
        with closing(clients.group_consumer(settings, SINKS)) as sinks:
            commit(sinks, {TopicPartition(CREDIT_MOVEMENTS.name, 2): OffsetAndNote(ROWS)})
        changed = set_up(settings).changed
        assert changed == ["ClickHouse had no sums of 1 blocks of the log: written"]
        assert read_reach(client, log_id) == {2: Reach(BLOCK_OFFSETS, BLOCK_OFFSETS)}
        assert summed(client, "acme") == Summed(log_id, 2, BLOCK_OFFSETS)
        (balance,) = read_balance(client, "acme")
        assert (balance.movements, balance.amount.scaleb(9)) == (ROWS, -ROWS)
        assert set_up(settings).changed == []
        # What a restore leaves out is made again, and what it left of the sums counts no longer.
        for lost in (
            ("movement_sums_by_key",),
            ("movement_sums_by_quarter", "movement_sums_by_key", "movement_sums_reached"),
            ("movement_sums_reached", "erased_accounts", "credit_movements_once"),
        ):
            for table in lost:
                client.command(f"DROP TABLE {table} SYNC")
            assert set_up(settings).changed == changed
            assert read_reach(client, log_id) == {2: Reach(BLOCK_OFFSETS, BLOCK_OFFSETS)}
            assert read_balance(client, "acme") == [balance]
            assert client.command("SELECT sum(movements) FROM movement_sums_by_key FINAL") == BLOCK_OFFSETS
            assert client.command("SELECT count() FROM credit_movements_once") == ROWS
