"""The walk through all datums of a batch finds what the road that takes one at a time finds."""

import itertools
import os
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import datum
from schemas.avro_schemas import parsed_schema
from schemas.columnar.joined import JoinedValues
from schemas.columnar.utf8 import misspelt
from schemas.columnar.varints import read_varints
from schemas.topics import RECORD_TOPICS
from tests.unit.schemas.columnar.mutations import disagreements, mutated_datums

# Over all records. Millions take minutes: CREDIT_TEST_MUTATIONS=3000000.
MUTATIONS = int(os.environ.get("CREDIT_TEST_MUTATIONS", "200000"))
BATCH = 2_000
RECORDS = sorted({topic.record for topic in RECORD_TOPICS if topic.record})


@pytest.mark.parametrize("record", RECORDS)
def test_the_roads_agree_on_every_mutation(record: str) -> None:
    batches = max(MUTATIONS // len(RECORDS) // BATCH, 1)
    for seed in range(batches):
        bodies = mutated_datums(record, Random(f"{record} {seed}"), BATCH)
        assert list(disagreements(record, bodies)) == []


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(RECORDS), st.lists(st.binary(max_size=40), max_size=6), st.randoms(use_true_random=False))
def test_the_roads_agree_on_noise_between_datums(record: str, noise: list[bytes], random: Random) -> None:
    bodies = [*noise, *mutated_datums(record, random, 4)]
    random.shuffle(bodies)
    assert list(disagreements(record, bodies)) == []


def test_every_varint_is_its_number_and_no_other_encoding_is() -> None:
    numbers = [sign * 2**bits + off for bits in range(63) for sign in (1, -1) for off in (-1, 0, 1)] + [
        2**63 - 1,
        -(2**63),
    ]
    encoded = [datum.encoded(number, parsed_schema('"long"')) for number in numbers]
    joined = JoinedValues(encoded)
    read, sizes = read_varints(joined, joined.starts)
    assert read.tolist() == numbers
    assert sizes.tolist() == [len(each) for each in encoded]
    too_long = [each[:-1] + bytes([each[-1] | 0x80, 0]) for each in encoded]
    too_long += [b"\x80" * 9 + b"\x02", b"\xff" * 9 + b"\x03", b"\xff" * 10, b"\xff" * 10 + b"\x01", b"\x80\x80\x00"]
    joined = JoinedValues(too_long)
    assert read_varints(joined, joined.starts)[1].tolist() == [0] * len(too_long)


EDGES = [
    0x00,
    0x41,
    0x7F,
    0x80,
    0x8F,
    0x90,
    0x9F,
    0xA0,
    0xBF,
    0xC0,
    0xC1,
    0xC2,
    0xDF,
    0xE0,
    0xED,
    0xEF,
    0xF0,
    0xF4,
    0xF5,
]


@pytest.mark.parametrize(
    "texts",
    [
        [b"", *(bytes([byte]) for byte in range(256)), *map(bytes, itertools.product(range(256), repeat=2))],
        [bytes(each) for length in (3, 4) for each in itertools.product(EDGES, repeat=length)],
        ["é".encode()[:1], "é".encode()[1:], "📞".encode()[:2], b"", "📞".encode()[2:], "日本".encode()],
    ],
    ids=["one and two bytes", "three and four", "characters cut in two"],
)
def test_utf8_is_what_python_takes_for_it(texts: list[bytes]) -> None:
    offsets = np.cumsum([0, *map(len, texts)])
    wrong = set(misspelt(np.frombuffer(b"".join(texts), np.uint8), offsets).tolist())
    assert wrong == {number for number, text in enumerate(texts) if not is_utf8(text)}


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_a_batch_of_nothing_is_an_empty_table() -> None:
    assert list(disagreements("UsageEvent", [])) == []
    assert list(disagreements("UsageEvent", [b""] * 3)) == []
