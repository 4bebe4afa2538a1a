"""The page of a worker: /healthz, /readyz and /metrics."""

import http.server
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from credit_movements.supervision.occupancy import OccupiedError

logger = logging.getLogger(__name__)

# A probe and a Prometheus or two are answered in milliseconds. Whoever takes longer holds a thread and a file.
_MOST_CONNECTIONS = 32
_CONNECTION_SECONDS = 10.0


class _Server(http.server.ThreadingHTTPServer):
    """Cuts a connection that is not done in its time, and the oldest one where there are too many."""

    daemon_threads = True

    def __init__(self, *arguments: Any, connection_seconds: float) -> None:
        self._connection_seconds = connection_seconds
        # Each open connection, the oldest first, and when it began.
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open[request] = time.monotonic()
            if len(self._open) > _MOST_CONNECTIONS:
                self._cut(next(iter(self._open)))
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        super().service_actions()
        with self._lock:
            began_before = time.monotonic() - self._connection_seconds
            for request in [each for each, began in self._open.items() if began < began_before]:
                self._cut(request)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def _cut(self, request: socket.socket) -> None:
        # Its thread wakes up at that, and closes it.
        del self._open[request]
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A connection that broke is no bug of ours.
        level = logging.DEBUG if isinstance(sys.exc_info()[1], OSError) else logging.ERROR
        logger.log(level, "the page could not answer", exc_info=True)


NotReady = Callable[[], str | None]
"""Gives the reason why a worker is not ready, in words; None if it is. Any thread may call it."""


def any_of(*reasons: NotReady) -> NotReady:
    """All that stands against it, in this order."""
    return lambda: "; ".join(filter(None, (reason() for reason in reasons))) or None


@contextmanager
def health_page(
    host: str,
    port: int,
    setting: str,
    metrics: CollectorRegistry,
    not_ready: NotReady,
    does: Callable[[], str] = lambda: "ready",
    connection_seconds: float = _CONNECTION_SECONDS,
) -> Iterator[int]:
    """Serve the page for the length of a `with` block; gives the port. `does`
    says what the worker does if it is ready. A connection lasts `connection_seconds` at most.

    Raises OccupiedError, which names the `setting` for another port, where the port cannot be had.
    """

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                self._answer(200, b"ok\n")
            elif self.path == "/readyz":
                reason = not_ready()
                self._answer(503 if reason else 200, f"{reason or does()}\n".encode())
            elif self.path == "/metrics":
                self._answer(200, generate_latest(metrics), CONTENT_TYPE_LATEST)
            else:
                self._answer(404, b"/healthz /readyz /metrics\n")

        def _answer(self, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def version_string(self) -> str:
            return "credit-movements"

        def log_message(self, format: str, *args: object) -> None:
            logger.debug(format, *args)

    try:
        server = _Server((host, port), Page, connection_seconds=connection_seconds)
    except OSError as error:
        raise OccupiedError(
            f"{setting}: cannot listen on {host}:{port} ({error.strerror}). "
            f"Choose another port with {setting}; 0 takes any that is free."
        ) from error
    threading.Thread(target=server.serve_forever, name="health page", daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
