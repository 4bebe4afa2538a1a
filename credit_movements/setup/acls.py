"""What each Kafka user may do, and no more: pure, from the topics of the contract.

Kafka's rules behind it (its documentation, Authorization and ACLs): who may read, write or alter something may describe it;
who may alter a topic's settings may read them; who may write to a topic may be an idempotent producer.
"""

import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from schemas.topics import (
    ACCOUNT_PLANS,
    ADJUSTMENT_EVENTS,
    ALERT_SETTINGS,
    ALL_TOPICS,
    CREDIT_ALERTS,
    CREDIT_MOVEMENTS,
    DEAD_LETTER_TOPICS,
    EXPORT_NOTIFICATIONS,
    EXPORT_REQUESTS,
    RATES,
    TOP_UP_EVENTS,
    USAGE_EVENTS,
    Topic,
    dead_letter_topic,
)


class Resource(StrEnum):
    """By the names of `kafka-acls.sh`."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"


class Operation(StrEnum):
    """By the names of `kafka-acls.sh`."""

    READ = "Read"
    WRITE = "Write"
    CREATE = "Create"
    DESCRIBE = "Describe"
    DESCRIBE_CONFIGS = "DescribeConfigs"
    ALTER_CONFIGS = "AlterConfigs"


@dataclass(frozen=True)
class Permission:
    """`user` may do `operation` with the resource called `name`, or with all whose names begin so. `name`: as Kafka has it."""

    user: str
    operation: Operation
    resource: Resource
    name: str
    is_prefix: bool = False


SETUP, RATER, SINK, WATCH, EXPORTER = "setup", "rater", "sink", "watch", "exporter"
COMMANDS, PUBLISHER, DASHBOARD, MAILER = "commands", "publisher", "dashboard", "mailer"
USERS = (SETUP, RATER, SINK, WATCH, EXPORTER, COMMANDS, PUBLISHER, DASHBOARD, MAILER)

_SOURCES = (USAGE_EVENTS, TOP_UP_EVENTS, ADJUSTMENT_EVENTS)
_PRICES = (RATES, ACCOUNT_PLANS)
_READS: Mapping[str, Sequence[Topic]] = {
    # The log too: what was rated is known from it.
    RATER: (*_SOURCES, *_PRICES, CREDIT_MOVEMENTS),
    SINK: (CREDIT_MOVEMENTS,),
    # The alerts too: what was told is known from them.
    WATCH: (CREDIT_MOVEMENTS, ALERT_SETTINGS, CREDIT_ALERTS),
    # The sources and the log: to say until when a file is complete.
    EXPORTER: (EXPORT_REQUESTS, CREDIT_MOVEMENTS, *_SOURCES),
    COMMANDS: (*_SOURCES, *_PRICES, CREDIT_MOVEMENTS, *DEAD_LETTER_TOPICS),
    DASHBOARD: (CREDIT_ALERTS,),
    MAILER: (EXPORT_NOTIFICATIONS, CREDIT_ALERTS),
}
_WRITES: Mapping[str, Sequence[Topic]] = {
    RATER: (CREDIT_MOVEMENTS, *(dead_letter_topic(topic) for topic in (*_SOURCES, *_PRICES))),
    WATCH: (CREDIT_ALERTS, dead_letter_topic(ALERT_SETTINGS)),
    EXPORTER: (EXPORT_NOTIFICATIONS, dead_letter_topic(EXPORT_REQUESTS)),
    # `dead-letters replay` sends events again; `publish` and `rates publish` do what a person asks.
    COMMANDS: (*_SOURCES, *_PRICES, ALERT_SETTINGS),
    PUBLISHER: _SOURCES,
    DASHBOARD: (EXPORT_REQUESTS, ALERT_SETTINGS),
}
# Whoever begins only where topics are such that nothing is charged wrongly reads their settings.
_CHECKS: Mapping[str, Sequence[Topic]] = {
    RATER: (*_READS[RATER], *_WRITES[RATER][1:]),
    SINK: _READS[SINK],
    WATCH: (*_READS[WATCH], *_WRITES[WATCH][1:]),
    EXPORTER: (CREDIT_MOVEMENTS, EXPORT_REQUESTS, *_WRITES[EXPORTER]),
    COMMANDS: _PRICES,
}
_GROUPS: Mapping[str, Sequence[str]] = {
    RATER: ["rater"],
    SINK: ["sink"],
    WATCH: ["watch"],
    EXPORTER: ["exporter"],
    MAILER: ["export-mails", "alert-mails"],
}
# How far others have come.
_WATCHES: Mapping[str, Sequence[str]] = {
    # What ClickHouse has of the log is added up.
    SETUP: ["sink"],
    # Where refunds are limited.
    RATER: ["sink"],
    EXPORTER: ["rater", "sink"],
    COMMANDS: ["rater", "sink"],
}
# Readers without a group; librdkafka looks their coordinator up all the same.
_READERS = "credit-movements-"
_WITH_READERS = (RATER, WATCH, EXPORTER, COMMANDS)


def permissions(real: Callable[[str], str] = str) -> list[Permission]:
    """All of all users, in the order of USERS. `real`: how Kafka calls what the contract names."""
    return [
        Permission(user, operation, resource, real(name), is_prefix)
        for user in USERS
        for operation, resource, name, is_prefix in _of(user)
    ]


def _of(user: str) -> Iterator[tuple[Operation, Resource, str, bool]]:
    topics: dict[Operation, Sequence[Topic]] = {
        Operation.READ: _READS.get(user, ()),
        Operation.WRITE: _WRITES.get(user, ()),
        Operation.DESCRIBE_CONFIGS: _CHECKS.get(user, ()),
    }
    if user == SETUP:
        topics = dict.fromkeys([Operation.CREATE, Operation.DESCRIBE, Operation.ALTER_CONFIGS], ALL_TOPICS)
    for operation, some in topics.items():
        for topic in some:
            yield operation, Resource.TOPIC, topic.name, False
    for group in _GROUPS.get(user, ()):
        yield Operation.READ, Resource.GROUP, group, False
    for group in _WATCHES.get(user, ()):
        yield Operation.DESCRIBE, Resource.GROUP, group, False
    if user in _WITH_READERS:
        yield Operation.DESCRIBE, Resource.GROUP, _READERS, True
    if user in (RATER, WATCH):
        # Each of them has an id of its own.
        yield Operation.WRITE, Resource.TRANSACTIONAL_ID, f"{user}-", True
    if user == COMMANDS:
        yield Operation.WRITE, Resource.TRANSACTIONAL_ID, "credit-movements-prices", False


def principals(named: Sequence[str] = ()) -> dict[str, str]:
    """User → its principal: `User:<name>`, unless `named` has another, as `rater=User:CN=rater` or `rater=billing-rater`.

    Raises ValueError with one line.
    """
    found = {user: f"User:{user}" for user in USERS}
    for each in named:
        user, equals, name = each.partition("=")
        if user not in found or not equals or not name:
            raise ValueError(f"{each!r} is no USER=NAME, where USER is one of {', '.join(USERS)}")
        found[user] = name if name.startswith("User:") else f"User:{name}"
    return found


def as_commands(wanted: Sequence[Permission], principal_of: Mapping[str, str], servers: str) -> list[str]:
    """Lines of `kafka-acls.sh`. One line has what it can say at once: operations that go with the same resources."""
    operations: defaultdict[tuple[str, Resource, str, bool], list[Operation]] = defaultdict(list)
    for each in wanted:
        operations[each.user, each.resource, each.name, each.is_prefix].append(each.operation)
    names: defaultdict[tuple[str, Resource, bool, tuple[Operation, ...]], list[str]] = defaultdict(list)
    for (user, resource, name, is_prefix), found in operations.items():
        names[user, resource, is_prefix, tuple(found)].append(name)
    begin = ["kafka-acls.sh", "--bootstrap-server", servers, "--command-config", "admin.properties", "--add"]
    return [
        shlex.join(
            [
                *begin,
                *("--allow-principal", principal_of[user]),
                *(word for operation in found for word in ("--operation", operation)),
                *(("--resource-pattern-type", "prefixed") if is_prefix else ()),
                *(word for name in some for word in (f"--{resource}", name)),
            ]
        )
        for (user, resource, is_prefix, found), some in names.items()
    ]
