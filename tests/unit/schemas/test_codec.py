"""The codec's fast and slow road give the same, and read the examples."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from schemas import datum, wire
from schemas.avro_schemas import fields_of, parsed_schema, schema_text, schema_versions
from schemas.codec import Decoded, RecordCodec, UndecodableError, UnregisteredSchemaError
from schemas.registry import RegistryUnavailableError
from schemas.topics import RECORD_TOPICS, USAGE_EVENTS, topic_named

EXAMPLES = Path(schemas.__file__).parent / "examples"
OWN_ID, OLD_ID, NEW_ID, DECIMAL_ID, FOREIGN_ID, INCOMPATIBLE_ID, NULLS_ID, NESTED_ID = 7, 8, 9, 10, 11, 12, 13, 14


class RegisteredSchemas:
    """A registry in a dict: id → schema of usage-events-value; the id of every subject's own schema is OWN_ID."""

    def __init__(self, others: dict[int, str] | None = None) -> None:
        self.others = others or {}

    def versions(self, subject: str) -> dict[int, str]:
        return {OWN_ID: self._own(subject), **self.others}

    def id_of(self, subject: str, text: str) -> int | None:
        return OWN_ID if text == self._own(subject) else None

    def called(self, subject: str) -> str:
        return subject

    def _own(self, subject: str) -> str:
        record = topic_named(subject.removesuffix("-value")).record
        assert record is not None
        return schema_text(record)


def changed_schema(drop: str | None = None, add: dict[str, Any] | None = None) -> str:
    schema = json.loads(schema_text("UsageEvent"))
    schema["fields"] = [field for field in schema["fields"] if field["name"] != drop] + ([add] if add else [])
    return json.dumps(schema)


OTHERS = {
    OLD_ID: changed_schema(drop="destination"),
    NEW_ID: changed_schema(add={"name": "region", "type": ["null", "string"], "default": None}),
    DECIMAL_ID: changed_schema(
        add={"name": "cost", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}}
    ),
    INCOMPATIBLE_ID: changed_schema(drop="quantity"),
    NULLS_ID: changed_schema(add={"name": "nulls", "type": {"type": "array", "items": "null"}}),
    NESTED_ID: changed_schema(
        add={
            "name": "nested",
            "type": {
                "type": "record",
                "name": "Nested",
                "fields": [{"name": "inner", "type": ["null", "Nested"]}],
            },
        }
    ),
}
CODEC = RecordCodec(USAGE_EVENTS, RegisteredSchemas(OTHERS))  # type: ignore[arg-type]


def good_examples(record: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (EXAMPLES / f"{record}.good.jsonl").read_text().splitlines()]


EVENT = good_examples("UsageEvent")[0]


def written_with(schema_id: int, record: dict[str, Any]) -> bytes:
    text = OTHERS.get(schema_id, schema_text("UsageEvent"))
    return wire.header(schema_id) + datum.encoded(record, parsed_schema(text))


def slowly(values: list[bytes]) -> list[dict[str, Any] | None]:
    """What the second road alone makes of values of our own schema: None for a refusal."""
    own = parsed_schema(schema_text("UsageEvent"))
    read = datum.reader(own, own)
    records: list[dict[str, Any] | None] = []
    for value in values:
        try:
            records.append(read(value[wire.HEADER_BYTES :]))
        except datum.BadDatumError:
            records.append(None)
    return records


def by_row(decoded: Decoded, count: int) -> list[dict[str, Any] | None]:
    rows = {record.pop("row"): record for record in decoded.rows.to_dicts()}
    assert rows.keys().isdisjoint(refusal.row for refusal in decoded.refusals)
    assert len(rows) + len(decoded.refusals) == count
    return [rows.get(row) for row in range(count)]


@pytest.mark.parametrize("topic", RECORD_TOPICS, ids=lambda topic: topic.name)
def test_every_good_example_comes_back_as_it_went(topic: Any) -> None:
    codec = RecordCodec(topic, RegisteredSchemas())  # type: ignore[arg-type]
    examples = good_examples(topic.record)
    for example in examples:
        assert codec.decode_one(codec.encode_one(example)) == example
    table = pl.DataFrame(examples, schema=codec.dtypes)
    assert codec.decode(codec.encode(table)).rows.drop("row").equals(table)


