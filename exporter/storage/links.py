"""Links to exported files. A link lets its holder read that one file until the link expires, and nothing else.

A link is `/downloads/<token>/<file name>`. The token holds object, account, export, file name and expiry, signed together: so
nobody can change them, and we keep no list of links. Only itsdangerous compares signatures, in constant time.
"""

import hashlib
import json
from dataclasses import astuple, dataclass
from enum import Enum
from urllib.parse import quote

from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode

_ROOT = "/downloads/"
_SALT = b"credit-movements/download-link/2"


@dataclass(frozen=True)
class Link:
    """What a link allows: reading one object of one account until an instant (microseconds since the epoch, UTC)."""

    object_key: str
    account_id: str
    export_id: str
    file_name: str
    expires_at_micros: int


class LinkRefusal(Enum):
    ALTERED = "This link is not valid. Please use the link exactly as you received it."
    EXPIRED = "This link has expired. Please export again."


class LinkSigner:
    """Signs with `secret`, of at least 32 bytes. Takes what was signed with it, or with `previous` where there is one."""

    def __init__(self, secret: bytes, previous: bytes | None = None) -> None:
        # itsdangerous signs with the last key, and verifies with all of them.
        keys = [secret] if previous is None else [previous, secret]
        self._signer = Signer(keys, salt=_SALT, key_derivation="hmac", digest_method=hashlib.sha256)

    def path(self, link: Link) -> str:
        """The path of the link, to be put behind the public URL."""
        body = json.dumps(astuple(link), ensure_ascii=False, separators=(",", ":")).encode()
        return f"{_ROOT}{self._signer.sign(base64_encode(body)).decode()}/{quote(link.file_name, safe='')}"

    def verify(self, target: str, now_micros: int) -> Link | LinkRefusal:
        """What `target`, the request's path and query exactly as they came, allows at this moment."""
        token, _, _ = target.removeprefix(_ROOT).partition("/")
        link = self._signed(token)
        if link is None or target != f"{_ROOT}{token}/{quote(link.file_name, safe='')}":
            return LinkRefusal.ALTERED
        return link if now_micros < link.expires_at_micros else LinkRefusal.EXPIRED

    def _signed(self, token: str) -> Link | None:
        _, _, signature = token.rpartition(".")
        try:
            # Base64 has several spellings of the same bytes. Only the one that we write is valid.
            if base64_encode(base64_decode(signature)).decode() != signature:
                return None
            body = base64_decode(self._signer.unsign(token))
        except (BadData, ValueError):
            return None
        return Link(*json.loads(body))
