"""The Range header, by the words of RFC 9110."""

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.conditions import UnsatisfiableRangeError, asked_part


def byte_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """As it comes over the wire, whose white space around a header the server takes off."""
    headers = {} if header is None else {"Range": header.strip()}
    return asked_part(make_mocked_request("GET", "/", headers=headers), None, size_bytes)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-9", (0, 10)),
        ("bytes=3-5", (3, 6)),
        ("bytes=3-", (3, 10)),
        ("bytes=3-9999999999", (3, 10)),
        ("bytes=-4", (6, 10)),
        ("bytes=-99", (0, 10)),
        ("Bytes=1-2", (1, 3)),
        (" bytes=1-2 ", (1, 3)),
    ],
)
def test_one_range_of_bytes_is_a_part(header: str, part: tuple[int, int]) -> None:
    assert byte_range(header, 10) == part


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-3",
        "bytes=a-b",
        "lines=1-2",
        "bytes=1-2,4-5",
        "bytes=--1",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_what_is_no_single_range_of_bytes_asks_for_the_whole(header: str | None) -> None:
    assert byte_range(header, 10) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_beyond_the_end_cannot_be_had(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        byte_range(header, 10)


@given(st.text(alphabet="bytes=0123456789-, x", max_size=20), st.integers(0, 100))
def test_a_part_lies_in_the_file(header: str, size_bytes: int) -> None:
    try:
        part = byte_range(header, size_bytes)
    except UnsatisfiableRangeError:
        return
    assert part is None or 0 <= part[0] < part[1] <= size_bytes
