"""The second road: one Avro datum at a time, by fastavro."""

from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any, cast

import fastavro
from fastavro.read import SchemaResolutionError

from schemas.avro_schemas import Schema, parsed_schema

# What fastavro raises for bytes that are no datum of the schema; anything else is a bug of ours and not caught.
_BAD_BYTES = (EOFError, IndexError, KeyError, OverflowError, RecursionError, TypeError, UnicodeDecodeError, ValueError)


class BadDatumError(Exception):
    """The bytes are not one datum of the writer's schema."""


class UnresolvableSchemaError(Exception):
    """The writer's schema cannot be read as ours by the Avro rules."""


def reader(writer: Schema, own: Schema) -> Callable[[bytes], dict[str, Any]]:
    """A function from the bytes of one datum to a record of our own schema.

    It raises BadDatumError or UnresolvableSchemaError.
    """
    has_one_encoding = _has_one_encoding(writer)

    def read(body: bytes) -> dict[str, Any]:
        source = BytesIO(body)
        try:
            record = fastavro.schemaless_reader(source, writer, None)
        except _BAD_BYTES as error:
            raise BadDatumError(f"not a datum of its schema: {type(error).__name__} {error}".rstrip()) from error
        if source.tell() != len(body):
            raise BadDatumError(f"{len(body) - source.tell()} bytes after the datum")
        if has_one_encoding and _encoded(record, writer) != body:
            # fastavro takes varints that are too long or overflow, and union branches counted from the end.
            raise BadDatumError("not the encoding that any right writer gives this datum")
        return _resolved(body, record, writer, own)

    return read


@cache
def same_encoding(writer_text: str, own_text: str) -> bool:
    """Whether data of the two schemas are the same bytes with the same meaning: they differ in documentation at most."""
    return _canonical(writer_text) == _canonical(own_text)


def _canonical(text: str) -> str:
    return fastavro.schema.to_parsing_canonical_form(parsed_schema(text))


def _resolved(body: bytes, record: Any, writer: Schema, own: Schema) -> dict[str, Any]:
    if writer is own:
        return cast(dict[str, Any], record)
    try:
        return cast(dict[str, Any], fastavro.schemaless_reader(BytesIO(body), writer, own))
    except SchemaResolutionError as error:
        raise UnresolvableSchemaError(f"its schema cannot be read as {own['name']}: {error}") from error


def _encoded(record: Any, schema: Schema) -> bytes:
    target = BytesIO()
    fastavro.schemaless_writer(target, schema, record)
    return target.getvalue()


def _has_one_encoding(schema: Schema) -> bool:
    """Arrays and maps may be written in blocks of any size; the rest of Avro has one encoding for one value."""
    return all(_is_plain(field["type"]) for field in schema["fields"])


def _is_plain(avro_type: Any) -> bool:
    if isinstance(avro_type, list):
        return all(_is_plain(each) for each in avro_type)
    return isinstance(avro_type, str) and avro_type in {"null", "string", "long"}
