"""What a request may ask of its file: encoding, separator, compression; and the bytes around the CSV."""

import gzip
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.file.formats.packing import packed
from exporter.request.csv_options import CsvOptions, UnknownOption, csv_options

PLAIN = CsvOptions()
GZIP = CsvOptions(is_gzip=True)


def test_nothing_said_is_the_contracts_file() -> None:
    assert csv_options(None, None, None) == csv_options("utf-8", ",", None) == PLAIN
    assert PLAIN.file_name("x.csv") == "x.csv"
    assert b"".join(packed([b"a", b"b"], PLAIN)) == b"ab"


def test_all_that_can_be_said() -> None:
    options = csv_options("utf-8-sig", ";", "gzip")
    assert isinstance(options, CsvOptions)
    assert (options.separator, options.decimal_mark, options.file_name("x.csv")) == (";", ",", "x.csv.gz")
    assert gzip.decompress(b"".join(packed([b"a"], options))) == b"\xef\xbb\xbfa"


@pytest.mark.parametrize("value", ["", "UTF-8", "utf-16", ";;", "\t", "zip", "GZIP", " "])
def test_anything_else_is_unknown(value: str) -> None:
    assert csv_options(value, None, None) == UnknownOption("csv_encoding")
    assert csv_options(None, value, None) == UnknownOption("csv_separator")
    assert csv_options(None, None, value) == UnknownOption("compression")


@settings(deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300)), st.integers(1, 20_000))
@example(b"x" * 211, [5], 20_000)
def test_a_gzip_has_the_same_bytes_however_its_csv_was_cut(data: bytes, cuts: list[int], repeats: int) -> None:
    data *= repeats
    ends = [0, *sorted(cut * repeats for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(ends)]
    whole = b"".join(packed([data], GZIP))
    assert b"".join(packed(pieces, GZIP)) == whole
    assert gzip.decompress(whole) == data


def test_a_gzip_tells_no_time_and_no_name() -> None:
    flags_and_time = b"".join(packed([b"a"], GZIP))[3:8]
    assert flags_and_time == bytes(5)
