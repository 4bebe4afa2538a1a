"""The Avro schemas of the contract, as texts (what the registry holds) and as Python values."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, cast

from fastavro import parse_schema

Schema = dict[str, Any]


@cache
def schema_text(record: str) -> str:
    """The schema of one record as JSON. Raises FileNotFoundError for a record the contract does not have."""
    return (files(__package__) / "avro" / f"{record}.avsc").read_text("utf-8")


def fields_of(record: str) -> list[Schema]:
    """The fields of one record, in their order."""
    fields: list[Schema] = json.loads(schema_text(record))["fields"]
    return fields


@cache
def parsed_schema(text: str) -> Schema:
    """A schema for fastavro that leaves times as they are written: integers.

    fastavro makes datetimes of timestamps and raises OverflowError for what a datetime cannot hold; here a time is an
    integer number of microseconds until somebody prints it.
    """
    return cast(Schema, parse_schema(_without_times(json.loads(text))))


def _without_times(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_times(each) for each in node]
    if not isinstance(node, dict):
        return node
    if node.get("logicalType") == "timestamp-micros":
        return node["type"]
    return {key: _without_times(value) if key in _CHILDREN else value for key, value in node.items()}


_CHILDREN = {"type", "fields", "items", "values"}
