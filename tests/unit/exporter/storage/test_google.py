"""What Google's storage has of its own: its links, which are signed for its own address, and the parts of uploads."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from exporter.storage.objects import ExportStorage
from tests.google.account import SIGNED_HOST, ServiceAccount, expiry
from tests.google.server import GoogleServer
from tests.s3.storages import in_cloud


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_is_signed_with_the_service_accounts_key_for_one_method_object_and_time(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = ServiceAccount.new()
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", account.file_text())
    before = datetime.now(UTC).replace(microsecond=0)
    url = ExportStorage.open("gs://bucket/exports").presigned_url(
        "HEAD" if method == "HEAD" else "GET", "files/x.csv", timedelta(minutes=5)
    )
    assert url is not None
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", SIGNED_HOST, "/bucket/exports/files/x.csv")
    target = f"{parts.path}?{parts.query}"
    assert before <= expiry(target) - timedelta(minutes=5) <= datetime.now(UTC)
    assert account.signed_url(method, target)
    assert not ServiceAccount.new().signed_url(method, target)
    assert not account.signed_url("GET" if method == "HEAD" else "HEAD", target)
    assert not account.signed_url(method, target.replace("x.csv", "y.csv"))
    assert not account.signed_url(method, target.replace("X-Goog-Expires=300", "X-Goog-Expires=301"))


def test_an_upload_that_fails_or_succeeds_leaves_no_parts_that_google_charges_for(
    google: GoogleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = in_cloud(google, monkeypatch)
    begun: list[int] = []

    def pieces() -> Iterator[bytes]:
        for _ in range(4):
            yield b"x" * 6_000_000
            begun.append(google.api.unfinished_uploads)
        raise KeyError("half-way")

    with pytest.raises(KeyError, match="half-way"):
        storage.put_stream("files/x.csv", pieces())
    assert begun[-1] == 1
    assert google.api.unfinished_uploads == 0
    storage.put_stream("files/x.csv", [b"x" * 6_000_000] * 2)
    assert google.api.unfinished_uploads == 0