@pytest.mark.parametrize("topic", RECORD_TOPICS, ids=lambda topic: topic.name)
def test_every_schema_is_documented_and_keeps_to_the_contracts_types(topic: Any) -> None:
    for field in fields_of(topic.record):
        assert field["doc"]
        types = field["type"] if isinstance(field["type"], list) else [field["type"]]
        for each in types:
            assert each in ("null", "string", "long", {"type": "long", "logicalType": "timestamp-micros"})
        named_for_a_number = field["name"].endswith(("_id", "_nanos", "_at", "quantity", "_from", "_to", "_by"))
        # A field of a later version needs one, or who has the first could not be read.
        is_first = field["name"] in {each["name"] for each in json.loads(schema_versions(topic.record)[0])["fields"]}
        assert not (named_for_a_number and is_first and "default" in field)


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (None, "undecodable", "no value"),
        (b"", "undecodable", "0 bytes are too short"),
        (b"\0\0\0\0", "undecodable", "4 bytes are too short"),
        (b"\1" + CODEC.encode_one(EVENT)[1:], "undecodable", "magic byte 1"),
        (CODEC.encode_one(EVENT)[:-1], "undecodable", "not a datum"),
        (CODEC.encode_one(EVENT) + b"\0", "undecodable", "1 bytes after the datum"),
        (CODEC.encode_one(EVENT) + bytes(70_000), "undecodable", "over the limit"),
        (wire.header(FOREIGN_ID) + CODEC.encode_one(EVENT)[5:], "unknown_schema", "not of subject usage-events-value"),
        (wire.header(OWN_ID), "undecodable", "not a datum"),
        (wire.header(OWN_ID) + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01" * 3, "undecodable", "not a datum"),
        (wire.header(OWN_ID) + b"\x01" * 40, "undecodable", "not a datum"),
        (written_with(DECIMAL_ID, {**EVENT, "cost": b"\1"}) + b"\0", "undecodable", "1 bytes after the datum"),
        (written_with(INCOMPATIBLE_ID, EVENT), "unknown_schema", "cannot be read as"),
    ],
)
def test_what_is_no_record_is_refused_and_its_neighbours_are_not(value: bytes | None, reason: str, detail: str) -> None:
    good = CODEC.encode_one(EVENT)
    decoded = CODEC.decode([good, value, good])
    assert decoded.rows["row"].to_list() == [0, 2]
    (refusal,) = decoded.refusals
    assert (refusal.row, refusal.reason) == (1, reason)
    assert detail in refusal.detail


def bomb(schema_id: int, tail: bytes) -> bytes:
    return wire.header(schema_id) + CODEC.encode_one(EVENT)[5:] + tail


@pytest.mark.parametrize(
    "value",
    [
        # Eight bytes that stand for a hundred million nulls; a record 30,000 levels deep; 60 KiB of decimal digits.
        bomb(NULLS_ID, b"\x80\xc2\xd7\x2f\x00"),
        bomb(NESTED_ID, b"\x02" * 30_000 + b"\x00"),
        bomb(DECIMAL_ID, b"\x80\xc0\x07" + b"\x7f" * 61_440),
        # Texts that say they are longer than all memory, or of a negative length.
        wire.header(OWN_ID) + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f" * 4,
        wire.header(OWN_ID) + b"\x01" * 60,
        wire.header(OWN_ID) + CODEC.encode_one({**EVENT, "campaign_id": None})[5:-1] + b"\x03",
    ],
    ids=["nulls", "nested", "decimal", "huge", "negative length", "negative index"],
)
def test_a_bomb_costs_next_to_nothing(value: bytes) -> None:
    tracemalloc.start()
    CODEC.decode([value] * 10)
    assert tracemalloc.get_traced_memory()[1] < 20 * 1024 * 1024
    tracemalloc.stop()


def test_a_value_of_exactly_64_kib_is_taken() -> None:
    spare = wire.MAX_VALUE_BYTES - len(CODEC.encode_one({**EVENT, "destination": "1" * 60_000}))
    value = CODEC.encode_one({**EVENT, "destination": "1" * (60_000 + spare)})
    assert len(value) == wire.MAX_VALUE_BYTES
    assert not CODEC.decode([value]).refusals


@pytest.mark.parametrize(
    ("schema_id", "written", "expected"),
    [
        (OLD_ID, {name: EVENT[name] for name in EVENT if name != "destination"}, {**EVENT, "destination": None}),
        (NEW_ID, {**EVENT, "region": "eu"}, EVENT),
        (DECIMAL_ID, {**EVENT, "cost": b"\1"}, EVENT),
    ],
)
def test_another_version_of_the_schema_is_read_as_ours(schema_id: int, written: Any, expected: Any) -> None:
    mixed = [CODEC.encode_one(EVENT), written_with(schema_id, written), CODEC.encode_one(EVENT)]
    assert by_row(CODEC.decode(mixed), 3) == [EVENT, expected, EVENT]


