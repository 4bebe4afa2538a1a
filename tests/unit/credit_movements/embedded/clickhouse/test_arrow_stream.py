"""Many Arrow streams become one."""

import pyarrow as pa
import pytest

from credit_movements.embedded.clickhouse.arrow_stream import joined


def stream(*values: int) -> bytes:
    sink = pa.BufferOutputStream()
    batch = pa.record_batch({"value": pa.array(values, pa.int64())})
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def test_streams_become_one_with_all_their_batches() -> None:
    joint = b"".join(joined([stream(1, 2), stream(3), stream(4, 5, 6)]))
    assert pa.ipc.open_stream(joint).read_all()["value"].to_pylist() == [1, 2, 3, 4, 5, 6]


def test_one_stream_stays_as_it_is() -> None:
    assert b"".join(joined([stream(1)])) == stream(1)


def test_what_is_no_arrow_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="Arrow"):
        b"".join(joined([stream(1), b"text"]))
