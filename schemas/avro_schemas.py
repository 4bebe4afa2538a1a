"""The Avro schemas of the contract, as texts (what the registry holds) and as Python values."""

import json
from functools import cache
from importlib.resources import files
from itertools import count, takewhile
from typing import Any, cast

from fastavro import parse_schema

Schema = dict[str, Any]


@cache
def schema_versions(record: str) -> tuple[str, ...]:
    """All versions of one record's schema as JSON, in their order: version 1 is `<Record>.avsc`, version n `<Record>.<n>.avsc`.

    Records of old versions are read for ever, so no version is ever changed or taken away.
    Raises FileNotFoundError for a record the contract does not have.
    """
    folder = files(__package__) / "avro"
    later = takewhile(lambda file: file.is_file(), (folder / f"{record}.{version}.avsc" for version in count(2)))
    return tuple(file.read_text("utf-8") for file in (folder / f"{record}.avsc", *later))


def schema_text(record: str) -> str:
    """The newest version of one record's schema. We write it, and records of older versions are converted to it."""
    return schema_versions(record)[-1]


def fields_of(record: str) -> list[Schema]:
    """The fields of one record's newest version, in their order."""
    fields: list[Schema] = json.loads(schema_text(record))["fields"]
    return fields


def without_new_fields(record: str) -> dict[str, list[Schema]]:
    """The versions of one record's schema that begin like the newest one, and lack only fields that are null where they are
    missing: text → fields, the newest version first."""
    newest = fields_of(record)
    versions = {text: json.loads(text)["fields"] for text in reversed(schema_versions(record))}
    return {text: fields for text, fields in versions.items() if _lacks_nulls_alone(fields, newest)}


def _lacks_nulls_alone(fields: list[Schema], newest: list[Schema]) -> bool:
    begins_alike = [(each["name"], each["type"]) for each in fields] == [
        (each["name"], each["type"]) for each in newest[: len(fields)]
    ]
    return begins_alike and all(each.get("default", "none") is None for each in newest[len(fields) :])


def with_fields_before(record: str, fields: list[Schema]) -> str:
    """The newest version of one record's schema with more fields before its own."""
    schema = json.loads(schema_text(record))
    return json.dumps({**schema, "fields": [*fields, *schema["fields"]]})


@cache
def parsed_schema(text: str) -> Schema:
    """A schema for fastavro without its logical types: a time is then the integer that was written.

    With them fastavro makes datetimes of timestamps, and raises OverflowError for a time that a datetime cannot hold. Here a
    time is an integer number of microseconds until it is printed. A decimal in a field of another team stays bytes, since
    nobody reads it and making a number of 64 KiB of digits takes a second.
    """
    return cast(Schema, parse_schema(_without_logical_types(json.loads(text))))


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_logical_types(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_logical_types(value) if key in _CHILDREN else value for key, value in node.items()}
    if kept.pop("logicalType", None) is None:
        return kept
    return kept if kept["type"] == "fixed" else kept["type"]


_CHILDREN = {"type", "fields", "items", "values"}
