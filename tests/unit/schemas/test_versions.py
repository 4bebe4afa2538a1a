"""Versions of one record: each reads what every other writes, and no published version changes."""

import hashlib
import json
from itertools import pairwise
from typing import Any, cast

import fastavro
import pytest

from schemas import datum, wire
from schemas.avro_schemas import parsed_schema, schema_text, schema_versions
from schemas.codec import RecordCodec
from schemas.registry import SubjectSchemas
from schemas.topics import CREDIT_MOVEMENTS, EXPORT_NOTIFICATIONS, EXPORT_REQUESTS, RECORD_TOPICS, USAGE_EVENTS, Topic
from tests.unit.schemas.test_codec import EXAMPLES, good_examples

VERSIONED = [USAGE_EVENTS, CREDIT_MOVEMENTS, EXPORT_REQUESTS, EXPORT_NOTIFICATIONS]
# Of what has been published: the fingerprint of the Parsing Canonical Form, which leaves the documentation out.
PUBLISHED = {
    "UsageEvent": ["6dae42188ccc1dd9", "ed286d5ca355767c"],
    "TopUpEvent": ["a2b03c9f94c081e0"],
    "AdjustmentEvent": ["49e34d576ba1303f"],
    "Rate": ["bc0d81cbb889c78b"],
    "AccountPlan": ["b9446324cb1c1a8c"],
    "CreditMovement": ["ea96e4c29eaa227f", "eaa89811966c25ca", "baa4270749e7a911"],
    "ExportRequest": ["f961920b4fca9c02", "3e4bb22a4c17024a", "1ee890a4d4ad7170"],
    "CreditAlert": ["4c8186e000f9e362"],
    "AlertSettings": ["18b5b3c3216dfe78"],
    "ExportNotification": ["ef8b3c202fd5998a", "bc78c3dfc2263b30"],
}


class Registered:
    """A registry in which every version of a record has its number as its id."""

    def versions(self, subject: str) -> dict[int, str]:
        record = next(topic.record for topic in RECORD_TOPICS if topic.subject == subject)
        return dict(enumerate(schema_versions(record or ""), start=1))

    def id_of(self, subject: str, text: str) -> int | None:
        return next((number for number, each in self.versions(subject).items() if each == text), None)


def record_of(topic: Topic) -> str:
    assert topic.record is not None
    return topic.record


def old_examples(topic: Topic) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (EXAMPLES / f"{topic.record}.1.good.jsonl").read_text().splitlines()]


def fields(text: str) -> dict[str, Any]:
    return {field["name"]: field for field in json.loads(text)["fields"]}


@pytest.mark.parametrize("topic", VERSIONED, ids=lambda topic: topic.name)
def test_what_version_1_wrote_is_read_with_nothing_in_the_new_fields(topic: Topic) -> None:
    codec = RecordCodec(topic, cast(SubjectSchemas, Registered()))
    old, *_, new = (fields(text) for text in schema_versions(record_of(topic)))
    missing = dict.fromkeys(new.keys() - old.keys())
    assert missing
    for example in old_examples(topic):
        value = wire.header(1) + datum.encoded(example, parsed_schema(schema_versions(record_of(topic))[0]))
        assert codec.decode_one(value) == example | missing


@pytest.mark.parametrize("topic", VERSIONED, ids=lambda topic: topic.name)
def test_what_we_write_is_read_by_who_has_version_1(topic: Topic) -> None:
    codec = RecordCodec(topic, cast(SubjectSchemas, Registered()))
    old, *_, new = (parsed_schema(text) for text in schema_versions(record_of(topic)))
    for example in good_examples(record_of(topic)):
        value = codec.encode_one(example)
        assert value[: wire.HEADER_BYTES] == wire.header(len(schema_versions(record_of(topic))))
        read = datum.reader(new, old)(value[wire.HEADER_BYTES :])
        assert read == {name: example[name] for name in fields(schema_versions(record_of(topic))[0])}


@pytest.mark.parametrize("topic", RECORD_TOPICS, ids=lambda topic: topic.name)
def test_versions_differ_in_fields_with_a_default_alone(topic: Topic) -> None:
    """What FULL compatibility comes down to for flat records."""
    versions = [fields(text) for text in schema_versions(record_of(topic))]
    for old, new in pairwise(versions):
        assert all(
            "default" in field
            for field in (*old.values(), *new.values())
            if field["name"] not in old or field["name"] not in new
        )
        assert {name: old[name]["type"] for name in old.keys() & new.keys()} == {
            name: new[name]["type"] for name in old.keys() & new.keys()
        }


@pytest.mark.parametrize("topic", RECORD_TOPICS, ids=lambda topic: topic.name)
def test_a_published_version_is_never_changed(topic: Topic) -> None:
    prints = [
        hashlib.sha256(fastavro.schema.to_parsing_canonical_form(json.loads(text)).encode()).hexdigest()[:16]
        for text in schema_versions(record_of(topic))
    ]
    assert prints == PUBLISHED[record_of(topic)]
    assert schema_text(record_of(topic)) == schema_versions(record_of(topic))[-1]
