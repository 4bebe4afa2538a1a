"""A dead letter's bytes, decoded as far as they can be."""

from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import fastavro

from schemas.avro_schemas import parsed_schema
from schemas.registry import SubjectSchemas
from schemas.topics import Topic
from schemas.wire import HEADER_BYTES, MAX_VALUE_BYTES, read_frames

_BAD_BYTES = (EOFError, IndexError, KeyError, OverflowError, RecursionError, TypeError, UnicodeDecodeError, ValueError)


@dataclass
class Deciphered:
    """`fields` are those that could be read, in their order. `problem` says why the rest could not; '' where there is no rest.
    `schema_id` is None where the bytes are not in the wire format."""

    schema_id: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


def deciphered(value: bytes | None, topic: Topic, schemas: SubjectSchemas) -> Deciphered:
    """Decode the bytes of a record of `topic` that was refused. Raises RegistryUnavailableError."""
    frames = read_frames([value])
    if value is None or len(value) < HEADER_BYTES or len(value) > MAX_VALUE_BYTES or frames.broken:
        return Deciphered(problem=frames.broken[0][1])
    schema_id = int(frames.schema_ids[0])
    versions = schemas.versions(topic.subject)
    if schema_id not in versions:
        known = ", ".join(map(str, sorted(versions))) or "none"
        return Deciphered(
            schema_id, problem=f"schema {schema_id} is not of {schemas.called(topic.subject)} (it has {known})"
        )
    return _read(value[HEADER_BYTES:], schema_id, versions[schema_id])


def _read(body: bytes, schema_id: int, schema_text: str) -> Deciphered:
    """Reads field after field, so that those before the broken one can be shown."""
    found = Deciphered(schema_id)
    source = BytesIO(body)
    for each in parsed_schema(schema_text)["fields"]:
        try:
            found.fields[each["name"]] = fastavro.schemaless_reader(source, each["type"], None)
        except _BAD_BYTES as error:
            found.problem = f"field '{each['name']}' cannot be read: {type(error).__name__} {error}".rstrip()
            return found
    if left := len(body) - source.tell():
        found.problem = f"{left} bytes after the record"
    return found
