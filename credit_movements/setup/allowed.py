"""Whether Kafka allows a worker what it needs, asked before it begins: a client without a permission would only be silent."""

from collections.abc import Iterable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from credit_movements import clients
from credit_movements.refusals import lacking
from credit_movements.settings import Settings
from credit_movements.setup.acls import RATER, Operation, Permission, Resource, permissions
from schemas.topics import Topic

_ANSWER_SECONDS = 10.0
# A topic's settings are read if they may be.
_ASKED = {Operation.READ, Operation.WRITE, Operation.DESCRIBE}
_REFUSED = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}


def check_allowed(settings: Settings, user: str) -> None:
    """Raises RefusedError for the first permission that this process lacks of those that a worker needs, one of `acls.USERS`.

    Where a broker does not say what it allows, and of transactional ids, nothing is found: they are refused when they are used.
    Raises UnreachableError.
    """
    all_of_all = permissions(clients.names(settings).real)
    of_user = [each for each in all_of_all if each.user == user and each.operation in _ASKED and not each.is_prefix]
    _check(settings, [each for each in of_user if settings.limits_refunds or not _is_for_refunds(each)])


def check_may_read(settings: Settings, *topics: Topic, watches: Sequence[str] = ()) -> None:
    """Raises RefusedError for the first of the topics that this process may not read, and of the groups `watches` of which it
    may not ask how far they have come; otherwise like `check_allowed`."""
    real = clients.names(settings).real
    read = [Permission("", Operation.READ, Resource.TOPIC, real(topic.name)) for topic in topics]
    _check(settings, [*read, *(Permission("", Operation.DESCRIBE, Resource.GROUP, real(group)) for group in watches)])


def _check(settings: Settings, wanted: Sequence[Permission]) -> None:
    def ask(kafka: AdminClient) -> None:
        topics, groups = (_names(wanted, resource) for resource in (Resource.TOPIC, Resource.GROUP))
        options: dict[str, Any] = {"include_authorized_operations": True, "request_timeout": _ANSWER_SECONDS}
        answers = {Resource.TOPIC: kafka.describe_topics(TopicCollection(topics), **options)}
        if groups:
            answers[Resource.GROUP] = kafka.describe_consumer_groups(groups, **options)
        for each in wanted:
            if each.resource in answers and not _is_allowed(each, answers[each.resource][each.name]):
                raise lacking(each.operation, f"{each.resource} {each.name}")

    clients.asked(settings, ask)


def _is_for_refunds(permission: Permission) -> bool:
    """A rater asks how far the sink has come only where refunds are limited."""
    return permission.user == RATER and permission.operation is Operation.DESCRIBE


def _names(wanted: Iterable[Permission], resource: Resource) -> list[str]:
    return list(dict.fromkeys(each.name for each in wanted if each.resource is resource))


def _is_allowed(permission: Permission, answer: Any) -> bool:
    try:
        allowed = answer.result().authorized_operations
    except KafkaException as failure:
        # Whatever else it is: of what is not there yet nothing is known.
        return failure.args[0].code() not in _REFUSED
    wanted = permission.operation.upper()
    return not allowed or wanted in {each.name for each in allowed}
