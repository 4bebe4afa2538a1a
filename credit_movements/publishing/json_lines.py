"""Records of a JSON Lines file, as a table.

Lines are parsed one by one and checked as columns. Where a column is not in order, its lines are checked one by one too, for
the sentence that names the first bad one.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from json.scanner import make_scanner
from types import NoneType
from typing import Any, TextIO

import polars as pl

from kafka_io.errors import UserError
from schemas.avro_schemas import Schema, fields_of
from schemas.topics import Topic
from streams.pricing.deck.fault import LINE
from streams.pricing.rates import micros_of

_CHUNK = 50_000
# What `json.loads` does with a text, in half the time: it raises StopIteration where nothing begins, and does not look behind.
_SCAN = make_scanner(json.JSONDecoder())  # type: ignore[arg-type]  # typeshed wants a scanner to make a scanner of
_JSON_BLANKS = " \t\n\r"

_Lines = list[tuple[int, str]]


class BadLineError(UserError):
    """A line of the file is not a record of the topic: one line that says which and why."""


def read_lines(topic: Topic, lines: TextIO) -> pl.DataFrame:
    """The records of a JSON Lines file: a column for each Avro field (times as Int64), and `line`, where each stands. Times may
    be ISO 8601 with a zone or microseconds. Raises BadLineError."""
    assert topic.record is not None
    fields = {field["name"]: field["type"] for field in fields_of(topic.record)}
    return pl.concat([_table(chunk, fields) for chunk in _chunks(lines)])


def _chunks(lines: TextIO) -> Iterator[_Lines]:
    """The lines that are not empty, with their numbers. What comes before bytes that are no UTF-8 is given before these are
    told."""
    number = 0
    chunk: _Lines = []
    try:
        for line in lines:
            number += 1
            if line.strip():
                chunk.append((number, line))
            if len(chunk) == _CHUNK:
                yield chunk
                chunk = []
    except UnicodeDecodeError:
        yield chunk
        raise BadLineError(f"after line {number}: not UTF-8, so no JSON Lines") from None
    yield chunk


def _table(lines: _Lines, fields: Schema) -> pl.DataFrame:
    columns = _columns(lines, fields)
    if columns is None:
        records = [_record(number, line, fields) for number, line in lines]
        columns = [_series(name, kind, [each[name] for each in records]) for name, kind in fields.items()]
    return pl.DataFrame([*columns, pl.Series(LINE, [number for number, _ in lines], dtype=pl.Int64)])


def _columns(lines: _Lines, fields: Schema) -> list[pl.Series] | None:
    """A column for each field; None where a line may be wrong."""
    try:
        scanned = [_SCAN(line, 0) for _, line in lines]
        if any(line[end:].strip(_JSON_BLANKS) for (_, end), (_, line) in zip(scanned, lines, strict=True)):
            return None
        values = [value for value, _ in scanned]
        if not {dict} >= set(map(type, values)) or not fields.keys() >= set(chain.from_iterable(values)):
            return None
        return [_column(name, kind, [each.get(name) for each in values]) for name, kind in fields.items()]
    except (ValueError, StopIteration):
        return None


def _column(name: str, avro_type: Any, values: list[Any]) -> pl.Series:
    """Raises ValueError where a value may be wrong."""
    kind = _not_null(avro_type)
    types = set(map(type, values))
    taken = {str} if kind == "string" else {int, str} if isinstance(kind, dict) else {int}
    if not types <= (taken | {NoneType} if isinstance(avro_type, list) else taken):
        raise ValueError(f"field '{name}' has a value of another type")
    if isinstance(kind, dict) and str in types:
        times = {text: _time(name, text) for text in {value for value in values if isinstance(value, str)}}
        values = [times[value] if isinstance(value, str) else value for value in values]
    if int in types and not all(value is None or -(2**63) <= value < 2**63 for value in values):
        raise ValueError(f"field '{name}' has a value that does not fit 64 bits")
    return _series(name, avro_type, values)


def _series(name: str, avro_type: Any, values: list[Any]) -> pl.Series:
    return pl.Series(name, values, dtype=pl.String if _not_null(avro_type) == "string" else pl.Int64)


def _not_null(avro_type: Any) -> Any:
    return next(each for each in avro_type if each != "null") if isinstance(avro_type, list) else avro_type


def _record(number: int, line: str, fields: Schema) -> dict[str, Any]:
    """The record of one line. Raises BadLineError."""
    try:
        value = json.loads(line)
        if not isinstance(value, dict):
            raise ValueError("not a JSON object")
        unknown = sorted(value.keys() - fields.keys())
        if unknown:
            raise ValueError(f"unknown field '{unknown[0]}'; the fields are {', '.join(fields)}")
        return {name: _field(name, kind, value.get(name)) for name, kind in fields.items()}
    except json.JSONDecodeError as error:
        raise BadLineError(f"line {number}: no JSON: {error.msg}, at character {error.pos + 1}") from None
    except ValueError as error:
        raise BadLineError(f"line {number}: {error}") from None


def _field(name: str, avro_type: Any, value: Any) -> Any:
    if isinstance(avro_type, list):
        return None if value is None else _field(name, _not_null(avro_type), value)
    if value is None:
        raise ValueError(f"field '{name}' is missing")
    if isinstance(avro_type, dict) and isinstance(value, str):
        return _time(name, value)
    wanted, what = (str, "a text") if avro_type == "string" else (int, "a whole number")
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise ValueError(f"field '{name}' must be {what}")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"field '{name}' does not fit 64 bits")
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"field '{name}' has half a character, which no text can have")
    return value


def _time(name: str, text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"field '{name}': '{text}' is no ISO 8601 time such as 2026-01-31T12:00:00Z") from None
    if at.tzinfo is None:
        raise ValueError(f"field '{name}': '{text}' has no time zone")
    return micros_of(at)
