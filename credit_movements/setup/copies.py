"""How many copies Kafka keeps of each topic, held against how many brokers there are."""

from collections.abc import Mapping

from credit_movements import clients
from credit_movements.settings import Settings
from schemas.topics import ALL_TOPICS

_ANSWER_SECONDS = 10.0
_ENOUGH = 3


def wanted_copies(settings: Settings) -> int:
    """Of a topic that is made now: what the setting says, else one on each broker, as many as are enough at most. Raises
    UnreachableError."""
    if settings.topic_replication_factor is not None:
        return settings.topic_replication_factor
    known = clients.asked(settings, lambda kafka: kafka.list_topics(timeout=_ANSWER_SECONDS))
    return min(len(known.brokers), _ENOUGH)


def too_few_copies(settings: Settings) -> str | None:
    """A line about topics with fewer copies than the brokers could hold; None where there are none. Raises UnreachableError."""
    known = clients.asked(settings, lambda kafka: kafka.list_topics(timeout=_ANSWER_SECONDS))
    copies = {
        name: min(len(each.replicas) for each in known.topics[name].partitions.values())
        for name in map(clients.names(settings).real, (topic.name for topic in ALL_TOPICS))
        if name in known.topics and known.topics[name].partitions
    }
    return told(copies, len(known.brokers))


def told(copies: Mapping[str, int], brokers: int) -> str | None:
    """`copies`: of each topic, as Kafka calls it. Three are enough, and so is one on each of fewer brokers."""
    wanted = min(brokers, _ENOUGH)
    few = [name for name, count in copies.items() if count < wanted]
    if not few:
        return None
    return (
        f"topics {', '.join(few)} have fewer copies than {wanted}, and Kafka has {brokers} brokers: what the only one has is"
        f" lost with its disk. CREDIT_TOPIC_REPLICATION_FACTOR={wanted} is for topics that `setup` makes: delete these if they"
        " are empty and run it again, or let kafka-reassign-partitions.sh make the copies"
    )
