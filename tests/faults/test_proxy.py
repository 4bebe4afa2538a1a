"""The proxy itself, before a server that answers each line with the same line in capitals."""

import re
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import LOOPBACK, Fault, Proxy, proxied


class Shouting(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        super().__init__((LOOPBACK, 0), ShoutingHandler)


class ShoutingHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Shouting)
        for line in self.rfile:
            self.server.heard.append(line)
            self.wfile.write(line.upper())


@pytest.fixture
def server() -> Iterator[Shouting]:
    with Shouting() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(server: Shouting) -> Iterator[Proxy]:
    with proxied(server.server_address[1]) as proxy:
        yield proxy


def ask(proxy: Proxy, line: bytes, seconds: float = 5.0) -> bytes:
    """One line to the server; all that comes back until the answer's end of line, or its end."""
    with socket.create_connection((LOOPBACK, proxy.port), timeout=seconds) as connection:
        connection.sendall(line)
        answer = b""
        while not answer.endswith(b"\n") and (chunk := connection.recv(100)):
            answer += chunk
        return answer


def test_it_passes_on_what_comes(proxy: Proxy, server: Shouting) -> None:
    assert ask(proxy, b"one\n") == b"ONE\n"
    assert server.heard == [b"one\n"]


def test_it_delays(proxy: Proxy) -> None:
    proxy.delay_seconds = 0.1
    began = time.monotonic()
    assert ask(proxy, b"one\n") == b"ONE\n"
    assert time.monotonic() - began >= 0.2


def test_while_it_is_away_connections_are_refused_and_open_ones_reset(proxy: Proxy) -> None:
    with socket.create_connection((LOOPBACK, proxy.port), timeout=5) as connection:
        connection.sendall(b"one\n")
        assert connection.recv(100) == b"ONE\n"
        with proxy.away():
            with pytest.raises(ConnectionResetError):
                connection.recv(100)
            with pytest.raises(ConnectionRefusedError):
                ask(proxy, b"two\n")
    assert ask(proxy, b"three\n") == b"THREE\n"


@pytest.mark.parametrize(
    ("fault", "error", "heard"),
    [
        (Fault.REFUSED, ConnectionResetError, []),
        (Fault.REPLY_LOST, ConnectionResetError, [b"insert\n"]),
        (Fault.REQUEST_HANGS, TimeoutError, []),
        (Fault.REPLY_HANGS, TimeoutError, [b"insert\n"]),
    ],
)
def test_a_fault_befalls_as_many_exchanges_as_it_is_told(
    proxy: Proxy, server: Shouting, fault: Fault, error: type[OSError], heard: list[bytes]
) -> None:
    strike = proxy.strike(b"insert", fault, times=1)
    assert ask(proxy, b"select\n") == b"SELECT\n"
    server.heard.clear()
    with pytest.raises(error):
        ask(proxy, b"insert\n", seconds=0.3)
    assert (server.heard, strike.struck) == (heard, 1)
    assert ask(proxy, b"insert\n") == b"INSERT\n"


def test_an_answer_is_ended_early_and_orderly(proxy: Proxy) -> None:
    proxy.strike(b"insert", Fault.REPLY_HALF_CLOSED, after_bytes=3)
    assert ask(proxy, b"insert\n") == b"INS"


def test_an_answer_is_reset_in_its_middle(proxy: Proxy) -> None:
    proxy.strike(b"insert", Fault.REPLY_CUT, after_bytes=3)
    with pytest.raises(ConnectionResetError):
        ask(proxy, b"insert\n")


def test_a_request_is_held_back_and_delivered_late(proxy: Proxy, server: Shouting) -> None:
    strike = proxy.strike(re.compile(rb"in.ert"), Fault.HELD)
    with pytest.raises(ConnectionResetError):
        ask(proxy, b"insert\n")
    assert ask(proxy, b"insert again\n") == b"INSERT AGAIN\n"
    assert proxy.deliver(strike) == b"INSERT\n"
    assert server.heard == [b"insert again\n", b"insert\n"]
