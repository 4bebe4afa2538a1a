"""Sends records through a producer whose queue may be full: none is left out, and their order stays."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer

_FULL_QUEUE_WAIT_SECONDS: Final = 0.1
# The producer's partitioner chooses the partition, by the key.
BY_KEY: Final = -1

Result = TypeVar("Result")
OnDelivery = Callable[[KafkaError | None, Message], None]


def produce(producer: Producer, topic: str, **record: Any) -> None:
    """Queue one record; waits while the queue is full. `record`: what `Producer.produce` takes. Raises KafkaException."""
    while True:
        try:
            producer.produce(topic, **record)
        except BufferError:
            poll(producer, _FULL_QUEUE_WAIT_SECONDS)
        else:
            return


def produce_all(
    producer: Producer,
    topic: str,
    records: Sequence[dict[str, Any]],
    partition: int = BY_KEY,
    on_delivery: OnDelivery | None = None,
) -> None:
    """Queue all of these records; waits while the queue is full. Raises KafkaException.

    `records`: as `Producer.produce_batch` takes them; each may have a `callback` of its own.
    """
    options = {} if on_delivery is None else {"on_delivery": on_delivery}
    waiting = list(records)
    # With a full queue `produce_batch` takes only some of them, raises nothing, and marks the others with an error.
    while producer.produce_batch(topic, waiting, partition, **options) < len(waiting):
        waiting = [record for record in waiting if _found_no_room(record)]
        poll(producer, _FULL_QUEUE_WAIT_SECONDS)


def poll(producer: Producer, wait_seconds: float) -> None:
    """Hand out the answers that have come. Raises KafkaException for a fatal error."""
    _served(lambda: producer.poll(wait_seconds))


def flush(producer: Producer, within_seconds: float = -1) -> int:
    """Wait for the answers to all records, for ever if `within_seconds` is negative. Returns how many have no answer.

    Raises KafkaException for a fatal error.
    """
    return _served(lambda: producer.flush(within_seconds))


class Deliveries:
    """Counts the records of a producer that did not arrive. Pass `note` as their `on_delivery`."""

    def __init__(self, producer: Producer) -> None:
        self.producer = producer
        self.failures: list[KafkaError] = []

    def note(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self.failures.append(error)

    def undelivered(self, within_seconds: float) -> int:
        """Wait for the answers to all records, then say how many did not arrive, or may not have. Raises KafkaException."""
        return flush(self.producer, within_seconds) + len(self.failures)


def _served(call: Callable[[], Result]) -> Result:
    """What a call that runs callbacks returns.

    Within one such call the client may raise a fatal error and still call `on_delivery`. Python makes a SystemError of that,
    and sometimes loses the cause. Then the other answers are still to come, so the call is made once more.
    """
    try:
        return call()
    except SystemError as error:
        if isinstance(error.__cause__, KafkaException):
            raise error.__cause__ from None
        return call()


def _found_no_room(record: dict[str, Any]) -> bool:
    error: KafkaError | None = record.pop("_error", None)
    if error is not None and error.code() != KafkaError._QUEUE_FULL:
        raise KafkaException(error)
    return error is not None
