"""What the embedded HTTP servers share: how they listen, and how they end."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOOPBACK = "127.0.0.1"


class LoopbackServer(ThreadingHTTPServer):
    """An HTTP server on 127.0.0.1 that knows how many requests it is answering. One thread for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self._idle = threading.Condition()
        self._in_flight = 0
        self._closing = False
        super().__init__((LOOPBACK, port), handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is nothing to log. Anything else is a bug, and its traceback goes to the log."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @contextmanager
    def answering(self) -> Iterator[bool]:
        """Around one request: False when the server is ending and takes no more."""
        with self._idle:
            accepted = not self._closing
            self._in_flight += accepted
        try:
            yield accepted
        finally:
            with self._idle:
                self._in_flight -= accepted
                self._idle.notify_all()

    def finish(self, seconds: float) -> bool:
        """Takes no more requests and waits for those at work; False if some were not done after `seconds`."""
        self.shutdown()
        with self._idle:
            self._closing = True
            return self._idle.wait_for(lambda: self._in_flight == 0, timeout=seconds)


def serve_until_terminated(server: LoopbackServer, finish_seconds: float, close: Callable[[], None]) -> bool:
    """Serves until SIGTERM or SIGINT, finishes what is at work, then calls `close`; False (and no `close`) if it was
    not finished in time. To be called in the main thread."""
    terminated = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: terminated.set())
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="accept")
    serving.start()
    terminated.wait()
    finished = server.finish(finish_seconds)
    serving.join()
    server.server_close()
    if finished:
        close()
    return finished
