"""The page behind a link: what it sends, what it refuses, and what it never touches."""

import asyncio
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from exporter.storage.keys import ExportKeys
from exporter.storage.links import Link, LinkSigner
from exporter.storage.objects import ExportStorage, StorageUnavailableError
from exporter.storage.records import ExportRecords
from exporter.web.downloads import DownloadPage
from exporter.web.pages import add_pages

NOW_MICROS = 1_767_225_600_000_000
SIGNER = LinkSigner(b"a secret of at least thirty-two bytes")
ACCOUNT, EXPORT = "acme\n2026 forged line", "0b7e7a2c-5d4b-4b6e-9b57-2a8f8a3f8a10"
KEYS = ExportKeys.of(ACCOUNT, EXPORT)
CONTENT = b"0123456789"
Answer = tuple[int, dict[str, str], bytes]


def link(**fields: Any) -> str:
    everything = {
        "object_key": KEYS.file,
        "account_id": ACCOUNT,
        "export_id": EXPORT,
        "file_name": "credit-movements.csv",
        "expires_at_micros": NOW_MICROS + 1,
    } | fields
    return SIGNER.path(Link(**everything))


@pytest.fixture
def storage(tmp_path: Path) -> ExportStorage:
    storage = ExportStorage.open(f"file://{tmp_path}/storage")
    storage.put_stream(KEYS.file, [CONTENT])
    (tmp_path / "secret.csv").write_text("not yours")
    return storage


def answers(storage: ExportStorage, *requests: tuple[str, str, dict[str, str]]) -> list[Answer]:
    """What comes for (method, target, headers): each target sent exactly as it is given."""
    return asyncio.run(asyncio.wait_for(_answers(storage, requests), 60))


def get(storage: ExportStorage, target: str, method: str = "GET", **headers: str) -> Answer:
    return answers(storage, (method, target, {name.replace("_", "-"): text for name, text in headers.items()}))[0]


async def _answers(storage: ExportStorage, requests: tuple[tuple[str, str, dict[str, str]], ...]) -> list[Answer]:
    app = web.Application()
    page = DownloadPage(storage, SIGNER, lambda: NOW_MICROS, timedelta(minutes=5))
    add_pages(app, page, [], {}, CollectorRegistry())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        return [await _answer(port, *request) for request in requests]
    finally:
        await runner.cleanup()


async def _answer(port: int, method: str, target: str, headers: dict[str, str]) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = "".join(f"{name}: {text}\r\n" for name, text in {"Host": "x", "Connection": "close", **headers}.items())
    writer.write(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("utf-8", "surrogateescape"))
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    status, *fields = head.decode("latin-1").split("\r\n")
    return int(status.split()[1]), {k: v for k, _, v in (each.partition(": ") for each in fields)}, body


def test_a_link_gives_the_file_and_nobody_keeps_a_copy(storage: ExportStorage) -> None:
    status, headers, body = get(storage, link())
    assert (status, body) == (200, CONTENT)
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert headers["Content-Disposition"] == 'attachment; filename="credit-movements.csv"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private, no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Content-Length"] == "10"


def test_refusals_are_not_kept_or_sniffed_either(storage: ExportStorage) -> None:
    for target, refusal in ((link() + "?", 403), (link(expires_at_micros=NOW_MICROS), 410)):
        status, headers, _ = get(storage, target)
        assert (status, headers["Cache-Control"]) == (refusal, "private, no-store")
        assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")


def test_head_tells_all_and_sends_nothing(storage: ExportStorage) -> None:
    _, of_get, _ = get(storage, link())
    status, of_head, body = get(storage, link(), "HEAD")
    assert (status, body) == (200, b"")
    assert {**of_head, "Date": ""} == {**of_get, "Date": ""}
    # Ranges are of GET alone: RFC 9110, section 14.2.
    assert get(storage, link(), "HEAD", Range="bytes=1-2")[1]["Content-Length"] == "10"


@pytest.mark.parametrize(
    ("text", "part", "content_range"),
    [
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        (" bytes=1-2 ", b"12", "bytes 1-2/10"),
    ],
)
def test_a_part_can_be_asked_for(storage: ExportStorage, text: str, part: bytes, content_range: str) -> None:
    status, headers, body = get(storage, link(), Range=text)
    assert (status, body, headers["Content-Range"]) == (206, part, content_range)


def test_a_part_beyond_the_end_is_answered_with_the_length(storage: ExportStorage) -> None:
    status, headers, _ = get(storage, link(), Range="bytes=10-")
    assert (status, headers["Content-Range"]) == (416, "bytes */10")


def test_a_download_goes_on_where_it_broke_off_if_the_file_is_the_same(storage: ExportStorage) -> None:
    etag = get(storage, link(), Range="bytes=0-4")[1]["ETag"]
    assert get(storage, link(), Range="bytes=5-", If_Range=etag)[::2] == (206, b"56789")
    assert get(storage, link(), Range="bytes=5-", If_Range='"other"')[::2] == (200, CONTENT)
    assert get(storage, link(), Range="bytes=99-", If_Range='"other"')[::2] == (200, CONTENT)
    assert get(storage, link(), If_None_Match=etag)[::2] == (304, b"")
    assert get(storage, link(), If_Match='"other"')[0] == 412


def test_an_expired_link_is_gone(storage: ExportStorage) -> None:
    assert get(storage, link(expires_at_micros=NOW_MICROS))[0] == 410


