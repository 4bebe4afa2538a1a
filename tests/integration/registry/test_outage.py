"""The registry goes away in the middle of the rating, and has lost what it knew when it comes back."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import fastavro
import pytest
from confluent_kafka.schema_registry import Schema

from credit_movements import clients
from credit_movements.embedded.ports import free_port
from credit_movements.settings import Settings
from credit_movements.setup.provision import register_subjects
from schemas.avro_schemas import parsed_schema, schema_text
from schemas.topics import CREDIT_MOVEMENTS, RATES, USAGE_EVENTS
from tests.apicurio.server import apicurio_registry, registry_url
from tests.faults.proxy import Proxy, proxied
from tests.integration.records import event, header, rate
from tests.integration.stack import Stack
from tests.jars import NoJarsError, not_tested_on
from tests.kafka.brokers import TANSU

pytestmark = pytest.mark.parametrize("kafka", [TANSU], indirect=True)

WAITS_SECONDS = 2.0
FIELD = {"name": "region", "type": ["null", "string"], "default": None}


class Registry:
    """One that can be killed, and comes back at the same port, without what it knew; and the way to it, which can be cut."""

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._running = ExitStack()
        self.port = free_port()

    def start(self) -> None:
        self._running.enter_context(apicurio_registry(self._log_dir, self.port))

    def kill(self) -> None:
        self._running.close()


@pytest.fixture
def apicurio_alone(log_dir: Path) -> Iterator[Registry]:
    """A registry for this test alone."""
    registry = Registry(log_dir)
    try:
        registry.start()
    except NoJarsError as error:
        not_tested_on("Apicurio Registry", str(error))
    yield registry
    registry.kill()


@pytest.fixture
def network(apicurio_alone: Registry) -> Iterator[Proxy]:
    with proxied(apicurio_alone.port) as network:
        yield network


@pytest.fixture
def registry(network: Proxy) -> str:
    """As the rater reaches it."""
    return registry_url(network.port)


def newer_version(at: str) -> tuple[int, str]:
    """A publisher registers a newer version of usage events; gives its id and text."""
    schema = json.loads(schema_text("UsageEvent"))
    text = json.dumps({**schema, "fields": [*schema["fields"], FIELD]})
    registry = clients.registry(Settings(schema_registry_url=at))
    return registry.register_schema(USAGE_EVENTS.subject, Schema(text, "AVRO")), text


def written_with(schema_id: int, text: str, number: int) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, parsed_schema(text), {**event(number), "region": "north"})
    return b"\0" + schema_id.to_bytes(4, "big") + body.getvalue()


def test_a_registry_that_is_killed_and_has_lost_all_is_waited_for_and_no_event_is_refused_for_it(
    stack: Stack, network: Proxy, apicurio_alone: Registry
) -> None:
    directly = registry_url(apicurio_alone.port)

    def stands_still() -> bool:
        time.sleep(WAITS_SECONDS)
        return stack.lag() > 0 and stack.read("usage-events.dlq") == []

    register_subjects(Settings(schema_registry_url=directly))
    stack.publish_priced(RATES, rate())
    with stack.rating():
        stack.publish(USAGE_EVENTS, *(event(number) for number in range(50)))
        stack.wait_until_rated()
        newer = newer_version(directly)
        apicurio_alone.kill()
        for number in range(50, 100):
            stack.send(USAGE_EVENTS, written_with(*newer, number), f"acct-{number % 7}")
        stack.send(USAGE_EVENTS, b"\0\0\1\0\0" + written_with(*newer, 100)[5:], "acct-2")
        stack.flush()
        assert stands_still()
        apicurio_alone.start()
        assert stands_still()
        with network.away():
            # `setup` is a process of its own, and remembers nothing of the old registry; nor does a client by this name.
            afresh = directly.replace("127.0.0.1", "localhost")
            register_subjects(Settings(schema_registry_url=afresh))
            assert newer_version(afresh) == newer
        stack.wait_until_rated()
    ids = [line["movement_id"] for line in stack.records(CREDIT_MOVEMENTS)]
    assert sorted(ids) == [event(number)["event_id"] for number in range(100)]
    assert [header(letter, "dlq.reason") for letter in stack.read("usage-events.dlq")] == ["unknown_schema"]
