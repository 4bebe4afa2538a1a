"""Records of JSON Lines: a whole file is read as line by line, and its first bad line is told."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_movements.publishing import json_lines
from credit_movements.publishing.json_lines import BadLineError, read_lines
from schemas.avro_schemas import fields_of
from schemas.topics import ACCOUNT_PLANS, RATES, USAGE_EVENTS, Topic

FIELDS = {field["name"]: field["type"] for field in fields_of("AccountPlan")}
GOOD = {"account_id": "acme", "rate_card_id": "gold", "effective_from": "2026-01-01T00:00:00Z"}
VALUES = st.sampled_from(
    [
        "acme",
        "2026-01-01T00:00:00+02:00",
        "2026-01-01T00:00:00",
        7,
        -(2**63),
        2**63,
        1.0,
        True,
        None,
        [],
        {},
        "\ud800",
        "",
    ]
)
RECORDS = st.just(GOOD) | st.fixed_dictionaries({}, optional=dict.fromkeys([*GOOD, "strange"], VALUES)).map(
    lambda fields: {**GOOD, **fields}
)
ODD_LINES = st.sampled_from(
    ["", " ", "\t", "{", "[]", "7", "null", "NaN", "{}", '{"account_id": "a"} {}', '{"a": 1}, {"b": 2}', "\ufeff{}", "\x0b{}"]
)  # fmt: skip


@st.composite
def files(draw: st.DrawFn) -> str:
    texts = st.builds(
        lambda record, before, behind: before + json.dumps(record) + behind,
        RECORDS,
        st.sampled_from(["", "", " "]),
        st.sampled_from(["", "", " ", "\r", "\x0b", "x"]),
    )
    return "\n".join(draw(st.lists(st.just(json.dumps(GOOD)) | texts | ODD_LINES, max_size=6)))


def line_by_line(text: str) -> list[dict[str, Any]] | str:
    """The records with their lines, or what is said of the first bad one."""
    try:
        return [
            {**json_lines._record(number, line, FIELDS), "line": number}
            for number, line in enumerate(io.StringIO(text), 1)
            if line.strip()
        ]
    except BadLineError as error:
        return str(error)


@given(files(), st.integers(1, 3))
def test_a_file_is_read_as_line_by_line(text: str, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "_CHUNK", chunk)
        try:
            read: list[dict[str, Any]] | str = read_lines(ACCOUNT_PLANS, io.StringIO(text)).to_dicts()
        except BadLineError as error:
            read = str(error)
    assert read == line_by_line(text)


def said(topic: Topic, *lines: str) -> str:
    with pytest.raises(BadLineError) as told:
        read_lines(topic, io.StringIO("\n".join(lines)))
    return str(told.value)


def test_the_first_bad_line_is_told() -> None:
    good = json.dumps(GOOD)
    assert said(ACCOUNT_PLANS, good, "", "{", "[]") == (
        "line 3: no JSON: Expecting property name enclosed in double quotes, at character 3"
    )
    assert said(ACCOUNT_PLANS, good, good.replace('"acme"', "7"), "{") == "line 2: field 'account_id' must be a text"
    assert said(ACCOUNT_PLANS, good.replace("00Z", "00")) == (
        "line 1: field 'effective_from': '2026-01-01T00:00:00' has no time zone"
    )
    assert said(ACCOUNT_PLANS, good.replace("acme", "\\ud800")) == (
        "line 1: field 'account_id' has half a character, which no text can have"
    )
    assert said(USAGE_EVENTS, '{"no_such_field": 7}').startswith(
        "line 1: unknown field 'no_such_field'; the fields are"
    )


def test_bytes_that_are_no_text_are_told_after_the_bad_lines_before_them() -> None:
    def read(*lines: bytes) -> str:
        with pytest.raises(BadLineError) as told:
            read_lines(ACCOUNT_PLANS, io.TextIOWrapper(io.BytesIO(b"\n".join(lines)), encoding="utf-8"))
        return str(told.value)

    # As long as what is decoded at once.
    filler = b" " * io.DEFAULT_BUFFER_SIZE
    assert read(b"[]", filler, b"\xff") == "line 1: not a JSON object"
    assert read(json.dumps(GOOD).encode(), filler, b"\xff") == "after line 1: not UTF-8, so no JSON Lines"


def test_a_file_without_lines_has_no_records_and_the_columns_of_its_topic() -> None:
    empty = read_lines(RATES, io.StringIO("\n"))
    assert (len(empty), empty.columns) == (0, [field["name"] for field in fields_of("Rate")] + ["line"])