def test_a_deleted_export_is_gone_for_good_even_if_a_worker_writes_its_file_again(storage: ExportStorage) -> None:
    records = ExportRecords(storage)
    storage.create_record(KEYS.outcome, {"notification": {}})
    storage.put_stream(KEYS.file.replace(".csv", ".manifest.json"), [b"{}"])
    assert records.delete_files(ACCOUNT, EXPORT)
    assert list(storage.list_objects("files")) == []
    assert get(storage, link())[0] == 410
    storage.put_stream(KEYS.file, [CONTENT])
    assert get(storage, link())[0] == 410
    assert get(storage, link(), "HEAD")[0] == 410
    assert records.delete_files(ACCOUNT, EXPORT)


def test_only_what_is_there_can_be_deleted(storage: ExportStorage) -> None:
    assert not ExportRecords(storage).delete_files(ACCOUNT, EXPORT)
    assert not ExportRecords(storage).delete_files("other", EXPORT)
    assert get(storage, link())[0] == 200


def test_a_file_that_vanished_is_not_found(storage: ExportStorage) -> None:
    storage.delete(KEYS.file)
    assert get(storage, link())[0] == 404


def test_a_storage_that_is_away_is_said_to_the_reader_and_in_the_log(
    storage: ExportStorage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_: str) -> None:
        raise StorageUnavailableError("away")

    monkeypatch.setattr(storage, "find", away)
    assert get(storage, link())[0] == 503
    assert f"a download of export {EXPORT} is refused: away" in caplog.text
    assert not any(secret in caplog.text for secret in link().split("/")[2].split("."))


def test_a_link_of_ours_that_names_a_file_of_another_export_is_a_bug_and_gives_nothing(
    storage: ExportStorage, caplog: pytest.LogCaptureFixture
) -> None:
    for key in (ExportKeys.of("other", EXPORT).file, KEYS.request, KEYS.outcome, "../secret.csv", "secret.csv", ""):
        status, _, body = get(storage, link(object_key=key))
        assert status == 500
        assert b"not yours" not in body
    assert all(link(object_key=key) not in caplog.text for key in ("../secret.csv", KEYS.request))


HOSTILE = [
    "/downloads/../../secret.csv",
    "/downloads/..%2f..%2fsecret.csv",
    "/downloads/%2e%2e/%2e%2e/secret.csv",
    "/downloads/%252e%252e%252fsecret.csv",
    "/downloads/..\\..\\secret.csv",
    "/downloads//etc/passwd",
    "/downloads/%2Fetc%2Fpasswd",
    "/downloads/file:///etc/passwd",
    "http://x/downloads/../secret.csv",
    "/downloads/%00",
    "/downloads/x\x00.csv",
    "/downloads/%c0%ae%c0%ae/secret.csv",
    "/downloads/\u2025/\uff0fsecret.csv",
    "/downloads/" + "../" * 400 + "secret.csv",
    "/downloads/" + "a" * 7000,
    "/downloads/" + "a" * 100_000,
    "/downloads/" + "." * 3000 + "/x",
    "/downloads/" + KEYS.file,
    "/" + KEYS.file,
    "/storage/" + KEYS.file,
    "*",
]


def around_a_link() -> list[str]:
    path = link()
    token, name = path.split("/")[2:]
    return [
        path + "?",
        path + "?x=1",
        path + "#x",
        path + "/",
        path + "%00",
        path + "/../x.csv",
        path.replace(name, f"x/../{name}"),
        path.replace(name, f"%2e/{name}"),
        path.replace("/downloads/", "/downloads/./"),
        path.replace("/downloads/", "/downloads//"),
        path.replace("/downloads/", "/x/../downloads/"),
        path.replace("/downloads/", "/%64ownloads/"),
        path.replace(".csv", "%2ecsv"),
        path.replace(".csv", ".CSV"),
        path.replace(token, token.replace(".", "%2e")),
        path.replace(token, token + "="),
        path.replace(token, token.upper()),
        path.replace(token, token + " "),
        f"http://elsewhere{path}",
    ]


def test_no_path_from_outside_ever_touches_the_disk(storage: ExportStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    touched: list[Any] = []
    for name in ("find", "size_bytes", "read_record", "read_range", "presigned_url", "list_objects"):
        monkeypatch.setattr(storage, name, lambda *asked: touched.append(asked))
    targets = [*HOSTILE, *around_a_link()]
    seen = answers(storage, *(("GET", target, {}) for target in targets))
    assert {status for status, _, _ in seen} <= {400, 403, 404}
    assert touched == []
    assert all(b"not yours" not in body and CONTENT not in body for _, _, body in seen)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_other_character_on_the_wire_gives_no_file(storage: ExportStorage, data: st.DataObject) -> None:
    path = link()
    at = data.draw(st.integers(0, len(path) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=255).filter(lambda each: each != path[at]))
    status, _, body = get(storage, path[:at] + other + path[at + 1 :])
    assert status in (400, 403, 404)
    assert CONTENT not in body


def test_a_download_is_logged_with_account_and_export_and_without_the_token(
    storage: ExportStorage, caplog: pytest.LogCaptureFixture
) -> None:
    path = link()
    token = path.split("/")[2]
    with caplog.at_level(logging.DEBUG):
        get(storage, path)
        get(storage, path, Range="bytes=99-")
        get(storage, path + "?")
        get(storage, path, "POST")
        get(storage, link(expires_at_micros=NOW_MICROS))
    lines = [record.getMessage() for record in caplog.records if record.name == "exporter.web.downloads"]
    # An account may be named anything: no id begins a line of its own.
    assert lines == [f"download of export {EXPORT} of account {ACCOUNT!r}: GET {status}" for status in (200, 416)]
    for secret in (token, *token.split(".")):
        assert secret not in caplog.text
