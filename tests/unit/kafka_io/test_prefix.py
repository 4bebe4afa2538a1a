"""Clients with a prefix translate all names, or refuse."""

import ast
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from kafka_io.prefix import Names, PrefixedConsumer, PrefixedProducer

ROOT = Path(__file__).parents[3]
OURS = ("kafka_io", "streams", "sinks", "exporter", "credit_movements")
ACME = Names("acme.")
MAKERS = {"Consumer", "Producer", "SubjectSchemas"}
# Files, Faust's consumer and the admin client have methods of these names. If a Kafka client's were called, the
# integration tests would fail, which run with a prefix on Apache Kafka.
OF_OTHERS_TOO = {"seek", "assignment", "list_topics"}


def public(client: type) -> set[str]:
    return {name for name in dir(client) if not name.startswith("_")}


def refused(client: type) -> set[str]:
    """The methods that neither translate nor pass on."""
    return {name for name in public(client) if getattr(client, name).__qualname__.startswith("_refused.")}


def test_a_name_has_the_prefix_in_kafka_and_none_in_our_code() -> None:
    assert ACME.real("usage-events") == "acme.usage-events"
    assert ACME.contract("acme.usage-events") == "usage-events"
    assert Names().real("usage-events") == Names().contract("usage-events") == "usage-events"


@pytest.mark.parametrize(("prefixed", "plain"), [(PrefixedConsumer, Consumer), (PrefixedProducer, Producer)])
def test_a_method_that_is_not_translated_refuses(prefixed: type, plain: type) -> None:
    assert public(prefixed) == public(plain)
    assert refused(prefixed)
    for name in refused(prefixed):
        with pytest.raises(NotImplementedError, match=f"{prefixed.__name__}.{name} does not translate"):
            getattr(prefixed, name)(None, [TopicPartition("usage-events", 0)])


def test_clients_that_speak_of_topics_are_made_where_the_prefix_is_known() -> None:
    makers = {
        path.relative_to(ROOT).as_posix()
        for package in OURS
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS
    }
    assert makers == {"credit_movements/clients.py"}


def test_our_code_calls_no_method_that_a_client_with_a_prefix_refuses() -> None:
    """So whatever works without a prefix works with one."""
    strange = (refused(PrefixedConsumer) | refused(PrefixedProducer)) - OF_OTHERS_TOO
    called = {
        (path.relative_to(ROOT).as_posix(), node.func.attr)
        for package in OURS
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert {(path, name) for path, name in called if name in strange} == set()
