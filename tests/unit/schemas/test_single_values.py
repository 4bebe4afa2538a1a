"""One value alone goes a shorter way than a batch, to the same end."""

from random import Random
from typing import Any

import polars as pl
import pytest

from schemas import wire
from schemas.codec import RecordCodec, UndecodableError
from schemas.topics import RECORD_TOPICS
from tests.unit.schemas.columnar.mutations import mutated_datums
from tests.unit.schemas.test_codec import CODEC, EVENT, OWN_ID, RegisteredSchemas, good_examples


def in_a_batch(codec: RecordCodec, value: bytes | None) -> dict[str, Any] | str:
    decoded = codec.decode([value])
    return str(decoded.refusals[0]) if decoded.refusals else decoded.rows.drop("row").row(0, named=True)


def alone(codec: RecordCodec, value: bytes | None) -> dict[str, Any] | str:
    try:
        return codec.decode_one(value)
    except UndecodableError as error:
        return str(error.refusal)


@pytest.mark.parametrize("topic", RECORD_TOPICS, ids=lambda topic: topic.name)
def test_a_record_is_written_and_read_as_in_a_batch(topic: Any) -> None:
    codec = RecordCodec(topic, RegisteredSchemas())  # type: ignore[arg-type]
    for example in good_examples(topic.record):
        [value] = codec.encode(pl.DataFrame([example], schema=codec.dtypes))
        assert codec.encode_one(example) == value
        # The first time the schema's id is not known yet.
        assert [alone(codec, value) for _ in range(3)] == [in_a_batch(codec, value)] * 3


def test_a_value_is_refused_as_in_a_batch() -> None:
    values: list[bytes | None] = [None, b"", b"\0", wire.header(OWN_ID), wire.header(99) + b"x", bytes(70_000)]
    values += [wire.header(OWN_ID) + body for body in mutated_datums("UsageEvent", Random(3), 500)]
    values += [b"\1" + CODEC.encode_one(EVENT)[1:], CODEC.encode_one(EVENT) + b"\0"]
    values.append(CODEC.encode_one({**EVENT, "destination": "1" * 70_000}))
    CODEC.decode_one(CODEC.encode_one(EVENT))
    outcomes = [alone(CODEC, value) for value in values]
    assert outcomes == [in_a_batch(CODEC, value) for value in values]
    assert 10 < sum(isinstance(each, str) for each in outcomes) < len(values)


def test_a_field_that_is_left_out_is_null() -> None:
    short = {name: value for name, value in EVENT.items() if name != "user_id"}
    assert CODEC.decode_one(CODEC.encode_one(short)) == {**EVENT, "user_id": None}


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantity": 2**63},
        {"quantity": None},
        {"quantity": "7"},
        {"account_id": 7},
        {"account_id": None},
        {"user_id": 7},
    ],
    ids=str,
)
def test_what_is_not_plainly_right_is_written_as_a_batch_writes_it_or_refused(wrong: dict[str, Any]) -> None:
    record = {**EVENT, **wrong}

    def attempt(write: Any) -> object:
        try:
            return write()
        except Exception as error:
            return type(error)

    batch = attempt(lambda: CODEC.encode(pl.DataFrame([record], schema=CODEC.dtypes))[0])
    assert attempt(lambda: CODEC.encode_one(record)) == batch
