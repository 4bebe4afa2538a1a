"""The page of a worker: /healthz, /readyz and /metrics."""

import http.server
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from credit_movements.supervision.occupancy import OccupiedError

logger = logging.getLogger(__name__)


@contextmanager
def health_page(
    host: str,
    port: int,
    setting: str,
    metrics: CollectorRegistry,
    not_ready: Callable[[], str | None],
    does: Callable[[], str] = lambda: "ready",
) -> Iterator[int]:
    """Serve the page for the length of a `with` block; gives the port. `not_ready` gives the reason why not, or None; `does`
    says what the worker does if it is ready.

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
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            logger.debug(format, *args)

    try:
        server = http.server.ThreadingHTTPServer((host, port), Page)
    except OSError as error:
        raise OccupiedError(
            f"{setting}: cannot listen on {host}:{port} ({error.strerror}). "
            f"Choose another port with {setting}; 0 takes any that is free."
        ) from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health page", daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
