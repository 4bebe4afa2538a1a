"""The embedded servers as services to supervise: their commands, and how to know that they are ready."""

import http.client
import sys
from pathlib import Path

from credit_movements.embedded.serving import LOOPBACK
from credit_movements.supervision.processes import Service

CLICKHOUSE_USER = "default"
CLICKHOUSE_PASSWORD_VARIABLE = "CREDIT_EMBEDDED_CLICKHOUSE_PASSWORD"
_ANSWER_SECONDS = 1.0


def registry_service(port: int, *prefixes: str) -> Service:
    """The schema registry on 127.0.0.1:`port`. Its subjects are there once for each of the prefixes; without any, once."""
    return Service(
        name="registry",
        command=(
            sys.executable,
            "-m",
            "credit_movements.embedded.registry.server",
            "--port",
            str(port),
            # In one word, for a prefix may begin with a hyphen.
            *(f"--prefix={prefix}" for prefix in prefixes),
        ),
        ready=lambda: answers_ok(port, "/subjects"),
        stop_seconds=2.0,
    )


def clickhouse_service(path: Path, port: int, password: str, config: Path | None = None) -> Service:
    """ClickHouse on 127.0.0.1:`port`, its data in the folder `path`, which no other process may use. `config`: a configuration
    file of ClickHouse, by which tests give it a cluster or users."""
    return Service(
        name="clickhouse",
        command=(
            sys.executable,
            "-m",
            "credit_movements.embedded.clickhouse.server",
            "--path",
            str(path),
            "--port",
            str(port),
            *(() if config is None else ("--config", str(config))),
        ),
        # The server's time zone is the default of every DateTime without one: the same here as in production.
        environment={CLICKHOUSE_PASSWORD_VARIABLE: password, "TZ": "UTC"},
        ready=lambda: answers_ok(port, "/ping"),
        stop_seconds=3.5,
    )


def clickhouse_dsn(port: int, password: str) -> str:
    """The DSN for clickhouse-connect. `password` must need no escaping in a URL."""
    return f"http://{CLICKHOUSE_USER}:{password}@{LOOPBACK}:{port}/default"


def answers_ok(port: int, path: str) -> bool:
    """Whether an HTTP server on 127.0.0.1:`port` answers 200 to GET `path` within a second."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
