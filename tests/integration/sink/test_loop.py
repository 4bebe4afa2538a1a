"""The sink's loop on a real broker, registry and ClickHouse: every committed movement counts once."""

import polars as pl
import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, TopicPartition

from schemas.codec import RecordCodec
from schemas.topics import CREDIT_MOVEMENTS
from sinks.write.batch import OutOfLogError
from sinks.write.loop import CONSUMER_SETTINGS, UndecodableMovementError
from sinks.write.missing_offsets import MissingOffsets
from tests.integration.sink.movements_log import PARTITIONS, append, movements, total
from tests.integration.sink.workers import committed, counted, ends, sinking, wait_until, written
from tests.kafka.brokers import BROKERS, TANSU


def test_every_committed_movement_is_in_clickhouse_with_its_position_in_the_log(
    log: str, client: Client, codec: RecordCodec
) -> None:
    frame = movements(1_300)
    append(log, codec.encode(frame))
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
    assert counted(client) == total(frame)
    positions = client.query(
        "SELECT log_partition, log_offset, log_id, source_offset FROM credit_movements"
    ).result_rows
    assert sorted(positions) == sorted((n % PARTITIONS, n // PARTITIONS, "log-1", n) for n in range(len(frame)))


def test_the_committed_offsets_reach_the_ends_of_all_partitions_markers_included(
    log: str, client: Client, codec: RecordCodec
) -> None:
    append(log, codec.encode(movements(2)))  # partition 2 stays empty
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == {0: 2, 1: 2, 2: 0})
    assert committed(log) == ends(log) == {0: 2, 1: 2, 2: 0}


def test_what_comes_later_is_read_from_where_the_last_one_left_off(
    log: str, client: Client, codec: RecordCodec
) -> None:
    first, second = movements(40), movements(50)
    append(log, codec.encode(first))
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
    append(log, codec.encode(second))
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
        assert worker.sink.health.rows_inserted == 50
    assert written(client) == 90
    assert counted(client) == total(pl.concat([first, second]))


@pytest.mark.usefixtures("not_on_tansu")
def test_movements_of_an_aborted_transaction_never_reach_clickhouse(
    log: str, client: Client, codec: RecordCodec
) -> None:
    """Apache Kafka keeps them from whoever reads what is committed; Tansu shows them to all."""
    aborted, kept = movements(40), movements(50)
    append(log, codec.encode(aborted), is_aborted=True)
    append(log, codec.encode(kept))
    append(log, codec.encode(aborted), is_aborted=True)
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
    assert written(client) == 50
    assert counted(client) == total(kept)


def test_an_undecodable_movement_is_never_skipped(log: str, client: Client, codec: RecordCodec) -> None:
    values = codec.encode(movements(6))
    values[4] = values[4][:-1]
    append(log, values)
    with sinking(log, client, codec) as worker:
        error = worker.crashed()
    assert isinstance(error, UndecodableMovementError)
    assert str(error).startswith("credit-movements, partition 1, offset 1: undecodable, ")
    # What came in a batch before it may be in.
    assert committed(log)[1] <= 1
    [behind] = client.query(
        "SELECT count() FROM credit_movements WHERE log_partition = 1 AND log_offset >= 1"
    ).result_rows
    assert behind == (0,)


def test_two_workers_share_the_partitions_and_count_each_row_once(log: str, client: Client, codec: RecordCodec) -> None:
    frames = [movements(900), movements(900)]
    append(log, codec.encode(frames[0]))
    with sinking(log, client, codec, 100) as first:
        wait_until(lambda: first.sink.health.rows_inserted > 0)
        with sinking(log, client, codec, 100) as second:
            wait_until(lambda: {*first.sink.health.assigned, *second.sink.health.assigned} == {0, 1, 2})
            wait_until(lambda: 0 < len(second.sink.health.assigned) < PARTITIONS)
            append(log, codec.encode(frames[1]))
            wait_until(lambda: {**first.sink.health.committed, **second.sink.health.committed} == ends(log))
            assert not first.sink.health.assigned & second.sink.health.assigned
    assert counted(client) == total(pl.concat(frames))


def test_it_stops_at_once_when_idle(log: str, client: Client, codec: RecordCodec) -> None:
    append(log, codec.encode(movements(10)))
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
        assert worker.end() < 2.0
    assert worker.error is None


def test_rows_blocks_offsets_and_lag_are_counted(log: str, client: Client, codec: RecordCodec) -> None:
    append(log, codec.encode(movements(12)))
    with sinking(log, client, codec) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
        sample = worker.registry.get_sample_value
        assert sample("credit_sink_rows_inserted_total") == 12
        assert 1 <= (sample("credit_sink_inserts_total") or 0) <= 12
        assert sample("credit_sink_committed_offset", {"partition": "0"}) == 5
        assert sample("credit_sink_lag_messages", {"partition": "0"}) == 0
        assert sample("credit_sink_sums_lag_messages", {"partition": "0"}) == 5
        assert worker.sink.health.lag == {0: 0, 1: 0, 2: 0}


# Tansu says nothing when it is asked for an offset that is not there.
@pytest.mark.parametrize("kafka", [name for name in BROKERS if name != TANSU], indirect=True)
def test_an_offset_that_the_log_does_not_have_stops_it_unless_it_is_told_to_begin_anew(
    log: str, client: Client, codec: RecordCodec
) -> None:
    frame = movements(30)
    append(log, codec.encode(frame))
    group = Consumer({"bootstrap.servers": log, **CONSUMER_SETTINGS})
    group.commit(offsets=[TopicPartition(CREDIT_MOVEMENTS.name, 1, 1000)], asynchronous=False)
    group.close()
    with sinking(log, client, codec) as worker:
        error = worker.crashed()
    assert isinstance(error, OutOfLogError)
    assert str(error).startswith("credit-movements, partition 1: the log does not have offset 1000")
    with sinking(log, client, codec, **MissingOffsets.EARLIEST.consumer_settings) as worker:
        wait_until(lambda: worker.sink.health.committed == ends(log))
    assert counted(client) == total(frame)
