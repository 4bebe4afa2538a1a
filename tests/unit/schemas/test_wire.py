"""The frames of a batch, read as columns, are those of each value read alone."""

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.wire import HEADER_BYTES, MAX_VALUE_BYTES, read_frames

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
