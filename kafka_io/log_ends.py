"""Where partitions end, found by reading on to the end.

The offset that a broker names as the end is where to begin: Tansu names one that is too low when several requests of a
producer were under way at once (seen: 212 for 214 messages).
"""

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

_TIMEOUT_SECONDS = 10.0
_POLL_SECONDS = 0.5


def log_ends(consumer: Consumer, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The offset after the last record of each (topic, partition), transaction markers included.

    `consumer` is assigned by hand, tells of partition ends (`enable.partition.eof`) and is this call's alone; with
    `read_committed` an open transaction counts as not there. Raises KafkaException.
    """
    wanted = set(places)
    begins = [
        TopicPartition(*place, consumer.get_watermark_offsets(TopicPartition(*place), _TIMEOUT_SECONDS)[1])
        for place in wanted
    ]
    consumer.assign(begins)
    ends: dict[tuple[str, int], int] = {}
    while missing := wanted - ends.keys():
        # As many as are awaited: a consumer that is asked for more waits for more.
        for message in consumer.consume(len(missing), _POLL_SECONDS):
            error = message.error()
            if error is None:
                continue
            if error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            ends[str(message.topic()), int(message.partition() or 0)] = int(message.offset() or 0)
    consumer.unassign()
    return ends
