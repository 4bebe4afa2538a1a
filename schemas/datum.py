"""The second road: one Avro datum at a time, by fastavro."""

from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any, cast

import fastavro
from fastavro.read import SchemaResolutionError

from schemas.avro_schemas import Schema, parsed_schema

# fastavro raises these for bytes that are no datum of the schema. Anything else is a bug of ours and is not caught.
_BAD_BYTES = (EOFError, IndexError, KeyError, OverflowError, RecursionError, TypeError, UnicodeDecodeError, ValueError)


class BadDatumError(Exception):
    """The bytes are not one datum of the writer's schema."""


class UnresolvableSchemaError(Exception):
    """The writer's schema cannot be read as ours by the Avro rules."""


def reader(writer: Schema, own: Schema) -> Callable[[bytes], dict[str, Any]]:
    """A function from the bytes of one datum to a record of our own schema.

    It raises BadDatumError or UnresolvableSchemaError.
    """
    bounded = _is_bounded(writer)

    def read(body: bytes) -> dict[str, Any]:
        if not bounded:
            raise UnresolvableSchemaError("its schema nests types, which are not read here")
        source = BytesIO(body)
        try:
            record = fastavro.schemaless_reader(source, writer, None)
        except _BAD_BYTES as error:
            raise BadDatumError(f"not a datum of its schema: {type(error).__name__} {error}".rstrip()) from error
        if source.tell() != len(body):
            raise BadDatumError(f"{len(body) - source.tell()} bytes after the datum")
        if encoded(record, writer) != body:
            # fastavro takes varints that are too long or overflow, and union branches counted from the end.
            raise BadDatumError("not the encoding that any right writer gives this datum")
        return _resolved(body, record, writer, own)

    return read


@cache
def same_encoding(writer_text: str, own_text: str) -> bool:
    """Whether data of the two schemas are the same bytes with the same meaning: they differ in documentation at most."""
    return _canonical(writer_text) == _canonical(own_text)


def _is_bounded(writer: Schema) -> bool:
    """Whether a message of bounded size can only become a value of bounded size and depth.

    Eight bytes can encode an array of a hundred million nulls, and some thousand bytes a record nested so deep that it ends the
    process. The contract has neither arrays nor maps nor types inside of types, so we need not read them.
    """
    return all(_is_flat(field["type"]) for field in writer["fields"])


def _is_flat(avro_type: Any) -> bool:
    if isinstance(avro_type, list):
        return all(_is_flat(each) for each in avro_type)
    if isinstance(avro_type, dict):
        return avro_type["type"] in {"enum", "fixed"} or avro_type["type"] in _PRIMITIVES
    return avro_type in _PRIMITIVES


_PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}


def _canonical(text: str) -> str:
    return fastavro.schema.to_parsing_canonical_form(parsed_schema(text))


def _resolved(body: bytes, record: Any, writer: Schema, own: Schema) -> dict[str, Any]:
    if writer is own:
        return cast(dict[str, Any], record)
    try:
        return cast(dict[str, Any], fastavro.schemaless_reader(BytesIO(body), writer, own))
    except SchemaResolutionError as error:
        raise UnresolvableSchemaError(f"its schema cannot be read as {own['name']}: {error}") from error


def encoded(record: Any, schema: Schema) -> bytes:
    """One datum. `record` has what `schema` asks for: fastavro would write an integer of any length."""
    target = BytesIO()
    fastavro.schemaless_writer(target, schema, record)
    return target.getvalue()
