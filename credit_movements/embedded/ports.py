"""The ports of the embedded servers."""

import socket
from dataclasses import dataclass


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody used a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Ports:
    """Where the servers of `up` listen, all on 127.0.0.1."""

    kafka: int = 19092
    registry: int = 18081
    http: int = 18080
    clickhouse: int = 18123

    @classmethod
    def any_free(cls) -> "Ports":
        return cls(*(free_port() for _ in range(4)))
