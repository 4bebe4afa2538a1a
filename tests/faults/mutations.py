"""Spoiled Avro messages: what may become of bytes on their way, or in a publisher that has a bug. Seeded."""

import random
from collections.abc import Callable

_HEADER_BYTES = 5
_ENORMOUS_LENGTH = b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f"


def _flip_a_bit(random: random.Random, value: bytes, _: bytes) -> bytes:
    at = random.randrange(len(value))
    return value[:at] + bytes([value[at] ^ 1 << random.randrange(8)]) + value[at + 1 :]


def _overwrite(random: random.Random, value: bytes, _: bytes) -> bytes:
    at = random.randrange(_HEADER_BYTES, len(value))
    return (value[:at] + random.randbytes(random.randint(1, 9)) + value[at + 9 :])[: len(value)]


def _truncate(random: random.Random, value: bytes, _: bytes) -> bytes:
    return value[: random.randrange(len(value))]


def _append(random: random.Random, value: bytes, _: bytes) -> bytes:
    return value + random.randbytes(random.randint(1, 50))


def _drop_a_byte(random: random.Random, value: bytes, _: bytes) -> bytes:
    at = random.randrange(len(value))
    return value[:at] + value[at + 1 :]


def _splice(random: random.Random, value: bytes, other: bytes) -> bytes:
    return value[: random.randrange(len(value))] + other[random.randrange(len(other)) :]


def _enormous_length(random: random.Random, value: bytes, _: bytes) -> bytes:
    at = random.randrange(_HEADER_BYTES, len(value))
    return value[:at] + _ENORMOUS_LENGTH + value[at:]


def _another_schema(random: random.Random, value: bytes, _: bytes) -> bytes:
    return value[:1] + random.randrange(2**32).to_bytes(4, "big") + value[_HEADER_BYTES:]


def _other_type(_: random.Random, value: bytes, other: bytes) -> bytes:
    return value[:_HEADER_BYTES] + other[_HEADER_BYTES:]


def _noise(random: random.Random, value: bytes, _: bytes) -> bytes:
    return value[:_HEADER_BYTES] + random.randbytes(random.randrange(300))


def _too_large(_: random.Random, value: bytes, __: bytes) -> bytes:
    return value + bytes(65_536)


def _unspoiled(_: random.Random, value: bytes, __: bytes) -> bytes:
    return value


Mutation = Callable[[random.Random, bytes, bytes], bytes]
# Those of one bit often leave a message that can be read, so there are more of them; a large one would fill the disk.
MUTATIONS: list[Mutation] = [
    *[_flip_a_bit] * 20, *[_overwrite] * 12, *[_truncate] * 6, *[_append] * 6, *[_drop_a_byte] * 10, *[_splice] * 10,
    *[_enormous_length] * 6, *[_another_schema] * 4, *[_other_type] * 4, *[_noise] * 10, *[_unspoiled] * 11, _too_large,
]  # fmt: skip


def mutated(seed: int, values: list[bytes], others: list[bytes]) -> list[bytes]:
    """Each of `values`, spoiled in a way drawn from `seed`; `others` lends the bytes of another type of event."""
    drawn = random.Random(seed)
    return [drawn.choice(MUTATIONS)(drawn, value, drawn.choice([*values[:50], *others[:50]])) for value in values]
