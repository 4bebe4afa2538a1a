"""Whether the peers' movements are the rater's, field by field: otherwise their speeds are not worth comparing."""

import threading

import polars as pl

from benchmarks.rating.systems import topic_of
from benchmarks.rating.traffic import Traffic
from credit_movements import clients
from kafka_io.offsets import offset_range
from kafka_io.positions import TopicPartition
from kafka_io.reading import read_to_end
from schemas.topics import CREDIT_MOVEMENTS

_ANSWER_SECONDS = 10.0


class DifferentError(Exception):
    """A peer has made other movements than the rater: which."""


def rated(traffic: Traffic) -> pl.DataFrame:
    """The rater's movements. Raises DifferentError unless each event has become one."""
    movements = _movements(traffic, CREDIT_MOVEMENTS.name)
    if len(movements) != traffic.count or movements.select("source_partition", "source_offset").is_duplicated().any():
        raise DifferentError(f"the rater made {len(movements)} movements of {traffic.count} events")
    return movements


def compare(traffic: Traffic, name: str, expected: pl.DataFrame) -> int:
    """How many movements a peer has made, each of them equal to the rater's and made once. Raises DifferentError."""
    movements = _movements(traffic, topic_of(name))
    same = movements.join(expected, on=expected.columns, how="semi", nulls_equal=True)
    if len(same) != len(movements) or movements.is_duplicated().any():
        raise DifferentError(f"{name}: of {len(movements)} movements {len(same)} are those of the rater")
    return len(movements)


def _movements(traffic: Traffic, topic: str) -> pl.DataFrame:
    consumer = clients.reading_consumer(traffic.settings, "benchmark")
    codec, tables = clients.codec(traffic.settings, CREDIT_MOVEMENTS), []
    for number in range(traffic.settings.topic_partitions):
        partition = TopicPartition(topic, number)
        begin, end = offset_range(consumer, partition, _ANSWER_SECONDS)
        for records in read_to_end(consumer, partition, begin, end, threading.Event()):
            tables.append(codec.decode([record.value() for record in records]).rows.drop("row"))
    consumer.close()
    return pl.concat(tables)
