"""The embedded stack as stages to supervise: the servers, what sets them up, and the unchanged workers."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from credit_movements.dashboard.pages import DASHBOARD_VARIABLE
from credit_movements.embedded.ports import Ports
from credit_movements.embedded.services import answers_ok
from credit_movements.settings import variable
from credit_movements.stack.servers import server_services
from credit_movements.supervision.processes import Service
from credit_movements.supervision.supervisor import Stage, Task

# What is left of the supervisor's time is the servers'. The exporter leaves behind what hangs a second before that.
_WORKER_STOPS_SECONDS = 8.0


def stack_stages(folder: Path, ports: Ports, environment: Mapping[str, str], set_up: Callable[[], None]) -> list[Stage]:
    """Servers, `set_up`, then the workers; the exporter after rater and sink, so that its readiness is that of all three."""
    return [
        server_services(folder, ports, environment[variable("kafka_prefix")]),
        Task("set-up", set_up),
        [
            _worker("rater", "rate", int(environment[variable("rater_http_port")]), environment),
            _worker("sink", "sink", int(environment[variable("sink_http_port")]), environment),
        ],
        # The one difference to production: the pages have a dashboard to try it with.
        [_worker("exporter", "export", ports.http, {**environment, DASHBOARD_VARIABLE: "1"})],
        # Nobody waits for it: what it is late for lies in the log.
        [_worker("watch", "watch", int(environment[variable("watch_http_port")]), environment)],
    ]


def _worker(name: str, command: str, port: int, environment: Mapping[str, str]) -> Service:
    return Service(
        name=name,
        command=(sys.executable, "-m", "credit_movements", command),
        environment=dict(environment),
        ready=lambda: answers_ok(port, "/readyz"),
        ready_seconds=60.0,
        stop_seconds=_WORKER_STOPS_SECONDS,
    )
