"""`credit-movements setup --acls`: gives each Kafka user what it may do. Takes nothing away, and says what is there besides."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from credit_movements import clients
from credit_movements.settings import Settings
from credit_movements.setup.acls import Operation, Permission, Resource
from kafka_io.errors import UserError

_Answer = TypeVar("_Answer")

_ANSWER_SECONDS = 30.0
_ANY_HOST = _ALL_NAMES = "*"
# In a filter. Its annotations want a text.
_ANY: Any = None
_RESOURCES: Mapping[Resource, ResourceType] = {
    Resource.TOPIC: ResourceType.TOPIC,
    Resource.GROUP: ResourceType.GROUP,
    Resource.TRANSACTIONAL_ID: ResourceType.TRANSACTIONAL_ID,
}
_OPERATIONS: Mapping[Operation, AclOperation] = {
    Operation.READ: AclOperation.READ,
    Operation.WRITE: AclOperation.WRITE,
    Operation.CREATE: AclOperation.CREATE,
    Operation.DESCRIBE: AclOperation.DESCRIBE,
    Operation.DESCRIBE_CONFIGS: AclOperation.DESCRIBE_CONFIGS,
    Operation.ALTER_CONFIGS: AclOperation.ALTER_CONFIGS,
}
_WHY = {
    KafkaError.SECURITY_DISABLED: "it has no authorizer; set `authorizer.class.name` on its brokers first",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "this user may not change them; run it as an admin, who may Alter the cluster, or"
    " give `credit-movements setup --list-acls` to one",
}


class GrantError(UserError):
    """Kafka does not take the ACLs: one line."""


@dataclass(frozen=True)
class Granted:
    """`new`: how many of the wanted were not there. `besides`: what our users may do and need not, a line each."""

    new: int
    besides: Sequence[str]


def grant(
    settings: Settings, wanted: Sequence[Permission], principal_of: Mapping[str, str], prefix: str = ""
) -> Granted:
    """`prefix`: what all our names begin with; what lies elsewhere is not ours. Raises GrantError, UnreachableError."""
    clients.check_kafka(settings)
    kafka = clients.admin(settings)
    bindings = {_binding(each, principal_of) for each in wanted}
    there = _there(kafka, set(principal_of.values()))
    missing = list(bindings - there)
    if missing:
        for answer in kafka.create_acls(missing, request_timeout=_ANSWER_SECONDS).values():
            _done(answer)
    besides = [each for each in there - bindings if each.name == _ALL_NAMES or each.name.startswith(prefix)]
    return Granted(len(missing), sorted(map(_described, besides)))


def _binding(permission: Permission, principal_of: Mapping[str, str]) -> AclBinding:
    return AclBinding(
        _RESOURCES[permission.resource],
        permission.name,
        ResourcePatternType.PREFIXED if permission.is_prefix else ResourcePatternType.LITERAL,
        principal_of[permission.user],
        _ANY_HOST,
        _OPERATIONS[permission.operation],
        AclPermissionType.ALLOW,
    )


def _there(kafka: AdminClient, principals: Iterable[str]) -> set[AclBinding]:
    found: set[AclBinding] = set()
    for principal in principals:
        of_principal = AclBindingFilter(
            ResourceType.ANY,
            _ANY,
            ResourcePatternType.ANY,
            principal,
            _ANY,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        found.update(_done(kafka.describe_acls(of_principal, request_timeout=_ANSWER_SECONDS)))
    return found


def _done(answer: Future[_Answer]) -> _Answer:
    """What Kafka answered. Raises GrantError."""
    try:
        return answer.result()
    except KafkaException as failure:
        error = failure.args[0]
        raise GrantError(f"Kafka does not take the ACLs: {_WHY.get(error.code(), error.str())}") from failure


def _described(binding: AclBinding) -> str:
    kind = "all that begin with " if binding.resource_pattern_type is ResourcePatternType.PREFIXED else ""
    return (
        f"{binding.principal} from host {binding.host}: {_word(binding.permission_type)} {_word(binding.operation)} of"
        f" {_word(binding.restype)} {kind}{binding.name}"
    )


def _word(value: object) -> str:
    return str(getattr(value, "name", value))
