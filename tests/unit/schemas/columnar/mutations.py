"""Datums as right writers make them, and what broken ones, networks and attackers make of them: seeded, in any number."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np

from schemas import datum
from schemas.avro_schemas import fields_of, parsed_schema, schema_text
from schemas.columnar.datums import Field, read_datums
from schemas.columnar.joined import JoinedValues

_TEXTS = ["", "a", "call", "+4930123456", "é", "日本語", "📞", "x" * 63, "y" * 64, "ж" * 70, "z" * 9_000, "\0", "'=1+1"]
_NUMBERS = [0, 1, -1, 63, 64, -64, -65, 8191, 8192, 1_783_000_000_000_000, 2**62, 2**63 - 1, -(2**63)]
_BYTES = [0, 1, 2, 3, 4, 0x41, 0x7F, 0x80, 0x81, 0xBF, 0xC0, 0xC3, 0xE0, 0xED, 0xF4, 0xFE, 0xFF]
_PIECES = [
    b"\x80\x00", b"\xff\x00", b"\x80" * 9 + b"\x01", b"\x80" * 9 + b"\x02", b"\xff" * 9 + b"\x01", b"\xff" * 10 + b"\x00",
    b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\xfe\xff\xff\xff\x0f", b"\x80\x80\x08",
    b"\xc3", b"\xa9", "é".encode(), b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe0\x80\x80", "📞".encode(),
]  # fmt: skip


def mutated_datums(record: str, random: Random, count: int) -> list[bytes]:
    """`count` byte strings, a quarter of them whole datums of `record`."""
    schema = parsed_schema(schema_text(record))
    whole = [datum.encoded(_record(record, random), schema) for _ in range(max(count // 20, 2))]
    return [_mutated(whole, random) for _ in range(count)]


def disagreements(record: str, bodies: list[bytes]) -> Iterator[tuple[bytes, Any, Any]]:
    """(body, what the first road says, what the second one says) of each body that the roads read differently."""
    own = parsed_schema(schema_text(record))
    read = datum.reader(own, own)
    joined = JoinedValues(bodies)
    read_in_step = read_datums(joined, joined.starts, joined.ends, [Field.of(field) for field in fields_of(record)])
    records = iter(read_in_step.records.to_dicts())
    for body, is_whole in zip(bodies, read_in_step.whole.tolist(), strict=True):
        fast = next(records) if is_whole else None
        slow = _or_none(read, body)
        if fast != slow:
            yield body, fast, slow
    assert next(records, None) is None
    assert read_in_step.faults.keys() == set(np.flatnonzero(~read_in_step.whole).tolist())


def _or_none(read: Callable[[bytes], dict[str, Any]], body: bytes) -> dict[str, Any] | None:
    try:
        return read(body)
    except datum.BadDatumError:
        return None


def _record(record: str, random: Random) -> dict[str, Any]:
    return {field["name"]: _value(field["type"], random) for field in fields_of(record)}


def _value(avro_type: Any, random: Random) -> Any:
    if isinstance(avro_type, list):
        return _value(random.choice(avro_type), random)
    if avro_type == "null":
        return None
    return random.choice(_TEXTS) if avro_type == "string" else random.choice(_NUMBERS)


def _mutated(whole: list[bytes], random: Random) -> bytes:
    body = random.choice(whole)
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        # Most faults in the beginnings of long texts would be faults of the same kind.
        at = random.randint(0, min(len(body), random.choice((20, 200, 100_000))))
        body = random.choice(_WAYS)(body, at, random, whole)
    return body


def _at(kept: int) -> Callable[[bytes, int, Random, list[bytes]], bytes]:
    """Put a byte or a piece at `at`, and go on after it with what was `kept` bytes further."""

    def put(body: bytes, at: int, random: Random, _: list[bytes]) -> bytes:
        piece = bytes([random.choice(_BYTES)]) if random.random() < 0.5 else random.choice(_PIECES)
        return body[:at] + piece + body[at + kept :]

    return put


def _flipped(body: bytes, at: int, random: Random, _: list[bytes]) -> bytes:
    return body[:at] + bytes(byte ^ 1 << random.randrange(8) for byte in body[at : at + 1]) + body[at + 1 :]


def _too_long(body: bytes, at: int, _: Random, __: list[bytes]) -> bytes:
    """The byte becomes one of more than one, as a varint of the same number."""
    return body[:at] + b"".join(bytes([byte | 0x80, 0]) for byte in body[at : at + 1]) + body[at + 1 :]


def _spliced(body: bytes, at: int, random: Random, whole: list[bytes]) -> bytes:
    return body[:at] + random.choice(whole)[at:]


_WAYS: list[Callable[[bytes, int, Random, list[bytes]], bytes]] = [
    _at(0), _at(1), _at(2), _flipped, _flipped, _too_long, _spliced,
    lambda body, at, _, __: body[:at],
    lambda body, at, _, __: body[: len(body) - at % 12],
    lambda body, at, _, __: body[:at] + body[at + 1 :],
    lambda body, at, _, __: body + body[:at][:12],
]  # fmt: skip
