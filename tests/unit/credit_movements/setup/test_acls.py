"""Permissions as data: the names that the workers really use, and lines that an admin can run."""

import argparse
import shlex

import pytest

from credit_movements.setup.acls import USERS, Operation, Resource, as_commands, permissions, principals
from credit_movements.workers import rater, sink, watch
from exporter import faust_app
from schemas.topics import ALL_TOPICS


def of(resource: Resource, operation: Operation, user: str | None = None) -> set[tuple[str, str]]:
    return {
        (each.user, each.name)
        for each in permissions()
        if (each.resource, each.operation) == (resource, operation) and user in (None, each.user)
    }


def test_a_worker_joins_its_own_group_and_no_other() -> None:
    groups = of(Resource.GROUP, Operation.READ)
    own = {
        ("rater", rater.GROUP),
        ("sink", sink.GROUP),
        ("watch", watch.GROUP),
        ("exporter", faust_app.GROUP_ID),
    }
    # What the examples of an e-mail service are called by default.
    assert groups == {*own, ("mailer", "export-mails"), ("mailer", "alert-mails")}


def test_each_topic_is_made_by_setup_and_written_and_read_by_somebody() -> None:
    names = {topic.name for topic in ALL_TOPICS}
    assert {name for _, name in of(Resource.TOPIC, Operation.CREATE)} == names
    assert {name for _, name in of(Resource.TOPIC, Operation.WRITE)} == names
    assert {name for _, name in of(Resource.TOPIC, Operation.READ)} == names


def test_nothing_is_said_twice_and_nobody_may_do_everything() -> None:
    assert len(set(permissions())) == len(permissions())
    assert not [each for each in permissions() if not each.name]
    assert not [each for each in permissions() if each.is_prefix and each.resource is Resource.TOPIC]


def test_all_names_are_those_that_kafka_has() -> None:
    assert all(each.name.startswith("acme.") for each in permissions("acme.{}".format))


def test_the_lines_for_an_admin_say_the_same() -> None:
    principal_of = principals(["dashboard=CN=web, O=acme"])
    parser = argparse.ArgumentParser()
    for option in ("--bootstrap-server", "--command-config", "--allow-principal", "--resource-pattern-type"):
        parser.add_argument(option)
    for option in ("--operation", *(f"--{resource}" for resource in Resource)):
        parser.add_argument(option, action="append", default=[])
    parser.add_argument("--add", action="store_true")
    said = []
    for line in as_commands(permissions(), principal_of, "kafka:9093"):
        program, *words = shlex.split(line)
        given = vars(parser.parse_args(words))
        assert (program, given["bootstrap_server"], given["add"]) == ("kafka-acls.sh", "kafka:9093", True)
        said += [
            (given["allow_principal"], operation, resource, name, given["resource_pattern_type"] == "prefixed")
            for operation in given["operation"]
            for resource in Resource
            for name in given[resource.replace("-", "_")]
        ]
    assert sorted(said) == sorted(
        (principal_of[each.user], each.operation, each.resource, each.name, each.is_prefix) for each in permissions()
    )


def test_a_user_has_the_name_that_the_operator_gives_it() -> None:
    found = principals(["rater=billing-rater", "sink=User:CN=sink,O=acme"])
    assert (found["rater"], found["sink"], found["mailer"]) == (
        "User:billing-rater",
        "User:CN=sink,O=acme",
        "User:mailer",
    )


@pytest.mark.parametrize("wrong", ["rater", "rater=", "=x", "raters=x", ""])
def test_a_name_that_is_of_no_user_is_told_in_one_line(wrong: str) -> None:
    with pytest.raises(ValueError, match=f"USER is one of {', '.join(USERS)}$"):
        principals([wrong])
