"""The exporter's memory: what is written once stands, and what expires is deleted."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.request.repeats import Ended
from exporter.request.requests import ExportRequest, RequestPosition
from exporter.request.window import Period
from exporter.storage.keys import ExportKeys
from exporter.storage.objects import ExportStorage
from exporter.storage.records import AcceptedRequest, ExportRecords, Outcome
from tests.s3.storages import KINDS, storage_of_kind

DAY_MICROS = 24 * 3600 * 1_000_000
NOW_MICROS = time.time_ns() // 1000


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExportStorage:
    return storage_of_kind(request, monkeypatch, f"file://{tmp_path}")


def accepted(account_id: str = "acme", request_id: str = "id-1", offset: int = 5, **fields: Any) -> AcceptedRequest:
    position = RequestPosition("log", 3, offset)
    request = ExportRequest(
        request_id, account_id, NOW_MICROS, "UTC", "user-1", position, sent_at_ms=NOW_MICROS // 1000
    )
    everything = {"period": Period(1, NOW_MICROS, "UTC"), "movements_log_id": "movements", "log_end_offset": 7}
    return AcceptedRequest(request, **everything | fields)


def outcome(requests_end_offset: int = 9, **fields: Any) -> Outcome:
    return Outcome({"status": "completed", "expires_at": None} | fields, requests_end_offset)


def test_the_first_worker_to_accept_a_request_fixes_its_export(storage: ExportStorage) -> None:
    records = ExportRecords(storage)
    first, second = accepted(log_end_offset=7), accepted(log_end_offset=9)
    assert records.accepted(first.request) is None
    assert records.accept(first) is first
    assert records.accept(second) == first
    assert records.accepted(second.request) == first


def test_a_request_without_a_period_is_remembered_too(storage: ExportStorage) -> None:
    records = ExportRecords(storage)
    without = accepted(period=None, log_end_offset=None)
    records.accept(without)
    assert records.accepted(without.request) == without


def test_the_first_worker_to_conclude_an_export_fixes_its_outcome(storage: ExportStorage) -> None:
    records = ExportRecords(storage)
    assert records.outcome(accepted()) is None
    assert records.conclude(accepted(), outcome(8)) == outcome(8)
    assert records.conclude(accepted(), outcome(9)) == outcome(8)
    assert records.outcome(accepted()) == outcome(8)


def end(records: ExportRecords, export: AcceptedRequest, requests_end_offset: int) -> None:
    records.accept(export)
    records.conclude(export, outcome(requests_end_offset))


def test_the_export_before_a_request_is_that_of_its_account_and_log(storage: ExportStorage) -> None:
    records = ExportRecords(storage)
    end(records, accepted(request_id="1", offset=4), 6)
    end(records, accepted(request_id="2", offset=6), 9)
    end(records, accepted(account_id="other", request_id="3", offset=7), 9)
    end(records, accepted(request_id="4", offset=9), 10)

    def before(offset: int, **position: Any) -> Ended | None:
        request = accepted(request_id="asked").request
        return records.ended_before(replace(request, position=replace(request.position, offset=offset, **position)))

    assert [before(offset) for offset in (0, 3, 4)] == [None] * 3
    assert [before(offset) for offset in (5, 6)] == [Ended(RequestPosition("log", 3, 4), 6)] * 2
    assert [before(offset) for offset in (7, 8, 9)] == [Ended(RequestPosition("log", 3, 6), 9)] * 3
    assert before(2**62) == Ended(RequestPosition("log", 3, 9), 10)
    assert before(8, log_id="another log") is None
    assert before(8, partition=2) is None


def test_an_export_before_that_has_not_ended_answers_nothing(storage: ExportStorage) -> None:
    records = ExportRecords(storage)
    end(records, accepted(request_id="1", offset=4), 6)
    records.accept(accepted(request_id="2", offset=6))
    assert records.ended_before(accepted(offset=9).request) is None


def test_an_account_of_years_costs_a_request_one_name_and_one_record(
    storage: ExportStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = ExportRecords(storage)
    # More than one page of a listing.
    for number in range(1100):
        storage.create_record(ExportKeys("a" * 64, f"{number:064x}").position(RequestPosition("log", 3, number)), {})
    monkeypatch.setattr(ExportKeys, "of", classmethod(lambda cls, *_: cls("a" * 64, "b" * 64)))
    read: list[str] = []
    monkeypatch.setattr(storage, "read_record", lambda key: read.append(key))
    assert records.ended_before(accepted(offset=1000).request) is None
    assert read == [ExportKeys("a" * 64, f"{999:064x}").outcome]


def test_a_file_and_its_manifest_are_deleted_when_the_link_has_expired_and_its_records_stay(
    storage: ExportStorage,
) -> None:
    records = ExportRecords(storage)
    export = accepted()
    records.accept(export)
    storage.put_stream(export.keys.file, [b"x"])
    storage.put_stream(export.keys.manifest, [b"{}"])
    records.conclude(export, outcome(expires_at=NOW_MICROS + 7 * DAY_MICROS))
    assert records.delete_expired_files(NOW_MICROS + 6 * DAY_MICROS, link_ttl_micros=7 * DAY_MICROS) == 0
    assert records.delete_expired_files(NOW_MICROS + 8 * DAY_MICROS, link_ttl_micros=7 * DAY_MICROS) == 2
    assert storage.size_bytes(export.keys.file) is None
    assert storage.size_bytes(export.keys.manifest) is None
    assert records.accepted(export.request) == export
    assert records.outcome(export) is not None


def test_a_file_outlives_a_shortened_setting_if_its_link_was_promised_longer(storage: ExportStorage) -> None:
    records = ExportRecords(storage)
    storage.put_stream(accepted().keys.file, [b"x"])
    records.conclude(accepted(), outcome(expires_at=NOW_MICROS + 7 * DAY_MICROS))
    assert records.delete_expired_files(NOW_MICROS + 2 * DAY_MICROS, link_ttl_micros=DAY_MICROS) == 0


def test_a_file_that_no_outcome_names_is_deleted_in_the_end(storage: ExportStorage) -> None:
    records = ExportRecords(storage)
    storage.put_stream(accepted().keys.file, [b"x"])
    storage.put_stream(accepted(request_id="failed").keys.file, [b"x"])
    records.conclude(accepted(request_id="failed"), outcome(status="failed"))
    assert records.delete_expired_files(NOW_MICROS + DAY_MICROS // 2, link_ttl_micros=DAY_MICROS) == 0
    assert records.delete_expired_files(NOW_MICROS + 2 * DAY_MICROS, link_ttl_micros=DAY_MICROS) == 2


def beside(export: AcceptedRequest, suffix: str) -> str:
    return export.keys.file.removesuffix(".csv") + suffix


def test_all_that_lies_under_an_exports_name_expires_with_it(storage: ExportStorage) -> None:
    records = ExportRecords(storage)
    export, other = accepted(), accepted(request_id="other")
    for each, days in ((export, 7), (other, 70)):
        for suffix in (".csv", ".csv.gz", ".manifest.json"):
            storage.put_stream(beside(each, suffix), [b"x"])
        records.conclude(each, outcome(expires_at=NOW_MICROS + days * DAY_MICROS))
    assert records.delete_expired_files(NOW_MICROS + 8 * DAY_MICROS, link_ttl_micros=7 * DAY_MICROS) == 3
    assert {stored.key for stored in storage.list_objects("files")} == {
        beside(other, suffix) for suffix in (".csv", ".csv.gz", ".manifest.json")
    }


def test_a_manifest_that_no_outcome_names_is_deleted_in_the_end(storage: ExportStorage) -> None:
    records = ExportRecords(storage)
    storage.put_stream(beside(accepted(), ".manifest.json"), [b"x"])
    assert records.delete_expired_files(NOW_MICROS + 2 * DAY_MICROS, link_ttl_micros=DAY_MICROS) == 1


def test_a_file_whose_outcome_waits_for_an_outage_to_end_is_left_for_a_day(storage: ExportStorage) -> None:
    records = ExportRecords(storage)
    storage.put_stream(accepted().keys.file, [b"x"])
    assert records.delete_expired_files(NOW_MICROS + DAY_MICROS // 2, link_ttl_micros=1) == 0
    assert records.delete_expired_files(NOW_MICROS + 2 * DAY_MICROS, link_ttl_micros=1) == 1


def test_deleting_an_export_takes_its_files_alone_and_is_remembered(storage: ExportStorage) -> None:
    records = ExportRecords(storage)
    export, other = accepted(), accepted(request_id="other")
    for each in (export, other):
        storage.put_stream(each.keys.file, [b"x"])
        storage.put_stream(beside(each, ".manifest.json"), [b"x"])
    assert not records.delete_files("acme", "id-1")
    records.conclude(export, outcome())
    assert records.delete_files("acme", "id-1")
    assert {stored.key for stored in storage.list_objects("files")} == {
        other.keys.file,
        beside(other, ".manifest.json"),
    }
    assert records.files_are_deleted(export.keys)
    assert not records.files_are_deleted(other.keys)


@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), min_size=2, max_size=2, unique=True))
def test_no_two_exports_share_an_object(pairs: list[tuple[str, str]]) -> None:
    first, second = (ExportKeys.of(*pair) for pair in pairs)
    objects = [{keys.file, keys.manifest, keys.request, keys.outcome} for keys in (first, second)]
    assert objects[0].isdisjoint(objects[1])


@pytest.mark.parametrize("pair", [("a", "bc"), ("ab", "c"), ("../x", "y"), ("x/y", "z"), ("", ""), ("ü", "\x00")])
def test_keys_hold_no_raw_id_and_a_file_leads_to_its_outcome(pair: tuple[str, str]) -> None:
    keys = ExportKeys.of(*pair)
    assert set(keys.file) <= set("files/0123456789abcdef.csv")
    assert ExportKeys.of_file(keys.file) == keys
    assert ExportKeys.of("ab", "c") != ExportKeys.of("a", "bc")
