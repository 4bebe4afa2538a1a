"""A prefix in front of all names, so that several brands or environments share one Kafka and one registry.

The prefix is known at this boundary alone. All code inside speaks the contract's names, and so do what is stored and what is
measured: a movement's source topic, a dead letter's headers, the labels of metrics. `PrefixedConsumer` and `PrefixedProducer`
translate for them. Kafka's admin client and the registry are asked by the real names, which `Names` gives. Without a prefix the
plain clients are used, and nothing costs more.
"""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

from confluent_kafka import Consumer, Message, Producer
from confluent_kafka import TopicPartition as PartitionOffset

Client = TypeVar("Client", bound=type)
OnPartitions = Callable[[Consumer, list[PartitionOffset]], None]

# What these take and give holds no name of a topic.
_CONSUMER_PASSES_ON: Final = {"close", "consumer_group_metadata", "set_sasl_credentials", "unassign"}
_PRODUCER_PASSES_ON: Final = {
    "abort_transaction", "begin_transaction", "close", "commit_transaction", "flush", "init_transactions", "poll",
    "set_sasl_credentials",
}  # fmt: skip


@dataclass(frozen=True)
class Names:
    """The names that Kafka and the registry know, by those of the contract: of topics, subjects, groups and transactional
    ids alike the prefix and the name."""

    prefix: str = ""

    def real(self, name: str) -> str:
        return self.prefix + name

    def contract(self, real: str) -> str:
        return real.removeprefix(self.prefix)


def _refuses_all_but(passed_on: Set[str]) -> Callable[[Client], Client]:
    """A method that is neither translated nor passed on would speak Kafka's names: it raises NotImplementedError."""

    def refuse(client: Client) -> Client:
        for name in dir(client.__base__):
            if not name.startswith("_") and name not in vars(client) and name not in passed_on:
                setattr(client, name, _refused(f"{client.__name__}.{name}"))
        return client

    return refuse


def _refused(method: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise NotImplementedError(f"{method} does not translate the names of topics")

    return refuse


@_refuses_all_but(_CONSUMER_PASSES_ON)
class PrefixedConsumer(Consumer):
    """A consumer that takes and gives the contract's names. The texts of its errors have the real ones."""

    def __init__(self, names: Names, properties: Mapping[str, Any], **more: Any) -> None:
        super().__init__(dict(properties), **more)
        self._names = names

    def subscribe(self, topics: list[str], **callbacks: OnPartitions) -> None:  # type: ignore[override]
        """`callbacks`: on_assign, on_revoke, on_lost."""

        def translated(callback: OnPartitions) -> OnPartitions:
            return lambda member, partitions: callback(member, self._of_contract(partitions))

        super().subscribe(
            [self._names.real(topic) for topic in topics],
            **{when: translated(callback) for when, callback in callbacks.items()},
        )

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        messages = super().consume(num_messages, timeout)
        self._rename(messages)
        return messages

    def poll(self, timeout: float = -1) -> Message | None:
        message = super().poll(timeout)
        self._rename([] if message is None else [message])
        return message

    def assign(self, partitions: list[PartitionOffset]) -> None:
        super().assign(_real(self._names, partitions))

    def incremental_assign(self, partitions: list[PartitionOffset]) -> None:
        super().incremental_assign(_real(self._names, partitions))

    def incremental_unassign(self, partitions: list[PartitionOffset]) -> None:
        super().incremental_unassign(_real(self._names, partitions))

    def committed(self, partitions: list[PartitionOffset], timeout: float = -1) -> list[PartitionOffset]:
        return self._of_contract(super().committed(_real(self._names, partitions), timeout))

    def commit(self, *, offsets: list[PartitionOffset], asynchronous: bool) -> Any:  # type: ignore[override]
        done: Any = super().commit(offsets=_real(self._names, offsets), asynchronous=asynchronous)  # type: ignore[call-overload]
        return None if done is None else self._of_contract(done)

    def assignment(self) -> list[PartitionOffset]:
        return self._of_contract(super().assignment())

    def position(self, partitions: list[PartitionOffset]) -> list[PartitionOffset]:
        return self._of_contract(super().position(_real(self._names, partitions)))

    def offsets_for_times(self, partitions: list[PartitionOffset], timeout: float = -1) -> list[PartitionOffset]:
        return self._of_contract(super().offsets_for_times(_real(self._names, partitions), timeout))

    def get_watermark_offsets(self, partition: PartitionOffset, *more: Any, **options: Any) -> tuple[int, int]:
        (real,) = _real(self._names, [partition])
        return super().get_watermark_offsets(real, *more, **options)

    def list_topics(self, topic: str, timeout: float = -1) -> Any:  # type: ignore[override]
        """Of one topic."""
        listed = super().list_topics(self._names.real(topic), timeout)
        listed.topics = {self._names.contract(name): described for name, described in listed.topics.items()}
        return listed

    def _rename(self, messages: Iterable[Message]) -> None:
        prefix = self._names.prefix
        for message in messages:
            real = message.topic()
            # An error of the client itself is of no topic.
            if real is not None:
                message.set_topic(real.removeprefix(prefix))  # type: ignore[attr-defined]

    def _of_contract(self, partitions: Iterable[PartitionOffset]) -> list[PartitionOffset]:
        """One with an error stays as it is: nobody can make such a one, and whoever gets it raises the error."""
        return [
            each if each.error is not None else _renamed(each, self._names.contract(each.topic)) for each in partitions
        ]


@_refuses_all_but(_PRODUCER_PASSES_ON)
class PrefixedProducer(Producer):
    """A producer that takes the contract's names. The messages of its delivery reports have the real ones."""

    def __init__(self, names: Names, properties: Mapping[str, Any], **more: Any) -> None:
        super().__init__(dict(properties), **more)
        self._names = names

    def produce(self, topic: str, *record: Any, **more: Any) -> None:
        super().produce(self._names.real(topic), *record, **more)

    def produce_batch(self, topic: str, *records: Any, **more: Any) -> int:
        return super().produce_batch(self._names.real(topic), *records, **more)

    def send_offsets_to_transaction(
        self, positions: list[PartitionOffset], group_metadata: object, timeout: float = -1
    ) -> None:
        super().send_offsets_to_transaction(_real(self._names, positions), group_metadata, timeout)


def _real(names: Names, partitions: Iterable[PartitionOffset]) -> list[PartitionOffset]:
    return [_renamed(each, names.real(each.topic)) for each in partitions]


def _renamed(partition: PartitionOffset, topic: str) -> PartitionOffset:
    note = () if partition.metadata is None else (partition.metadata,)
    return PartitionOffset(topic, partition.partition, partition.offset, *note)
