"""An export in cloud storage, from the request to the bytes: our link leads to a short-lived URL of the storage."""

import hashlib
import http.client
import subprocess
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from exporter.storage.keys import ExportKeys
from tests.acceptance.command import run_forked as run
from tests.azure.server import AzureServer
from tests.integration.exporter.exporter_stack import HEADER, Stack, exporter_stack, target_of
from tests.s3.storages import CLOUDS, CloudServer

FOLDER = uuid.uuid4().hex


@pytest.fixture(scope="module")
def stack(clickhouse: str, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with exporter_stack(clickhouse, registry, tmp_path_factory.mktemp("exporter_s3")) as stack:
        yield stack


@pytest.fixture(scope="module", params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> CloudServer:
    server: CloudServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="module")
def exporter(stack: Stack, cloud: CloudServer) -> Iterator[subprocess.Popen[bytes]]:
    with stack.exporter(
        environment=cloud.environment(),
        storage_url=f"{cloud.url}/{FOLDER}",
        storage_public_endpoint=cloud.public_endpoint,
        log_level="DEBUG",
    ) as process:
        yield process


@pytest.fixture
def account() -> str:
    return f"account {uuid.uuid4()} ü/'\""


def at_storage(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", headers=headers)
        response = connection.getresponse()
        return response.status, {name.title(): text for name, text in response.getheaders()}, response.read()
    finally:
        connection.close()


@pytest.mark.usefixtures("exporter")
def test_a_click_on_the_link_leads_to_the_bytes_in_the_storage(stack: Stack, cloud: CloudServer, account: str) -> None:
    stack.movements(account, [{"interaction_id": "x" * 50_000}] * 200)  # 10 MB: uploaded in parts
    notification = stack.wait_for_notification(stack.ask(account))
    assert notification["download_url"].startswith(f"http://127.0.0.1:{stack.port}/downloads/")
    status, headers, body = stack.download(notification)
    assert (status, body) == (302, b"")
    assert headers["Cache-Control"] == "private, no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    url = headers["Location"]
    assert url.startswith(f"{cloud.public_endpoint or cloud.endpoint}/")
    assert lifetime(url) == timedelta(minutes=5)
    status, headers, body = at_storage(url)
    assert (status, len(body)) == (200, notification["size_bytes"])
    assert hashlib.sha256(body).hexdigest() == notification["sha256"]
    assert headers["Content-Disposition"] == f'attachment; filename="{notification["file_name"]}"'
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert headers["Cache-Control"] == "private, no-store"
    assert at_storage(url, Range="bytes=0-8")[::2] == (206, HEADER.encode()[:9])


def lifetime(url: str) -> timedelta:
    """For how long the storage is asked to answer a URL."""
    query = {name: text for name, (text,) in parse_qs(urlsplit(url).query).items()}
    if seconds := query.get("X-Amz-Expires") or query.get("X-Goog-Expires"):
        return timedelta(seconds=int(seconds))
    return datetime.fromisoformat(query["se"]) - datetime.fromisoformat(query["st"])


@pytest.mark.usefixtures("exporter")
def test_each_click_gets_a_url_of_its_own_and_head_one_for_head(stack: Stack, cloud: CloudServer, account: str) -> None:
    notification = stack.wait_for_notification(stack.ask(account))
    first = stack.download(notification)[1]["Location"]
    time.sleep(1.1)  # such a URL is dated to the second
    assert stack.download(notification)[1]["Location"] != first
    head = stack.download(notification, method="HEAD")[1]["Location"]
    status, headers, body = at_storage(head, "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(HEADER)), b"")
    # Azure signs for reading, by whatever method.
    assert at_storage(head)[0] == (200 if isinstance(cloud, AzureServer) else 403)


@pytest.mark.usefixtures("exporter")
def test_an_altered_link_mints_nothing_and_a_minted_url_is_of_one_file(stack: Stack, account: str) -> None:
    other = stack.wait_for_notification(stack.ask(f"{account} of somebody else"))
    notification = stack.wait_for_notification(stack.ask(account))
    for target in (target_of(notification) + "?x", target_of(notification).replace("/downloads/", "/downloads//")):
        status, headers, _ = stack.get(target)
        assert status == 403
        assert "Location" not in headers
    url = stack.download(notification)[1]["Location"]
    foreign = ExportKeys.of(other["account_id"], other["export_id"]).file
    own = ExportKeys.of(account, notification["export_id"]).file
    assert own in url
    assert at_storage(url.replace(own, foreign))[0] == 403
    record = ExportKeys.of(account, notification["export_id"]).request
    assert at_storage(url.replace(own, record))[0] == 403


@pytest.mark.usefixtures("exporter")
def test_neither_the_link_nor_the_storages_url_is_logged(stack: Stack, account: str) -> None:
    notification = stack.wait_for_notification(stack.ask(account))
    target = target_of(notification)
    url = stack.download(notification)[1]["Location"]
    stack.get(target + "?altered")
    log = (stack.folder / "exporter.log").read_text()
    assert f"download of export {notification['export_id']} of account {account!r}: GET 302" in log
    for secret in (
        target.split("/")[2],
        *target.split("/")[2].split("."),
        urlsplit(url).query,
        "X-Amz-Signature",
        "X-Goog-Signature",
        "sig=",
    ):
        assert secret not in log


@pytest.mark.usefixtures("exporter")
def test_delete_export_ends_a_link_for_good(stack: Stack, cloud: CloudServer, account: str) -> None:
    delete_export_ends_a_link_for_good(stack, account, f"{cloud.url}/{FOLDER}", cloud.environment())


def test_delete_export_ends_a_link_for_good_on_a_disk(
    clickhouse: str, registry: str, tmp_path: Path, account: str
) -> None:
    url = f"file://{tmp_path}/storage"
    # A stack of its own: beside the exporter of a cloud, that one would take the requests.
    with exporter_stack(clickhouse, registry, tmp_path) as stack, stack.exporter(storage_url=url):
        delete_export_ends_a_link_for_good(stack, account, url, {})


def delete_export_ends_a_link_for_good(stack: Stack, account: str, url: str, where: dict[str, str]) -> None:
    notification = stack.wait_for_notification(stack.ask(account))
    kept = stack.wait_for_notification(stack.ask(account))
    assert stack.download(notification)[0] in (200, 302)
    minted = stack.download(notification)[1].get("Location")
    environment = {**where, "CREDIT_EXPORT_STORAGE_URL": url}
    done = run("delete-export", account, notification["export_id"], **environment)
    assert done.returncode == 0, done.stderr
    assert stack.download(notification)[0] == 410
    assert minted is None or at_storage(minted)[0] == 404
    assert stack.download(kept)[0] in (200, 302)
    unknown = run("delete-export", account, str(uuid.uuid4()), **environment)
    assert (unknown.returncode, len(unknown.stderr.splitlines())) == (1, 1)
    assert "has no finished export" in unknown.stderr


def test_where_customers_cannot_reach_the_storage_the_exporter_sends_the_file_itself(
    stack: Stack, cloud: CloudServer, account: str, exporter: subprocess.Popen[bytes]
) -> None:
    exporter.kill()
    exporter.wait()
    where = {"environment": cloud.environment(), "storage_url": f"{cloud.url}/{FOLDER}"}
    with stack.exporter(**where, storage_public_endpoint="none"):
        notification = stack.wait_for_notification(stack.ask(account))
        status, headers, body = stack.download(notification)
        assert (status, body) == (200, HEADER.encode())
        assert headers["ETag"]
        part = stack.download(notification, headers={"Range": "bytes=5-", "If-Range": headers["ETag"]})
        assert part[::2] == (206, HEADER.encode()[5:])
