"""How far the log and the rating had come when a request was admitted: asked in the right order, and kept."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from exporter.admission.admission import Admission
from exporter.foreign_outages import KafkaUnavailableError
from exporter.positions.completeness import Rated
from exporter.request.requests import ExportRequest, RequestPosition
from exporter.storage.objects import ExportStorage
from exporter.storage.records import AcceptedRequest, ExportRecords
from tests.unit.exporter.office import at_once

NOW_MICROS = 1_793_000_000_000_000
REQUEST = ExportRequest("id-1", "acme", NOW_MICROS, None, None, RequestPosition("log", 3, 5), NOW_MICROS // 1000)


def decided(
    storage: ExportStorage, log_end: Callable[[int], Awaitable[int]], rated: Callable[[int], Awaitable[Rated | None]]
) -> AcceptedRequest:
    decision = asyncio.run(Admission(ExportRecords(storage), "movements", log_end, rated, 0.3).decide(REQUEST))
    assert isinstance(decision, AcceptedRequest)
    return decision


@pytest.fixture
def storage() -> ExportStorage:
    return ExportStorage.open("memory:///")


def test_the_ledgers_state_is_asked_for_before_the_logs_end(storage: ExportStorage) -> None:
    asked: list[str] = []

    async def log_end(_: int) -> int:
        asked.append("end")
        return 9

    async def rated(_: int) -> Rated:
        asked.append("rated")
        return Rated(NOW_MICROS - 1, 9)

    accepted = decided(storage, log_end, rated)
    assert asked == ["rated", "end"]
    assert (accepted.log_end_offset, accepted.data_complete_until_micros) == (9, NOW_MICROS - 1)


def test_what_was_noted_first_stands_whoever_asks_again(storage: ExportStorage) -> None:
    first = decided(storage, at_once(9), at_once(Rated(NOW_MICROS - 1, 9)))
    assert decided(storage, at_once(20), at_once(Rated(NOW_MICROS, 20))) == first


def test_movements_that_are_rated_and_not_yet_to_be_read_are_waited_for(storage: ExportStorage) -> None:
    ends = iter([7, 7, 9])

    async def next_end(_: int) -> int:
        return next(ends)

    accepted = decided(storage, next_end, at_once(Rated(NOW_MICROS, 9)))
    assert (accepted.log_end_offset, accepted.data_complete_until_micros) == (9, NOW_MICROS)


def test_an_end_that_is_not_reached_makes_no_claim(storage: ExportStorage) -> None:
    accepted = decided(storage, at_once(7), at_once(Rated(NOW_MICROS, 9)))
    assert (accepted.log_end_offset, accepted.data_complete_until_micros) == (7, None)


def test_what_cannot_be_asked_is_not_known_and_holds_nobody_up(storage: ExportStorage) -> None:
    async def away(_: int) -> None:
        raise KafkaUnavailableError("no answer")

    accepted = decided(storage, at_once(7), away)
    assert (accepted.log_end_offset, accepted.data_complete_until_micros) == (7, None)


def test_a_record_from_before_there_was_such_a_note_is_still_read(storage: ExportStorage) -> None:
    old = {
        "request": {
            "request_id": "id-1",
            "account_id": "acme",
            "requested_at_micros": NOW_MICROS,
            "time_zone": None,
            "requested_by": None,
            "place": {"log_id": "log", "partition": 3, "offset": 5},
            "sent_at_ms": NOW_MICROS // 1000,
        },
        "period": {"from_micros": 1, "to_micros": NOW_MICROS, "time_zone": "UTC"},
        "movements_log_id": "movements",
        "log_end_offset": 4,
    }
    known = AcceptedRequest(REQUEST, None, "movements", 4)
    storage.create_record(known.keys.request, old)
    accepted = decided(storage, at_once(7), at_once(Rated(NOW_MICROS, 7)))
    assert (accepted.request, accepted.log_end_offset, accepted.data_complete_until_micros) == (REQUEST, 4, None)