def test_a_time_that_no_datetime_holds_comes_through_as_its_number() -> None:
    for micros in (2**63 - 1, -(2**63), 0):
        value = CODEC.encode_one({**EVENT, "occurred_at": micros})
        assert CODEC.decode_one(value)["occurred_at"] == micros
        assert slowly([value])[0] == {**EVENT, "occurred_at": micros}


@pytest.mark.parametrize(
    "body",
    [
        # A varint of eleven bytes, and a union branch counted from the end: fastavro takes both.
        CODEC.encode_one(EVENT)[5:].replace(b"\xf6\x02", b"\xf6\x82\x80\x80\x80\x80\x80\x80\x80\x80\x00"),
        CODEC.encode_one({**EVENT, "campaign_id": None})[5:-1] + b"\x01" + b"\x06abc",
    ],
)
def test_an_encoding_that_no_right_writer_gives_is_refused(body: bytes) -> None:
    with pytest.raises(UndecodableError, match="not"):
        CODEC.decode_one(wire.header(OWN_ID) + body)


def test_a_schema_that_was_never_registered_is_no_bad_record() -> None:
    class Empty(RegisteredSchemas):
        def id_of(self, subject: str, text: str) -> None:
            return None

    with pytest.raises(UnregisteredSchemaError, match="credit-movements setup"):
        RecordCodec(USAGE_EVENTS, Empty()).encode_one(EVENT)  # type: ignore[arg-type]


longs = st.integers(-(2**63), 2**63 - 1)
texts = st.text(max_size=20)
events = st.fixed_dictionaries(
    {
        "event_id": texts, "account_id": texts, "interaction_id": texts, "usage_type": texts, "quantity": longs,
        "destination": st.none() | texts, "occurred_at": longs, "user_id": st.none() | texts,
    }
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A value of our own schema, or what a broken network, writer or attacker makes of it."""
    value = CODEC.encode_one(draw(events))
    body = bytearray(value[5:])
    match draw(st.sampled_from(["none", "none", "bytes", "cut", "more", "noise"])):
        case "bytes":
            for _ in range(draw(st.integers(1, 3))):
                body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
        case "cut":
            body = body[: draw(st.integers(0, len(body) - 1))]
        case "more":
            body += draw(st.binary(min_size=1, max_size=9))
        case "noise":
            body = bytearray(draw(st.binary(max_size=60)))
    return value[:5] + bytes(body)


@settings(max_examples=500, deadline=None)
@given(st.lists(mutated(), max_size=12))
def test_the_two_roads_agree_on_every_message(values: list[bytes]) -> None:
    assert by_row(CODEC.decode(values), len(values)) == slowly(values)


def test_strange_schema_ids_cost_one_look_at_the_registry_however_many_they_are() -> None:
    class Counting(RegisteredSchemas):
        looks = 0

        def versions(self, subject: str) -> dict[int, str]:
            self.looks += 1
            return super().versions(subject)

    registered = Counting()
    good = CODEC.encode_one(EVENT)
    strange = [wire.header(schema_id) + good[wire.HEADER_BYTES :] for schema_id in range(100, 1100)]
    decoded = RecordCodec(USAGE_EVENTS, registered).decode([good, *strange, good])  # type: ignore[arg-type]
    assert decoded.rows["row"].to_list() == [0, 1001]
    assert {refusal.reason for refusal in decoded.refusals} == {"unknown_schema"}
    assert [refusal.row for refusal in decoded.refusals] == list(range(1, 1001))
    assert registered.looks == 1


def test_one_bad_message_in_a_thousand_leaves_999() -> None:
    values = [CODEC.encode_one({**EVENT, "quantity": number}) for number in range(1000)]
    values[345] = values[345][:-2]
    decoded = CODEC.decode(values)
    assert decoded.rows["quantity"].to_list() == [number for number in range(1000) if number != 345]
    assert [refusal.row for refusal in decoded.refusals] == [345]


def test_a_registry_that_lost_our_own_schema_makes_no_dead_letters() -> None:
    registry = RegisteredSchemas()
    codec = RecordCodec(USAGE_EVENTS, registry)  # type: ignore[arg-type]
    known = codec.encode_one(EVENT)
    unknown = b"\0\0\0\1\0" + known[5:]
    assert [refusal.reason for refusal in codec.decode([known, unknown]).refusals] == ["unknown_schema"]
    registry.versions = lambda _: {}  # type: ignore[method-assign]
    with pytest.raises(RegistryUnavailableError, match="credit-movements setup"):
        codec.decode([unknown])
    # What is known stays known meanwhile.
    assert codec.decode([known]).refusals == []
