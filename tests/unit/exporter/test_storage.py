"""What the exporter relies on in an object storage, on each kind that runs here."""

import asyncio
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.storage import CorruptRecordError, ExportStorage, StorageUnavailableError, StorageUrlError


@pytest.fixture(params=["memory", "file"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> ExportStorage:
    return ExportStorage.open("memory:///" if request.param == "memory" else f"file://{tmp_path}/a%20folder/ü")


async def whole(storage: ExportStorage, key: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in storage.read_range(key, start, end)])


def test_a_file_is_written_from_pieces_counted_and_hashed(storage: ExportStorage) -> None:
    pieces = [os.urandom(1_500_000) for _ in range(8)]
    stored = storage.put_stream("files/x.csv", iter(pieces))
    content = b"".join(pieces)
    assert (stored.size_bytes, stored.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert storage.size_bytes("files/x.csv") == len(content)
    assert asyncio.run(whole(storage, "files/x.csv", 0, len(content))) == content
    assert asyncio.run(whole(storage, "files/x.csv", 4_000_000, 9_000_001)) == content[4_000_000:9_000_001]


def test_a_file_that_fails_half_way_never_appears(storage: ExportStorage) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 8_000_000
        raise KeyError("half-way")

    with pytest.raises(KeyError, match="half-way"):
        storage.put_stream("files/x.csv", pieces())
    assert storage.size_bytes("files/x.csv") is None
    assert list(storage.list_objects("files")) == []


def test_a_record_is_written_once(storage: ExportStorage) -> None:
    assert storage.read_record("records/1.json") is None
    assert storage.create_record("records/1.json", {"who": "first, ü"})
    assert not storage.create_record("records/1.json", {"who": "second"})
    assert storage.read_record("records/1.json") == {"who": "first, ü"}


def test_a_record_that_cannot_be_read_is_somebodys_business(storage: ExportStorage) -> None:
    storage.put_stream("records/1.json", [b"{"])
    with pytest.raises(CorruptRecordError, match=r"records/1\.json"):
        storage.read_record("records/1.json")


def test_a_listing_tells_what_lies_in_a_folder(storage: ExportStorage) -> None:
    before_micros = time.time_ns() // 1000 - 1_000_000
    for key in ("a/1/x.json", "a/2.json", "ab/3.json"):
        storage.create_record(key, {})
    listed = list(storage.list_objects("a"))
    assert {each.key for each in listed} == {"a/1/x.json", "a/2.json"}
    assert all(each.modified_at_micros > before_micros and each.size_bytes == 2 for each in listed)
    assert list(storage.list_objects("nothing")) == []


def test_deleting_what_is_gone_is_no_error(storage: ExportStorage) -> None:
    storage.create_record("a/1.json", {})
    storage.delete("a/1.json")
    storage.delete("a/1.json")
    assert storage.read_record("a/1.json") is None


def test_what_a_killed_upload_left_on_disk_is_deleted_once_it_is_old(tmp_path: Path) -> None:
    storage = ExportStorage.open(f"file://{tmp_path}")
    storage.put_stream("files/a/x.csv", [b"x"])
    leftover = tmp_path / "files" / "a" / "y.csv#3"
    leftover.write_bytes(b"half")
    now_micros = time.time_ns() // 1000
    assert storage.delete_leftovers(now_micros - 60_000_000) == 0
    assert storage.delete_leftovers(now_micros + 60_000_000) == 1
    assert [path.name for path in leftover.parent.iterdir()] == ["x.csv"]
    assert ExportStorage.open("memory:///").delete_leftovers(now_micros) == 0


def test_a_storage_that_is_in_the_way_of_itself_is_an_outage(tmp_path: Path) -> None:
    folder = tmp_path / "storage"
    storage = ExportStorage.open(f"file://{folder}")
    folder.rmdir()
    folder.write_text("a file")
    with pytest.raises(StorageUnavailableError):
        storage.create_record("a/1.json", {})
    with pytest.raises(StorageUnavailableError):
        storage.read_record("a/1.json")
    with pytest.raises(StorageUnavailableError):
        list(storage.list_objects("a"))
    with pytest.raises(StorageUnavailableError):
        storage.put_stream("a/1.csv", [b"x"])
    with pytest.raises(StorageUnavailableError):
        storage.check()


@pytest.mark.parametrize(
    "url", ["", "exports", "file://", "file:///", "file://exports", "ftp://x/y", "http://x/y", "s3://", "az://c"]
)
def test_a_url_that_names_no_storage_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(StorageUrlError) as refusal:
        ExportStorage.open(url)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith(url)


@pytest.mark.parametrize("url", ["s3://bucket/exports", "gs://bucket/exports"])
def test_clouds_are_named_by_url(url: str) -> None:
    ExportStorage.open(url)
