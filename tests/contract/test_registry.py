"""What our code and other teams need of a Confluent Schema Registry, asked through confluent-kafka's client.

Runs against the embedded registry and against Apicurio's, in which `setup` has registered the contract's schemas; with
CREDIT_TEST_SCHEMA_REGISTRY_URL against another one in place of the embedded one.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from schemas.avro_schemas import schema_text, schema_versions
from schemas.topics import (
    CREDIT_MOVEMENTS,
    EXPORT_NOTIFICATIONS,
    EXPORT_REQUESTS,
    RECORD_TOPICS,
    TOP_UP_EVENTS,
    USAGE_EVENTS,
)
from tests.conftest import PREFIX

EMBEDDED, APICURIO = "embedded", "apicurio"
of_the_embedded_one = pytest.mark.parametrize("kind", [EMBEDDED], indirect=True, scope="module")
another_is_at_work = pytest.mark.skipif(
    "CREDIT_TEST_SCHEMA_REGISTRY_URL" in os.environ, reason="of the embedded registry alone; another is at work here"
)

TOP_UP = {
    "event_id": "6f2f2f0e-52f1-4e0a-9a52-0a5d4b0f7b11",
    "account_id": "account",
    "interaction_id": "payment",
    "amount_nanos": 1,
    "currency": "EUR",
    "occurred_at": 0,
}


@pytest.fixture(scope="module", params=[EMBEDDED, APICURIO])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def registry(kind: str, registry: str, request: pytest.FixtureRequest) -> str:
    return registry if kind == EMBEDDED else str(request.getfixturevalue("apicurio"))


@pytest.fixture(scope="module")
def client(registry: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry}) as client:
        yield client


@pytest.fixture
def get(registry: str) -> Iterator[Any]:
    with urllib3.PoolManager() as pool:
        yield lambda path, **arguments: pool.request(arguments.pop("method", "GET"), registry + path, **arguments)


def test_there_is_a_subject_for_the_values_of_every_topic(client: SchemaRegistryClient) -> None:
    """The embedded one of the tests has those of a brand too."""
    subjects = {subject for subject in client.get_subjects() if not subject.startswith(PREFIX)}
    assert subjects == {topic.subject for topic in RECORD_TOPICS}


@pytest.mark.parametrize("topic", RECORD_TOPICS, ids=lambda topic: topic.name)
def test_a_subject_has_the_contracts_schema(client: SchemaRegistryClient, topic: Any) -> None:
    latest = client.get_latest_version(topic.subject)
    assert latest.version in client.get_versions(topic.subject)
    assert client.get_version(topic.subject, latest.version).schema_id == latest.schema_id
    assert json.loads(client.get_schema(latest.schema_id).schema_str) == json.loads(schema_text(topic.record))
    assert client.get_schema_versions(latest.schema_id)[0].subject == topic.subject


def test_every_subject_has_an_id_of_its_own(client: SchemaRegistryClient) -> None:
    ids = [client.get_latest_version(topic.subject).schema_id for topic in RECORD_TOPICS]
    assert len(set(ids)) == len(ids)


def test_a_schema_is_found_however_its_text_is_laid_out(client: SchemaRegistryClient) -> None:
    registered = client.get_latest_version(TOP_UP_EVENTS.subject)
    fields = dict(reversed(json.loads(schema_text("TopUpEvent")).items()))
    # Apicurio compares the text as it is, unless it is asked to normalise.
    laid_out = Schema(json.dumps(fields, indent=7), "AVRO")
    found = client.lookup_schema(TOP_UP_EVENTS.subject, laid_out, normalize_schemas=True)
    assert (found.schema_id, found.version) == (registered.schema_id, registered.version)


def test_a_schema_of_another_subject_is_not_found(client: SchemaRegistryClient) -> None:
    with pytest.raises(SchemaRegistryError) as refused:
        client.lookup_schema(TOP_UP_EVENTS.subject, Schema(schema_text("UsageEvent"), "AVRO"))
    assert refused.value.error_code == 40403


@pytest.mark.parametrize(
    ("path", "status", "error_code"),
    [
        ("/subjects/nothing-value/versions", 404, 40401),
        ("/subjects/nothing-value/versions/latest", 404, 40401),
        ("/subjects/usage-events-value/versions/99", 404, 40402),
        ("/subjects/usage-events-value/versions/newest", 422, 42202),
        ("/subjects/usage-events-value/versions/0", 422, 42202),
        ("/schemas/ids/999999", 404, 40403),
    ],
)
def test_what_is_not_there_has_confluents_numbers(get: Any, kind: str, path: str, status: int, error_code: int) -> None:
    if kind == APICURIO and error_code == 42202:
        status, error_code = 404, 40402  # it knows no version of such a name
    answer = get(path)
    assert (answer.status, answer.json()["error_code"]) == (status, error_code)
    assert answer.json()["message"]
    type_ = "application/json" if kind == APICURIO else "application/vnd.schemaregistry.v1+json"
    assert answer.headers["Content-Type"].startswith(type_)


def test_looking_up_in_an_unknown_subject_says_so(client: SchemaRegistryClient) -> None:
    with pytest.raises(SchemaRegistryError) as refused:
        client.lookup_schema("nothing-value", Schema(schema_text("UsageEvent"), "AVRO"))
    assert refused.value.error_code == 40401


def test_what_is_no_schema_is_refused(get: Any, kind: str) -> None:
    for schema in ("{", '"no type"', '{"type": "record"}'):
        answer = get("/subjects/rates-value", method="POST", json={"schema": schema})
        # Apicurio looks for it, and does not find it.
        expected = (404, 40403) if kind == APICURIO else (422, 42201)
        assert (answer.status, answer.json()["error_code"]) == expected


def test_compatibility_is_full(client: SchemaRegistryClient) -> None:
    assert {client.get_compatibility(topic.subject) for topic in RECORD_TOPICS} == {"FULL"}


def test_registering_what_is_there_gives_its_id(client: SchemaRegistryClient) -> None:
    schema = Schema(schema_text("TopUpEvent"), "AVRO")
    assert (
        client.register_schema(TOP_UP_EVENTS.subject, schema)
        == client.get_latest_version(TOP_UP_EVENTS.subject).schema_id
    )


def test_confluents_serializer_and_deserializer_work_unchanged(registry: str) -> None:
    context = SerializationContext(TOP_UP_EVENTS.name, MessageField.VALUE)
    with SchemaRegistryClient({"url": registry}) as client:
        settings = {"auto.register.schemas": False, "normalize.schemas": True, "subject.name.strategy.type": "TOPIC"}
        encoded = AvroSerializer(client, schema_text("TopUpEvent"), conf=settings)(TOP_UP, context)
        schema_id = client.get_latest_version(TOP_UP_EVENTS.subject).schema_id
        assert encoded is not None
        assert encoded[:5] == b"\0" + schema_id.to_bytes(4, "big")
    with SchemaRegistryClient({"url": registry}) as client:
        decoded = AvroDeserializer(client)(encoded, context)
    assert isinstance(decoded, dict)
    assert decoded["event_id"] == TOP_UP["event_id"]


def test_a_serializer_that_registers_by_itself_works_too(registry: str) -> None:
    context = SerializationContext(TOP_UP_EVENTS.name, MessageField.VALUE)
    with SchemaRegistryClient({"url": registry}) as client:
        normalizing = AvroSerializer(client, schema_text("TopUpEvent"), conf={"normalize.schemas": True})
        assert normalizing(TOP_UP, context)


def test_a_subjects_name_may_be_percent_encoded(get: Any) -> None:
    assert get("/subjects/usage%2Devents%2Dvalue/versions").status == 200


@of_the_embedded_one
@another_is_at_work
def test_a_new_schema_is_refused_and_says_what_to_do(client: SchemaRegistryClient) -> None:
    schema = Schema(json.dumps({"type": "record", "name": "New", "fields": []}), "AVRO")
    for subject in (USAGE_EVENTS.subject, "new-value"):
        with pytest.raises(SchemaRegistryError, match="read-only") as refused:
            client.register_schema(subject, schema)
        assert refused.value.error_code == 42205


@of_the_embedded_one
@another_is_at_work
def test_other_writes_are_refused(get: Any) -> None:
    for method, path in (("DELETE", "/subjects/rates-value"), ("PUT", "/config")):
        answer = get(path, method=method, json={})
        assert (answer.status, answer.json()["error_code"]) == (405, 405)
    assert get("/no/such/path").status == 404


@of_the_embedded_one
@another_is_at_work
def test_ids_are_the_same_at_every_start(client: SchemaRegistryClient) -> None:
    """Version and index in the contract's list: records written yesterday can be read today."""
    ids = {topic.name: client.get_latest_version(topic.subject).schema_id for topic in RECORD_TOPICS}
    assert ids == {
        "usage-events": 201,
        "top-up-events": 102,
        "rates": 103,
        "account-plans": 104,
        "credit-movements": 305,
        "export-requests": 306,
        "export-notifications": 207,
        "adjustment-events": 108,
        "credit-alerts": 109,
        "alert-settings": 110,
    }
    for topic in (USAGE_EVENTS, CREDIT_MOVEMENTS, EXPORT_REQUESTS, EXPORT_NOTIFICATIONS):
        versions = client.get_versions(topic.subject)
        assert versions == list(range(1, len(schema_versions(topic.record or "")) + 1))
        assert [client.get_version(topic.subject, each).schema_id for each in versions] == [
            ids[topic.name] - 100 * (versions[-1] - each) for each in versions
        ]


def test_an_old_writer_still_finds_the_id_of_its_version(client: SchemaRegistryClient) -> None:
    for topic in RECORD_TOPICS:
        for number, text in enumerate(schema_versions(topic.record or ""), start=1):
            assert client.lookup_schema(topic.subject, Schema(text, "AVRO")).version == number
