"""Where a partition ends, found by reading on to the end: the embedded broker names an end that is too low."""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

ANSWER_SECONDS = 10.0
_READ_AT_ONCE = 10_000
# `consume` waits this long for a full batch, also when the end is there already.
_BATCH_SECONDS = 0.02


def end_behind(reader: Consumer, place: TopicPartition) -> int:
    """The end of the partition of `place`, read to from there. Afterwards `reader` still has it assigned.

    `reader` tells of ends (`enable.partition.eof`), and is this call's alone. Blocks for some seconds at most, and raises
    KafkaException.
    """
    reader.assign([place])
    deadline_seconds = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline_seconds:
        for message in reader.consume(_READ_AT_ONCE, timeout=_BATCH_SECONDS):
            error = message.error()
            if error is None:
                continue
            if error.code() == KafkaError._PARTITION_EOF:
                end_offset = message.offset()
                assert end_offset is not None
                return end_offset
            raise KafkaException(error)
    what = f"the end of {place.topic} {place.partition} was not reached"
    raise KafkaException(KafkaError(KafkaError._TIMED_OUT, what))
