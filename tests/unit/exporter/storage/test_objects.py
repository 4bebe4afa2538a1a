"""What the exporter relies on in an object storage, on each kind that runs here."""

import asyncio
import hashlib
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.storage.objects import CorruptRecordError, ExportStorage, StorageUnavailableError, StorageUrlError
from tests.s3.server import S3Server
from tests.s3.storages import CLOUDS, KINDS, WITH_ENDPOINT, CloudServer, in_cloud, storage_of_kind


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> CloudServer:
    server: CloudServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExportStorage:
    return storage_of_kind(request, monkeypatch, f"file://{tmp_path}/a%20folder/ü")


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
    # S3 and Azure tell whole seconds.
    assert all(
        each.modified_at_micros >= before_micros // 1_000_000 * 1_000_000 and each.size_bytes == 2 for each in listed
    )
    assert list(storage.list_objects("nothing")) == []


def test_deleting_what_is_gone_is_no_error(storage: ExportStorage) -> None:
    storage.create_record("a/1.json", {})
    storage.delete("a/1.json")
    storage.delete("a/1.json")
    assert storage.read_record("a/1.json") is None


def test_what_is_found_has_its_length_and_a_tag_that_changes_with_it(storage: ExportStorage) -> None:
    assert storage.find("files/x.csv") is None
    storage.put_stream("files/x.csv", [b"one"])
    first = storage.find("files/x.csv")
    storage.put_stream("files/x.csv", [b"three"])
    second = storage.find("files/x.csv")
    assert first is not None
    assert second is not None
    assert (first.size_bytes, second.size_bytes) == (3, 5)
    assert first.etag != second.etag
    assert all(str(each.etag)[0] == str(each.etag)[-1] == '"' for each in (first, second))


HEADERS = {"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": 'attachment; filename="x.csv"'}


def fetched(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=10) as answer:
            return answer.status, {name.lower(): text for name, text in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, {}, b""


def test_a_presigned_url_gives_one_object_for_its_time(cloud: CloudServer, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = in_cloud(cloud, monkeypatch)
    content = os.urandom(12_000_000)  # in parts
    storage.put_stream("files/x.csv", [content], HEADERS)
    storage.put_stream("files/y.csv", [b"y"], HEADERS)
    url = storage.presigned_url("GET", "files/x.csv", timedelta(seconds=4))
    assert url is not None
    status, headers, body = fetched(url)
    assert (status, body) == (200, content)
    assert {name.lower(): text for name, text in HEADERS.items()}.items() <= headers.items()
    assert fetched(url, Range="bytes=5-9")[::2] == (206, content[5:10])
    assert fetched(url.replace("x.csv", "y.csv"))[0] == 403
    assert fetched(url.split("?")[0])[0] in (403, 404)  # Azure does not tell a stranger what is there
    assert fetched(altered(url))[0] == 403
    time.sleep(5)
    assert fetched(url)[0] in (400, 403)  # 400 at Google
    head = storage.presigned_url("HEAD", "files/x.csv", timedelta(seconds=60))
    assert head is not None
    assert fetched(head, "HEAD")[1]["content-length"] == "12000000"


def altered(url: str) -> str:
    """With another letter in the signature."""
    before, name, signature = url.rpartition("ignature=" if "ignature=" in url else "sig=")
    return before + name + ("a" if signature[0] != "a" else "b") + signature[1:]


def test_s3_signs_for_one_method_alone(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = in_cloud(s3, monkeypatch)
    storage.put_stream("files/x.csv", [b"x"])
    url = storage.presigned_url("GET", "files/x.csv", timedelta(seconds=60))
    assert url is not None
    assert fetched(url, "HEAD")[0] == 403


def test_what_is_deleted_is_gone_behind_a_presigned_url_too(
    cloud: CloudServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = in_cloud(cloud, monkeypatch)
    storage.put_stream("files/x.csv", [b"x"])
    url = storage.presigned_url("GET", "files/x.csv", timedelta(seconds=60))
    assert url is not None
    storage.delete("files/x.csv")
    assert fetched(url)[0] == 404


@pytest.mark.parametrize("cloud", WITH_ENDPOINT, indirect=True)
def test_a_presigned_url_is_for_the_public_endpoint(cloud: CloudServer, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = in_cloud(cloud, monkeypatch, cloud.public_endpoint)
    storage.put_stream("files/x.csv", [b"x"])
    url = storage.presigned_url("GET", "files/x.csv", timedelta(seconds=60))
    assert url is not None
    assert url.startswith(f"{cloud.public_endpoint}/exports/")
    assert fetched(url)[0] == 200


def test_s3_signs_for_one_name_alone(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = in_cloud(s3, monkeypatch, s3.public_endpoint)
    storage.put_stream("files/x.csv", [b"x"])
    url = storage.presigned_url("GET", "files/x.csv", timedelta(seconds=60))
    assert url is not None
    # Signed for that name: put in afterwards, another would not do.
    assert fetched(url.replace(s3.public_endpoint, s3.endpoint))[0] == 403


def test_where_customers_cannot_reach_the_storage_nothing_is_presigned(
    cloud: CloudServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert in_cloud(cloud, monkeypatch, "none").presigned_url("GET", "files/x.csv", timedelta(seconds=60)) is None
    assert ExportStorage.open("memory:///").presigned_url("GET", "files/x.csv", timedelta(seconds=60)) is None


def test_a_wrong_key_is_an_outage(cloud: CloudServer, monkeypatch: pytest.MonkeyPatch) -> None:
    in_cloud(cloud, monkeypatch).check()
    for name, value in cloud.environment_with_a_wrong_key().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorageUnavailableError):
        ExportStorage.open(cloud.url).check()


def test_a_bucket_that_is_not_there_is_an_outage(cloud: CloudServer, monkeypatch: pytest.MonkeyPatch) -> None:
    in_cloud(cloud, monkeypatch).check()
    with pytest.raises(StorageUnavailableError):
        ExportStorage.open(f"{cloud.url}-not-there").check()


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [("file:///x", "https://x"), ("gs://b", "https://x"), ("az://c", "x"), ("s3://b", "x"), ("s3://b", "/x")],
)
def test_a_public_endpoint_is_for_s3_and_azure_and_a_url(url: str, endpoint: str) -> None:
    with pytest.raises(StorageUrlError, match="a public endpoint"):
        ExportStorage.open(url, endpoint)


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


def test_a_bucket_that_lists_names_in_no_order_is_refused() -> None:
    with pytest.raises(StorageUrlError, match="a general purpose bucket would do"):
        ExportStorage.open("s3://exports--use1-az4--x-s3/exports")


def test_the_first_name_behind_another_is_found_in_its_folder_alone(storage: ExportStorage) -> None:
    for key in ("a/9", "b/1.x", "b/2.y", "b/2.x", "b/30.x", "c/1"):
        storage.create_record(key, {})
    found = [storage.first_behind(key) for key in ("b/0", "b/1", "b/2", "b/2.x", "b/3", "b/31", "nothing/0")]
    assert found == ["b/1.x", "b/1.x", "b/2.x", "b/2.y", "b/30.x", None, None]


@pytest.mark.parametrize("url", ["s3://bucket/exports", "gs://bucket/exports"])
def test_clouds_are_named_by_url(url: str) -> None:
    ExportStorage.open(url)
