"""Google's storage: there is no server of it that takes what we send. Its links are signed without one, and tested here."""

import hashlib
import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from exporter.storage.objects import ExportStorage


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_is_signed_with_the_service_accounts_key_for_one_method_object_and_time(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signature is held against Google's documentation of it (V4 signing process, canonical requests)."""
    key = rsa.generate_private_key(65537, 2048)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {"private_key": text.decode(), "private_key_id": "1", "client_email": "tests@example.com"}
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps({"type": "service_account", **account}))
    url = ExportStorage.open("gs://bucket/exports").presigned_url(
        "HEAD" if method == "HEAD" else "GET", "files/x.csv", timedelta(minutes=5)
    )
    assert url is not None
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path) == (
        "https",
        "storage.googleapis.com",
        "/bucket/exports/files/x.csv",
    )
    query = {name: value for name, (value,) in parse_qs(parts.query).items()}
    assert query["X-Goog-Expires"] == "300"
    signed, _, signature = parts.query.rpartition("&X-Goog-Signature=")
    request = "\n".join([method, parts.path, signed, f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD"])
    scope = query["X-Goog-Credential"].removeprefix("tests@example.com/")
    digest = hashlib.sha256(request.encode()).hexdigest()
    to_sign = "\n".join(["GOOG4-RSA-SHA256", query["X-Goog-Date"], scope, digest])
    key.public_key().verify(bytes.fromhex(signature), to_sign.encode(), padding.PKCS1v15(), hashes.SHA256())
