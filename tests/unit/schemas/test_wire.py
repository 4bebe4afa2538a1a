"""The frames of a batch, read as columns, are those of each value read alone."""

import json

import numpy as np
import pyarrow as pa
import pyruhvro
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.wire import HEADER_BYTES, HEADER_FIELDS, MAX_VALUE_BYTES, header, header_columns, read_frames

well_framed = st.builds(
    lambda number, body: b"\0" + number.to_bytes(4, "big") + body, st.integers(0, 2**32 - 1), st.binary()
)
values = (
    st.none()
    | st.binary(max_size=8)
    | well_framed
    | st.just(bytes(MAX_VALUE_BYTES))
    | st.just(bytes(MAX_VALUE_BYTES + 1))
)


@settings(deadline=None)
@given(st.lists(values, max_size=20))
def test_each_value_is_framed_or_broken(batch: list[bytes | None]) -> None:
    frames = read_frames(batch)
    good = [
        row
        for row, value in enumerate(batch)
        if value is not None and HEADER_BYTES <= len(value) <= MAX_VALUE_BYTES and value[0] == 0
    ]
    assert frames.rows.tolist() == good
    assert [row for row, _ in frames.broken] == [row for row in range(len(batch)) if row not in good]
    for row in good:
        assert frames.schema_ids[row] == int.from_bytes((batch[row] or b"")[1:5], "big")


def test_a_batch_without_a_single_value_says_so_of_each() -> None:
    assert read_frames([None] * 3).broken == [(row, "no value") for row in range(3)]


def test_headers_written_as_fields_of_avro_are_headers_whatever_the_id() -> None:
    # Among them all that stand for no number, for infinity and for minus zero.
    ids = [number << shift for number in range(2**16) for shift in (0, 15)]
    text = json.dumps({"type": "record", "name": "Header", "fields": HEADER_FIELDS})
    schema = pyruhvro.avro_to_arrow_schema(text)
    columns = [pa.concat_arrays(each) for each in zip(*(header_columns(schema, each, 1) for each in ids), strict=True)]
    written = pyruhvro.serialize_record_batch(pa.RecordBatch.from_arrays(columns, schema=schema), text, 1)
    assert [value for part in written for value in part.to_pylist()] == [header(each) for each in ids]


def test_a_header_column_is_as_long_as_it_is_asked_for() -> None:
    schema = pyruhvro.avro_to_arrow_schema(json.dumps({"type": "record", "name": "Header", "fields": HEADER_FIELDS}))
    magic, ids = header_columns(schema, 7, 3)
    assert (len(magic), len(ids)) == (3, 3)
    assert np.asarray(ids).tobytes() == header(7)[1:] * 3
