"""The offsets of a group: ask for them, commit them, assign partitions at them.

`confluent_kafka.TopicPartition` is a partition, an offset, a note and an error in one. It stays in this package. Elsewhere a
partition is a `TopicPartition` of `positions`, and what a group commits for it is an `OffsetAndNote`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as PartitionOffset
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from kafka_io.positions import TopicPartition

ANSWER_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.2
# The partitions belong to another member by now, or will. It reads again what was not committed.
REBALANCED: Final = frozenset(
    {
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._MAX_POLL_EXCEEDED,
    }
)
# Kafka or the group's coordinator does not answer now.
COORDINATOR_AWAY: Final = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._WAIT_COORD,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)

OnPartitions = Callable[[Consumer, list[TopicPartition]], None]


class OffsetAndNote(NamedTuple):
    """The next offset to read, and a text that Kafka keeps beside it (Tansu does not keep it)."""

    offset: int
    note: str = ""


def committed(
    consumer: Consumer, partitions: Iterable[TopicPartition], answer_seconds: float = ANSWER_SECONDS
) -> dict[TopicPartition, OffsetAndNote | None]:
    """What the consumer's group has committed for each partition, None where it has committed nothing.

    Waits for the end of open transactions. Raises KafkaException.
    """
    answers = consumer.committed([PartitionOffset(*each) for each in partitions], answer_seconds)
    _raise_first_error(answers)
    return {
        TopicPartition(each.topic, each.partition): None
        if each.offset < 0
        else OffsetAndNote(each.offset, each.metadata or "")
        for each in answers
    }


def committed_offsets(consumer: Consumer, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The next offset of each partition as the group has committed it, 0 where it has not. Otherwise like `committed`, but
    that a coordinator which moves just now is waited for."""
    asked = list(partitions)
    patient = Retrying(
        retry=retry_if_exception(_is_coordinator_away),
        stop=stop_after_delay(ANSWER_SECONDS),
        wait=wait_fixed(_PAUSE_SECONDS),
        reraise=True,
    )
    found = patient(lambda: committed(consumer, asked, 3 * ANSWER_SECONDS))
    return {partition: 0 if answer is None else answer.offset for partition, answer in found.items()}


def commit(consumer: Consumer, offsets: Mapping[TopicPartition, OffsetAndNote]) -> None:
    """Commit and wait for Kafka's answer. Raises KafkaException, also where Kafka refuses one partition alone."""
    _raise_first_error(consumer.commit(offsets=as_confluent(offsets), asynchronous=False) or [])


def assign(consumer: Consumer, offsets: Mapping[TopicPartition, int]) -> None:
    """Read these partitions, each from its offset (or one of confluent_kafka's OFFSET_ constants)."""
    consumer.assign([PartitionOffset(*partition, offset) for partition, offset in offsets.items()])


def subscribe(consumer: Consumer, topics: list[str], on_assign: OnPartitions, on_revoke: OnPartitions) -> None:
    """Join the group. `on_revoke` is called for lost partitions too."""

    def assigned(member: Consumer, partitions: list[PartitionOffset]) -> None:
        on_assign(member, _plain(partitions))

    def revoked(member: Consumer, partitions: list[PartitionOffset]) -> None:
        on_revoke(member, _plain(partitions))

    consumer.subscribe(topics, on_assign=assigned, on_revoke=revoked, on_lost=revoked)


def offset_range(
    consumer: Consumer, partition: TopicPartition, answer_seconds: float = 3 * ANSWER_SECONDS
) -> tuple[int, int]:
    """The offset of the oldest record that retention has left, and the end that the broker names.

    With `read_uncommitted` the end lies behind what open transactions have written. Tansu may name an end that is too low: see
    `reading`. Raises KafkaException.
    """
    low, high = consumer.get_watermark_offsets(PartitionOffset(*partition), answer_seconds)
    return max(low, 0), max(high, 0)


def reported_ends(
    consumer: Consumer, partitions: Iterable[TopicPartition], answer_seconds: float = ANSWER_SECONDS
) -> dict[TopicPartition, int]:
    """The end of each partition that the broker names, asked for all at once; with `read_committed` that before open
    transactions. Tansu may name an end that is too low: see `reading`. Raises KafkaException."""
    return _reported(consumer, partitions, OFFSET_END, answer_seconds)


def reported_begins(
    consumer: Consumer, partitions: Iterable[TopicPartition], answer_seconds: float = ANSWER_SECONDS
) -> dict[TopicPartition, int]:
    """The offset of the oldest record that retention has left, asked for all at once. Raises KafkaException."""
    return _reported(consumer, partitions, OFFSET_BEGINNING, answer_seconds)


def first_written_since(
    consumer: Consumer, times: Mapping[TopicPartition, int], answer_seconds: float = ANSWER_SECONDS
) -> dict[TopicPartition, int]:
    """The first offset of each partition whose record was written at this time (milliseconds) or later, and its end where
    there is none. All records before it were written earlier, even where the times of a partition do not rise.

    With `read_committed` neither looks beyond the first open transaction. Tansu answers 0 whatever the time. Raises
    KafkaException.
    """
    # Asked for first: what is written meanwhile then lies behind it.
    ends = reported_ends(consumer, times, answer_seconds)
    asked = [PartitionOffset(*partition, max(at, 0)) for partition, at in times.items()]
    found = _at_times(consumer, asked, answer_seconds)
    return {each: offset if offset >= 0 else ends[each] for each, offset in found.items()}


def read_more(consumer: Consumer, partition: TopicPartition, offset: int) -> None:
    """Read this partition too. For a consumer that is in no group."""
    consumer.incremental_assign([PartitionOffset(*partition, offset)])


def read_no_more(consumer: Consumer, partition: TopicPartition) -> None:
    """Read the other partitions alone. For a consumer that is in no group."""
    consumer.incremental_unassign([PartitionOffset(*partition)])


def last_known_end(consumer: Consumer, partition: TopicPartition) -> int:
    """The end of a partition by the last answer to a fetch, open transactions included; negative before the first answer."""
    return int(consumer.get_watermark_offsets(PartitionOffset(*partition), cached=True)[1])


def as_confluent(offsets: Mapping[TopicPartition, OffsetAndNote]) -> list[PartitionOffset]:
    """The type that calls of confluent_kafka want."""
    return [PartitionOffset(*partition, *what) for partition, what in offsets.items()]


def _reported(
    consumer: Consumer, partitions: Iterable[TopicPartition], which: int, answer_seconds: float
) -> dict[TopicPartition, int]:
    # Kafka takes such an offset in the place of a time.
    found = _at_times(consumer, [PartitionOffset(*each, which) for each in partitions], answer_seconds)
    return {partition: max(offset, 0) for partition, offset in found.items()}


def _at_times(consumer: Consumer, asked: list[PartitionOffset], answer_seconds: float) -> dict[TopicPartition, int]:
    # The client refuses to ask for nothing, which then looks like an outage.
    answers = consumer.offsets_for_times(asked, answer_seconds) if asked else []
    _raise_first_error(answers)
    return {TopicPartition(each.topic, each.partition): each.offset for each in answers}


def _plain(partitions: Iterable[PartitionOffset]) -> list[TopicPartition]:
    return [TopicPartition(each.topic, each.partition) for each in partitions]


def _is_coordinator_away(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in COORDINATOR_AWAY


def _raise_first_error(answers: Iterable[PartitionOffset]) -> None:
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)
