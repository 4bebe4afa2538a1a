"""A TCP proxy that is a bad network: it delays, cuts, half-closes, swallows and refuses when a test says so.

One thread for each direction of a connection. It knows no protocol: a fault for certain exchanges only is told by a piece
of text that the request carries, or by a pattern (`strike`), such as `INSERT` in a request to ClickHouse.
"""

import contextlib
import re
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto

LOOPBACK = "127.0.0.1"
_CHUNK_BYTES = 65_536
_LATE_ANSWER_SECONDS = 10.0
# Closing with this is a reset: the other side loses also what it had not read yet.
_RESET = struct.pack("ii", 1, 0)


class Fault(Enum):
    """What befalls one exchange, seen from the client."""

    REFUSED = auto()  # cut before the server has the request: nothing happened there
    HELD = auto()  # the same, but the request is still on its way: the server gets it when the test says so (`deliver`)
    REPLY_LOST = auto()  # the server did it and answered; the connection is cut before the answer arrives
    REQUEST_HANGS = auto()  # the server never gets the request; no answer comes, until the client gives up
    REPLY_HANGS = auto()  # the server did it; no answer comes, until the client gives up
    REPLY_CUT = auto()  # the answer is reset in its middle
    REPLY_HALF_CLOSED = auto()  # the answer ends early and orderly, as if that were all


@dataclass
class Strike:
    """`times` more exchanges whose request holds `text` meet `fault`; `struck` have. `after_bytes`: of a reply that is cut,
    how much of it still arrives. `held`: the last request that was held back."""

    text: bytes | re.Pattern[bytes]
    fault: Fault
    times: int
    after_bytes: int
    struck: int = 0
    held: bytes = b""

    def befalls(self, seen: bytes) -> bool:
        found = self.text in seen if isinstance(self.text, bytes) else self.text.search(seen) is not None
        return found and self.struck < self.times


class _Connection:
    """One client. `strike` is the one that befalls the exchange under way."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.strike: Strike | None = None
        self.reply_bytes = 0
        self._is_cut = False

    def cut(self) -> None:
        """Reset both sides at once."""
        self._is_cut = True
        for each in (self.client, self.server):
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                # Wakes the thread that waits for bytes, and tells the other side nothing: that is the reset's.
                each.shutdown(socket.SHUT_RD)
            each.close()

    def end(self, side: socket.socket) -> None:
        """Nothing more will be sent to that side, which may go on sending."""
        if not self._is_cut:
            side.shutdown(socket.SHUT_WR)


class Proxy:
    """Listens on 127.0.0.1:`port` and passes on to 127.0.0.1:`target_port`."""

    def __init__(self, target_port: int) -> None:
        self.delay_seconds = 0.0
        self.accepted = 0
        self._target_port = target_port
        self._strikes: list[Strike] = []
        self._connections: set[_Connection] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._start_accepting()

    def strike(self, text: bytes | re.Pattern[bytes], fault: Fault, times: int = 1, after_bytes: int = 0) -> Strike:
        """Let `fault` befall the next `times` exchanges whose request holds `text`."""
        strike = Strike(text, fault, times, after_bytes)
        with self._lock:
            self._strikes.append(strike)
        return strike

    def deliver(self, strike: Strike) -> bytes:
        """Bring the server the request that was held back, by a connection of its own; returns what it answers."""
        with socket.create_connection((LOOPBACK, self._target_port), timeout=_LATE_ANSWER_SECONDS) as late:
            late.sendall(strike.held)
            return late.recv(_CHUNK_BYTES)

    def cut(self) -> int:
        """Reset every connection that is open; says how many. New ones are served."""
        with self._lock:
            connections = list(self._connections)
            self._connections.clear()
        for each in connections:
            each.cut()
        return len(connections)

    @contextmanager
    def away(self) -> Iterator[None]:
        """For the length of a block nobody is there: open connections are reset, new ones are refused."""
        self._stop_accepting()
        self.cut()
        try:
            yield
        finally:
            self._listener = socket.create_server((LOOPBACK, self.port))
            self._start_accepting()

    def close(self) -> None:
        self._stop_accepting()
        self.cut()

    def _start_accepting(self) -> None:
        self._accepting = threading.Event()
        self._accepting.set()
        self._acceptor = threading.Thread(target=self._accept, args=(self._listener, self._accepting), daemon=True)
        self._acceptor.start()

    def _stop_accepting(self) -> None:
        if self._accepting.is_set():
            self._accepting.clear()
            # A listener that another thread waits on lives on after `close`: wait for that thread first.
            self._acceptor.join()
            self._listener.close()

    def _accept(self, listener: socket.socket, accepting: threading.Event) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            while accepting.is_set():
                if selector.select(0.02):
                    self._serve(listener.accept()[0])

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection((LOOPBACK, self._target_port))
        except OSError:
            client.close()
            return
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(client, server)
        with self._lock:
            self.accepted += 1
            self._connections.add(connection)
        for pump in (self._requests, self._replies):
            threading.Thread(target=self._pumped, args=(pump, connection), daemon=True).start()

    def _pumped(self, pump: Callable[[_Connection], None], connection: _Connection) -> None:
        # A reset by either side, or by us from another thread.
        with contextlib.suppress(OSError):
            pump(connection)
            return
        connection.cut()

    def _requests(self, connection: _Connection) -> None:
        seen = b""
        while chunk := connection.client.recv(_CHUNK_BYTES):
            self._wait()
            # The text may lie across two chunks; that of the request before must not count again.
            seen = seen[-200:] + chunk
            strike = connection.strike or self._struck(seen)
            if strike is not connection.strike:
                connection.strike, connection.reply_bytes, seen = strike, 0, b""
            if strike is not None and strike.fault in {Fault.REFUSED, Fault.HELD}:
                strike.held = chunk
                connection.cut()
                return
            if strike is None or strike.fault is not Fault.REQUEST_HANGS:
                connection.server.sendall(chunk)
        connection.end(connection.server)

    def _replies(self, connection: _Connection) -> None:
        while chunk := connection.server.recv(_CHUNK_BYTES):
            self._wait()
            strike = connection.strike
            fault = strike.fault if strike is not None else None
            if fault is Fault.REPLY_LOST:
                connection.cut()
                return
            if fault in {Fault.REPLY_HANGS, Fault.REQUEST_HANGS}:
                continue
            if strike is not None and fault in {Fault.REPLY_CUT, Fault.REPLY_HALF_CLOSED}:
                left = strike.after_bytes - connection.reply_bytes
                if len(chunk) >= left:
                    connection.client.sendall(chunk[:left])
                    self._end_early(connection, strike.fault)
                    return
                connection.reply_bytes += len(chunk)
            connection.client.sendall(chunk)
        connection.end(connection.client)

    def _end_early(self, connection: _Connection, fault: Fault) -> None:
        if fault is Fault.REPLY_HALF_CLOSED:
            connection.end(connection.client)
        else:
            connection.cut()

    def _struck(self, seen: bytes) -> Strike | None:
        with self._lock:
            for strike in self._strikes:
                if strike.befalls(seen):
                    strike.struck += 1
                    return strike
        return None

    def _wait(self) -> None:
        if self.delay_seconds:
            time.sleep(self.delay_seconds)


@contextmanager
def proxied(target_port: int) -> Iterator[Proxy]:
    """A proxy for the length of a block."""
    proxy = Proxy(target_port)
    try:
        yield proxy
    finally:
        proxy.close()
