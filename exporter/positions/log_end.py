"""Where a partition ends. It is found by reading on to the end: the embedded broker names an end that is too low."""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

ANSWER_SECONDS = 10.0
_READ_AT_ONCE = 10_000
# `consume` waits this long for a full batch, also when the end is there already.
_BATCH_SECONDS = 0.02


def end_behind(reader: Consumer, begin: TopicPartition, enough_seconds: float = ANSWER_SECONDS) -> int:
    """The end of the partition of `begin`, read to from there. Afterwards `reader` still has it assigned.

    Where records come so quickly that no end is ever seen, it is how far the reader has come after `enough_seconds`: behind
    all that lay there at the call, and some of what came since. `reader` tells of ends (`enable.partition.eof`), and is this
    call's alone. Blocks for some seconds at most, and raises KafkaException.
    """
    reader.assign([begin])
    began_at_seconds = time.monotonic()
    read_to: int | None = None
    while (waited_seconds := time.monotonic() - began_at_seconds) < ANSWER_SECONDS:
        if read_to is not None and waited_seconds >= enough_seconds:
            return read_to
        for message in reader.consume(_READ_AT_ONCE, timeout=_BATCH_SECONDS):
            error, offset = message.error(), message.offset()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            assert offset is not None
            if error is not None:
                return offset
            read_to = offset + 1
    what = f"the end of {begin.topic} {begin.partition} was not reached"
    raise KafkaException(KafkaError(KafkaError._TIMED_OUT, what))
