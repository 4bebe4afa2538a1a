"""Takes permissions of Kafka's users away while a test looks on."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from credit_movements.setup.acls import Permission
from tests.kafka.secured import SecuredKafka


@contextmanager
def withdrawn(kafka: SecuredKafka, permission: Permission) -> Iterator[None]:
    """Without a permission, for the length of a block."""
    which = (ResourceType[permission.resource.name], permission.name, ResourcePatternType.LITERAL)
    whose = (f"User:{permission.user}", "*", AclOperation[permission.operation.name], AclPermissionType.ALLOW)
    admin = kafka.admin()
    for answer in admin.delete_acls([AclBindingFilter(*which, *whose)]).values():
        assert len(answer.result(10)) == 1
    try:
        yield
    finally:
        for given in admin.create_acls([AclBinding(*which, *whose)]).values():
            given.result(10)
