"""The properties of Kafka clients that the guarantees rest on. Pure: the root adds servers and times, and makes the clients."""

from collections.abc import Mapping
from typing import Any, Final

Properties = dict[str, Any]

CLIENT_ID: Final = "credit-movements"
_QUEUE_MESSAGES: Final = 500_000
# What the guarantees ask of whoever reads for a group: commit only when our code says so, read only what committed transactions
# wrote, learn where a partition ends, and get the same partitions of all topics.
READS_FOR_A_GROUP: Final[Properties] = {
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "partition.assignment.strategy": "range",
}
_FETCH: Final = {
    "fetch.wait.max.ms": "50",
    "fetch.message.max.bytes": str(4 * 1024 * 1024),
    "queued.min.messages": "100000",
    "queued.max.messages.kbytes": str(128 * 1024),
    # After a full queue the client rests this long. With its default of a second a reader had a third of its speed.
    "fetch.queue.backoff.ms": "10",
}


def common(bootstrap_servers: str, more: Mapping[str, Any]) -> Properties:
    """What all clients have in common. `more`: what the operator adds, such as passwords."""
    return {
        "bootstrap.servers": bootstrap_servers,
        "client.id": CLIENT_ID,
        # The error callback reports a broker that is away too; one report is enough.
        "log.connection.close": "false",
        **more,
    }


def group_consumer(common: Properties, group_id: str, session_timeout_ms: int) -> Properties:
    """A member of a group."""
    return {
        **common,
        **_FETCH,
        "group.id": group_id,
        "session.timeout.ms": session_timeout_ms,
        "heartbeat.interval.ms": session_timeout_ms // 4,
        **READS_FOR_A_GROUP,
    }


def producer(common: Properties) -> Properties:
    """A producer that neither loses nor repeats a record, and chooses the partition of a key as Java's producer does."""
    return {
        **common,
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "linger.ms": 5,
        "batch.num.messages": 100_000,
        "batch.size": 1024 * 1024,
        "queue.buffering.max.messages": _QUEUE_MESSAGES,
    }


def transactional_producer(common: Properties, transactional_id: str, timeout_ms: int) -> Properties:
    """A producer of transactions. All producers of one `transactional_id` fence those before them."""
    return {
        **producer(common),
        "transactional.id": transactional_id,
        # The open transaction of a dead producer holds up readers for this long, unless a new producer with its id ends it.
        "transaction.timeout.ms": timeout_ms,
        # Kafka refuses the first request of a transaction while it still marks the end of the one before, some milliseconds.
        # With the default of 0.1 s such a refusal was the latency of each hundredth event.
        "retry.backoff.ms": 10,
    }


def watched(properties: Properties) -> Properties:
    """With the log of requests that `transaction_watch` reads: ninety lines for a batch in 24 partitions, each 1.5 us."""
    return {**properties, "debug": ",".join(filter(None, [properties.get("debug"), "protocol"]))}
