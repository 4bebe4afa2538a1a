"""A service account, and Google's two ways of telling that a request is its own: a token that it signed, a URL that it signed.

Written from Google's documentation (V4 signing process; canonical requests; service accounts without OAuth), not from obstore.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

EMAIL = "tests@example.com"
# What a signed URL names, whatever address leads to the storage: obstore signs for no other.
SIGNED_HOST = "storage.googleapis.com"
_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class ServiceAccount:
    """An account with a key of its own."""

    key: rsa.RSAPrivateKey

    @classmethod
    def new(cls) -> "ServiceAccount":
        return cls(rsa.generate_private_key(65537, 2048))

    @cached_property
    def pem(self) -> str:
        text = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return text.decode()

    def file_text(self, base_url: str | None = None) -> str:
        """What `GOOGLE_SERVICE_ACCOUNT` names a file of; `base_url` is where the storage is, if it is not Google's."""
        fields = {"type": "service_account", "private_key": self.pem, "private_key_id": "1", "client_email": EMAIL}
        return json.dumps(fields if base_url is None else {**fields, "gcs_base_url": base_url})

    def wrote_token(self, authorization: str, now: datetime) -> bool:
        """Whether a header is `Bearer` with a token of this account that is still good."""
        message, _, signature = authorization.removeprefix("Bearer ").rpartition(".")
        if not self._signed(message, _decoded(signature)):
            return False
        claims = json.loads(_decoded(message.partition(".")[2]))
        return bool(claims["iss"] == EMAIL and claims["iat"] - 60 <= now.timestamp() < claims["exp"])

    def signed_url(self, method: str, target: str) -> bool:
        """Whether the account signed this method for this target (path and query). The time is `expiry`'s matter."""
        path, _, query = target.partition("?")
        signed, _, signature = query.rpartition("&X-Goog-Signature=")
        fields = dict(parse_qsl(signed))
        day = fields.get("X-Goog-Date", "")[:8]
        scope = f"{day}/auto/storage/goog4_request"
        if fields.get("X-Goog-Credential") != f"{EMAIL}/{scope}" or fields.get("X-Goog-SignedHeaders") != "host":
            return False
        sorted_query = "&".join(sorted(signed.split("&")))
        request = "\n".join([method, path, sorted_query, f"host:{SIGNED_HOST}", "", "host", "UNSIGNED-PAYLOAD"])
        digest = hashlib.sha256(request.encode()).hexdigest()
        to_sign = "\n".join(["GOOG4-RSA-SHA256", fields["X-Goog-Date"], scope, digest])
        return self._signed(to_sign, _from_hex(signature))

    def _signed(self, text: str, signature: bytes) -> bool:
        try:
            self.key.public_key().verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


def expiry(target: str) -> datetime:
    """When a signed URL ends."""
    fields = dict(parse_qsl(target.partition("?")[2]))
    begin = datetime.strptime(fields["X-Goog-Date"], _TIME).replace(tzinfo=UTC)
    return begin + timedelta(seconds=int(fields["X-Goog-Expires"]))


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
