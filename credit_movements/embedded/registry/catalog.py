"""The schemas of the contract as a registry numbers them: subjects, versions, ids."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fastavro import parse_schema
from fastavro.schema import SchemaParseException

from schemas.avro_schemas import schema_versions
from schemas.topics import RECORD_TOPICS, Topic

_IDS_PER_VERSION = 100


class InvalidSchemaError(Exception):
    """A text that is no Avro schema."""


@dataclass(frozen=True)
class RegisteredSchema:
    """One version of a subject. `text` is the schema as JSON."""

    subject: str
    version: int
    schema_id: int
    text: str

    @cached_property
    def meaning(self) -> str:
        return schema_meaning(self.text)


class Catalog:
    """All versions of all subjects. Never changes: a new version is a new file of the contract."""

    def __init__(self, schemas: Iterable[RegisteredSchema]) -> None:
        self._schemas = tuple(schemas)

    def subjects(self) -> list[str]:
        return sorted({schema.subject for schema in self._schemas})

    def versions(self, subject: str) -> list[RegisteredSchema]:
        """In their order; empty for an unknown subject."""
        return [schema for schema in self._schemas if schema.subject == subject]

    def with_id(self, schema_id: int) -> list[RegisteredSchema]:
        return [schema for schema in self._schemas if schema.schema_id == schema_id]

    def find(self, subject: str, text: str) -> RegisteredSchema | None:
        """The version of `subject` that means the same as `text`. Raises InvalidSchemaError."""
        meaning = schema_meaning(text)
        return next((schema for schema in self.versions(subject) if schema.meaning == meaning), None)


def contract_catalog(prefixes: Sequence[str] = ("",)) -> Catalog:
    """The contract's own schemas, under ids that are the same on every machine and at every start, with each of the prefixes in
    front of its subjects. As in Confluent's registry, equal schemas of two subjects have one id."""
    return Catalog(
        schema
        for prefix in prefixes
        for index, topic in enumerate(RECORD_TOPICS, start=1)
        for schema in _versions_of(topic, prefix, index)
    )


def _versions_of(topic: Topic, prefix: str, index: int) -> Iterable[RegisteredSchema]:
    """The id is made of the version and the topic's number in the list (103 is version 1 of the third topic). So a later
    version changes no id, as long as topics are only added at the end.
    """
    assert topic.record is not None
    for version, text in enumerate(schema_versions(topic.record), start=1):
        yield RegisteredSchema(prefix + topic.subject, version, version * _IDS_PER_VERSION + index, text)


def schema_meaning(text: str) -> str:
    """The same for two texts that differ only in spaces, the order of keys, or how names are written in full.

    Documentation and defaults count, as they do in Confluent's registry. Raises InvalidSchemaError.
    """
    try:
        parsed = parse_schema(json.loads(text))
    except (ValueError, SchemaParseException) as error:
        raise InvalidSchemaError(str(error)) from error
    return json.dumps(_without_marks(parsed), sort_keys=True)


def _without_marks(node: Any) -> Any:
    """fastavro's own notes (`__fastavro_parsed__`, ...) are no part of a schema."""
    if isinstance(node, list):
        return [_without_marks(each) for each in node]
    if isinstance(node, dict):
        return {key: _without_marks(value) for key, value in node.items() if not key.startswith("__")}
    return node
