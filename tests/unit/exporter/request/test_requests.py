"""Which requests are refused, and which are repeats."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.request.repeats import Ended, is_repeat
from exporter.request.requests import BadRequest, ExportRequest, RequestPosition, checked_request
from schemas.dead_letters import Reason
from schemas.partitioner import account_partition

NOW_MS = 1_767_225_600_000
PARTITIONS = 12
FIVE_MINUTES_MICROS = 300_000_000


def record(**fields: Any) -> dict[str, Any]:
    return {
        "request_id": "0b7e7a2c-5d4b-4b6e-9b57-2a8f8a3f8a10",
        "account_id": "acme",
        "requested_at": NOW_MS * 1000,
        "time_zone": None,
        "requested_by": None,
        "csv_encoding": None,
        "csv_separator": None,
        "compression": None,
        "columns": None,
        "period_from": None,
        "period_to": None,
        "descriptions": None,
        "format": None,
    } | fields


def checked(
    fields: dict[str, Any], sent_at_ms: int = NOW_MS, partition: int | None = None
) -> ExportRequest | BadRequest:
    home = account_partition(fields["account_id"], PARTITIONS)
    position = RequestPosition("log", home if partition is None else partition, 7)
    return checked_request(fields, position, sent_at_ms, partitions=PARTITIONS, tolerance=timedelta(minutes=5))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"account_id": "x" * 128},
        {"account_id": "😀" * 128},
        {"account_id": " "},
        {"requested_by": "u"},
        {"requested_by": "u" * 128},
        {"time_zone": "no such zone, which is for later to find"},
        {"requested_at": NOW_MS * 1000 - FIVE_MINUTES_MICROS},
        {"requested_at": NOW_MS * 1000 + FIVE_MINUTES_MICROS},
    ],
)
def test_a_request_in_form_is_taken(fields: dict[str, Any]) -> None:
    request = checked(record(**fields))
    assert isinstance(request, ExportRequest)
    assert request.account_id == record(**fields)["account_id"]
    assert request.position.offset == 7


@pytest.mark.parametrize(
    "fields",
    [
        {"request_id": ""},
        {"request_id": "0B7E7A2C-5D4B-4B6E-9B57-2A8F8A3F8A10"},
        {"request_id": "0b7e7a2c5d4b4b6e9b572a8f8a3f8a10"},
        {"request_id": "{0b7e7a2c-5d4b-4b6e-9b57-2a8f8a3f8a10}"},
        {"request_id": "0b7e7a2c-5d4b-4b6e-9b57-2a8f8a3f8a10\n"},
        {"request_id": "0b7e7a2c-5d4b-4b6e-9b57-2a8f8a3f8a1g"},
        {"request_id": "\u0660b7e7a2c-5d4b-4b6e-9b57-2a8f8a3f8a10"},
        {"account_id": ""},
        {"account_id": "x" * 129},
        {"requested_by": ""},
        {"requested_by": "u" * 129},
        {"requested_at": NOW_MS * 1000 - FIVE_MINUTES_MICROS - 1},
        {"requested_at": NOW_MS * 1000 + FIVE_MINUTES_MICROS + 1},
        {"requested_at": -(2**63)},
        {"requested_at": 2**63 - 1},
    ],
)
def test_a_request_out_of_form_is_an_invalid_event(fields: dict[str, Any]) -> None:
    refusal = checked(record(**fields))
    assert isinstance(refusal, BadRequest)
    assert refusal.reason is Reason.INVALID_EVENT
    assert refusal.detail


def test_a_time_that_no_calendar_has_is_refused_even_if_kafka_agrees() -> None:
    for year in (1899, 2300):
        at_ms = (datetime(year, 12, 31, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        assert isinstance(checked(record(requested_at=at_ms * 1000), sent_at_ms=at_ms), BadRequest)


def test_a_record_without_a_kafka_timestamp_is_refused() -> None:
    assert isinstance(checked(record(), sent_at_ms=-1), BadRequest)


def test_a_request_in_another_partition_than_its_accounts_is_refused() -> None:
    refusal = checked(record(), partition=(account_partition("acme", PARTITIONS) + 1) % PARTITIONS)
    assert isinstance(refusal, BadRequest)
    assert refusal.reason is Reason.WRONG_PARTITION


def test_who_asked_can_be_told_where_both_ids_can() -> None:
    for fields in ({"requested_at": 0}, {"request_id": "REQ-17"}, {"requested_by": ""}, {"requested_by": "u" * 129}):
        refusal = checked(record(**fields))
        assert isinstance(refusal, BadRequest)
        assert refusal.asked is not None
        assert refusal.asked.account_id == "acme"
        assert refusal.asked.request_id == record(**fields)["request_id"]
        assert refusal.asked.requested_by is None
    for fields in ({"account_id": ""}, {"account_id": "x" * 129}, {"request_id": ""}, {"request_id": "x" * 129}):
        refusal = checked(record(**fields))
        assert isinstance(refusal, BadRequest)
        assert refusal.asked is None
    told = checked(record(requested_at=0, requested_by="user-1"))
    assert isinstance(told, BadRequest)
    assert told.asked is not None
    assert told.asked.requested_by == "user-1"


def request_at(offset: int, *, log_id: str = "log", partition: int = 3, sent_at_ms: int = NOW_MS) -> ExportRequest:
    return ExportRequest("id", "acme", 0, None, None, RequestPosition(log_id, partition, offset), sent_at_ms)


def test_a_request_that_lay_in_the_log_when_an_earlier_export_ended_is_a_repeat() -> None:
    ended = Ended(RequestPosition("log", 3, 4), requests_end_offset=7)
    assert is_repeat(request_at(5), ended)
    assert is_repeat(request_at(6), ended)
    assert not is_repeat(request_at(7), ended)
    assert not is_repeat(request_at(6), None)


@given(st.integers(-(2**62), 2**62))
def test_no_timestamp_makes_a_repeat_or_unmakes_one(sent_at_ms: int) -> None:
    ended = Ended(RequestPosition("log", 3, 4), requests_end_offset=7)
    assert is_repeat(request_at(6, sent_at_ms=sent_at_ms), ended)
    assert not is_repeat(request_at(7, sent_at_ms=sent_at_ms), ended)


def test_a_later_request_never_makes_an_earlier_one_a_repeat_nor_itself() -> None:
    ended = Ended(RequestPosition("log", 3, 6), requests_end_offset=9)
    assert not is_repeat(request_at(5), ended)
    assert not is_repeat(request_at(6), ended)


def test_what_ended_in_a_log_that_is_gone_makes_no_repeats() -> None:
    ended = Ended(RequestPosition("log before", 3, 4), requests_end_offset=7)
    assert not is_repeat(request_at(5), ended)
    assert is_repeat(request_at(5, log_id="log before"), ended)
    assert not is_repeat(request_at(5, log_id="log before", partition=2), ended)
