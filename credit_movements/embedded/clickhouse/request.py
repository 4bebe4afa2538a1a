"""What one HTTP request asks of ClickHouse: who, what, with which settings and data."""

import base64
import binascii
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from typing import BinaryIO
from urllib.parse import parse_qsl

from credit_movements.embedded.clickhouse.engine import Context
from credit_movements.embedded.clickhouse.errors import not_implemented, refusal
from credit_movements.embedded.clickhouse.statements import InsertHead, insert_head

_HEAD_BYTES = 64 * 1024
_MAX_STATEMENT_BYTES = 64 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024

# Parameters of the HTTP interface itself; all others are settings of the query. A request has no session here: each
# stands alone, and compression between two processes of one machine costs more than it saves.
_STATEMENT_PARAMETERS = {"query", "query_id", "database", "default_format", "wait_end_of_query", "buffer_size"}
_USER_PARAMETERS = {"user", "password", "role", "quota_key"}
_SESSION_PARAMETERS = {"session_id", "session_timeout", "session_check", "client_protocol_version", "stacktrace"}
_TRANSPORT_PARAMETERS = {
    "compress",
    "decompress",
    "enable_http_compression",
    "http_zlib_compression_level",
    "send_progress_in_http_headers",
    "http_headers_progress_interval_ms",
}
_NOT_SETTINGS = _STATEMENT_PARAMETERS | _USER_PARAMETERS | _SESSION_PARAMETERS | _TRANSPORT_PARAMETERS


@dataclass(frozen=True)
class Credentials:
    user: str
    password: str


@dataclass(frozen=True)
class Request:
    """One statement. Of an INSERT that brings its data: `insert` and `data`; of all others `text`."""

    text: bytes
    insert: InsertHead | None
    data: Iterable[bytes]
    context: Context
    wait_end_of_query: bool
    default_format: str | None
    query_id: str


def credentials_of(query_string: str, headers: Message) -> Credentials:
    """By Basic authentication, by ClickHouse's own headers, or in the URL, in this order; user `default` if unnamed."""
    kind, _, encoded = headers.get("Authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return Credentials("", "")
        return Credentials(user, password)
    if "X-ClickHouse-User" in headers or "X-ClickHouse-Key" in headers:
        return Credentials(headers.get("X-ClickHouse-User", "default"), headers.get("X-ClickHouse-Key", ""))
    url = _pairs(query_string)
    return Credentials(url.get("user", "default"), url.get("password", ""))


def read_request(method: str, query_string: str, headers: Message, body: BinaryIO) -> Request:
    """Reads the statement, and no more than the beginning of an INSERT's data. Raises ClickHouseError and what reading
    the body raises."""
    url = _pairs(query_string)
    if headers.get_content_type() == "multipart/form-data":
        url, body = {**url, **_form_fields(headers, body)}, io.BytesIO()
    head, insert = _statement_head(url.get("query", "").encode(), body)
    return Request(
        text=b"" if insert else head + _rest_of_statement(body),
        insert=insert,
        data=_pieces(head[insert.data_offset :], body) if insert else (),
        context=Context(
            database=url.get("database") or headers.get("X-ClickHouse-Database") or "",
            settings={key: value for key, value in url.items() if not _is_special(key)},
            parameters={key.removeprefix("param_"): value for key, value in url.items() if key.startswith("param_")},
            read_only=method == "GET",
        ),
        wait_end_of_query=url.get("wait_end_of_query") in {"1", "true"},
        default_format=url.get("default_format") or headers.get("X-ClickHouse-Format"),
        query_id=url.get("query_id", ""),
    )


def _pairs(query_string: str) -> dict[str, str]:
    return dict(parse_qsl(query_string, keep_blank_values=True))


def _is_special(key: str) -> bool:
    return key in _NOT_SETTINGS or key.startswith("param_")


def _statement_head(query: bytes, body: BinaryIO) -> tuple[bytes, InsertHead | None]:
    """As in ClickHouse, a statement in the URL and the body are read one after the other, as one text."""
    head = query + b"\n" if query else b""
    insert = insert_head(head)
    if insert is None:
        head += body.read(_HEAD_BYTES)
        insert = insert_head(head)
    return head, insert


def _rest_of_statement(body: BinaryIO) -> bytes:
    rest = body.read(_MAX_STATEMENT_BYTES)
    if body.read(1):
        raise refusal(62, "SYNTAX_ERROR", f"A statement of more than {_MAX_STATEMENT_BYTES} bytes")
    return rest


def _pieces(first: bytes, body: BinaryIO) -> Iterator[bytes]:
    if first:
        yield first
    while piece := body.read(_PIECE_BYTES):
        yield piece


def _form_fields(headers: Message, body: BinaryIO) -> Mapping[str, str]:
    """The fields of a multipart form, which clients use for long statements and parameters."""
    message = message_from_bytes(
        b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body.read(_MAX_STATEMENT_BYTES)
    )
    fields = {}
    for part in message.walk():
        if part.is_multipart():
            continue
        if part.get_filename() is not None:
            raise not_implemented("external data sent with a query")
        content = part.get_payload(decode=True)
        fields[str(part.get_param("name", header="content-disposition"))] = (
            content.decode() if isinstance(content, bytes) else ""
        )
    return fields
