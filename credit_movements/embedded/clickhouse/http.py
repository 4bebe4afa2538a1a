"""The part of ClickHouse's HTTP interface that clickhouse-connect needs, in front of chDB.

Ping; a statement in the URL, the body or a form, with settings and parameters; the data of an INSERT from the body;
results streamed block by block (or, with `wait_end_of_query=1`, sent when they are whole); errors with ClickHouse's
numbers. Left out: sessions and temporary tables, external data, progress headers, compressed answers, many users.
"""

import hmac
import logging
import secrets
import tempfile
import time
from collections.abc import Generator, Iterable
from contextlib import closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from itertools import chain
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from credit_movements.embedded.clickhouse.answers import exception_block, result_headers, summary
from credit_movements.embedded.clickhouse.engine import Engine, Session, Statistics
from credit_movements.embedded.clickhouse.errors import ClickHouseError, authentication_failed, refusal
from credit_movements.embedded.clickhouse.request import Credentials, Request, credentials_of, read_request
from credit_movements.embedded.clickhouse.statements import (
    DEFAULT_FORMAT,
    STREAMABLE_FORMATS,
    is_read,
    output_format,
)
from credit_movements.embedded.http_body import UnreadableBodyError, decompressed, request_body
from credit_movements.embedded.serving import LoopbackServer

logger = logging.getLogger(__name__)

_SPOOL_BYTES = 16 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_MAX_DRAINED_BYTES = 256 * 1024 * 1024


class ClickHouseHandler(BaseHTTPRequestHandler):
    """One connection of one client. `clickhouse_server` gives the class that is served its engine and user."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "embedded-clickhouse"
    engine: Engine
    credentials: Credentials
    time_zone: str

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        if path.path in {"/ping", "/replicas_status"} or (path.path == "/" and not path.query):
            self._send_whole(HTTPStatus.OK, b"Ok.\n", {"Content-Type": "text/html; charset=UTF-8"})
        else:
            self.do_POST()

    def do_POST(self) -> None:
        with cast(LoopbackServer, self.server).answering() as accepted:
            if accepted:
                self._answer()
            else:
                # The server is ending: the client sees a closed connection, and asks again later.
                self.close_connection = True

    def _answer(self) -> None:
        body = None
        try:
            body = request_body(self.headers, self.rfile)
            self._authenticate()
            path = urlsplit(self.path)
            if path.path != "/":
                raise refusal(79, "INCORRECT_FILE_NAME", f"There is no handle {path.path}")
            content = decompressed(body, self.headers.get("Content-Encoding", ""))
            self._run(read_request(self.command, path.query, self.headers, content))
        except ClickHouseError as error:
            self._refuse(error, body)
        except UnreadableBodyError as error:
            self.close_connection = True
            self._refuse(refusal(33, "CANNOT_READ_ALL_DATA", f"Unreadable request body: {error}"), body)

    def _authenticate(self) -> None:
        given = credentials_of(urlsplit(self.path).query, self.headers)
        known = hmac.compare_digest(given.user.encode(), self.credentials.user.encode())
        if not hmac.compare_digest(given.password.encode(), self.credentials.password.encode()) or not known:
            raise authentication_failed(given.user)

    def _run(self, request: Request) -> None:
        began = time.monotonic_ns()
        with self.engine.session(request.context) as session:
            if request.insert is not None:
                self._send_result(request, DEFAULT_FORMAT, b"", session.insert(request.insert, request.data), began)
                return
            result_format = output_format(request.text) or request.default_format or DEFAULT_FORMAT
            text = request.text.decode()
            if is_read(request.text) and result_format in STREAMABLE_FORMATS:
                self._stream(request, result_format, session, text)
            else:
                self._send_result(request, result_format, *session.query(text, result_format), began)

    def _send_result(
        self, request: Request, result_format: str, content: bytes, statistics: Statistics, began_nanos: int
    ) -> None:
        headers = result_headers(request, result_format, self.time_zone)
        headers["X-ClickHouse-Summary"] = summary(statistics, time.monotonic_ns() - began_nanos)
        self._send_whole(HTTPStatus.OK, content, headers)

    def _stream(self, request: Request, result_format: str, session: Session, text: str) -> None:
        headers = result_headers(request, result_format, self.time_zone)
        with closing(session.stream(text, result_format)) as chunks:
            if request.wait_end_of_query or self.request_version == "HTTP/1.0":
                self._send_when_whole(chunks, headers)
            else:
                self._send_as_it_comes(chunks, headers)

    def _send_when_whole(self, chunks: Iterable[bytes | memoryview], headers: dict[str, str]) -> None:
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
            for chunk in chunks:
                spool.write(chunk)
            self._begin(HTTPStatus.OK, {**headers, "Content-Length": str(spool.tell())})
            spool.seek(0)
            while piece := spool.read(_PIECE_BYTES):
                self.wfile.write(piece)

    def _send_as_it_comes(self, chunks: Generator[bytes | memoryview], headers: dict[str, str]) -> None:
        """An error before the first block is an ordinary answer. A later one cuts the answer short, without the mark
        of its end, so that no client takes what came for the whole."""
        first = next(chunks, b"")
        tag = secrets.token_hex(8)
        self._begin(HTTPStatus.OK, {**headers, "Transfer-Encoding": "chunked", "X-ClickHouse-Exception-Tag": tag})
        try:
            for chunk in chain([first], chunks):
                self._write_chunk(chunk)
        except ClickHouseError as error:
            logger.warning("a result broke off: %s", error.text)
            self.close_connection = True
            self._write_chunk(exception_block(error, tag))
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _write_chunk(self, chunk: bytes | memoryview) -> None:
        if chunk:
            self.wfile.write(b"%x\r\n" % len(chunk))
            self.wfile.write(chunk)
            self.wfile.write(b"\r\n")

    def _refuse(self, error: ClickHouseError, body: BinaryIO | None) -> None:
        logger.info("refused: %s", error.text)
        if body is None or not _drained(body):
            self.close_connection = True
        headers = {"Content-Type": "text/plain; charset=UTF-8", "X-ClickHouse-Exception-Code": str(error.code)}
        self._send_whole(error.status, error.text.encode() + b"\n", headers)

    def _send_whole(self, status: HTTPStatus, content: bytes, headers: dict[str, str]) -> None:
        self._begin(status, {**headers, "Content-Length": str(len(content))})
        self.wfile.write(content)

    def _begin(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: refusals are logged elsewhere, and a URL can hold a password."""


def _drained(body: BinaryIO) -> bool:
    """Reads what the client still sends, so that it comes to read the answer; False if that is too much or broken."""
    for _ in range(_MAX_DRAINED_BYTES // _PIECE_BYTES):
        try:
            if not body.read(_PIECE_BYTES):
                return True
        except UnreadableBodyError:
            return False
    return False


def clickhouse_server(port: int, engine: Engine, credentials: Credentials, time_zone: str) -> LoopbackServer:
    """Raises OSError if the port cannot be had."""
    attributes = {"engine": engine, "credentials": credentials, "time_zone": time_zone}
    return LoopbackServer(port, type("Handler", (ClickHouseHandler,), attributes))
