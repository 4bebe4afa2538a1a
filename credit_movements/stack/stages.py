"""The embedded stack as stages to supervise: the servers, what sets them up, and the unchanged workers."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from credit_movements.dashboard.pages import DASHBOARD_VARIABLE
from credit_movements.embedded.broker import broker_service
from credit_movements.embedded.ports import Ports, free_port
from credit_movements.embedded.services import answers_ok, clickhouse_dsn, clickhouse_service, registry_service
from credit_movements.settings import variable
from credit_movements.stack.secrets import kept_secret
from credit_movements.supervision.processes import Service
from credit_movements.supervision.supervisor import Stage, Task

# A consumer joins its group on Tansu after half of it.
_SESSION_TIMEOUT_MS = 3_000


def stack_environment(folder: Path, ports: Ports) -> dict[str, str]:
    """The settings of every worker and command on this stack."""
    settings = {
        "kafka_bootstrap_servers": f"127.0.0.1:{ports.kafka}",
        "kafka_session_timeout_ms": str(_SESSION_TIMEOUT_MS),
        "schema_registry_url": f"http://127.0.0.1:{ports.registry}",
        "clickhouse_dsn": clickhouse_dsn(ports.clickhouse, kept_secret(folder, "clickhouse-password")),
        "data_dir": str(folder),
        "rater_id": "embedded",
        "rater_http_port": str(free_port()),
        "sink_http_port": str(free_port()),
        "export_http_port": str(ports.http),
        "export_link_secret": kept_secret(folder, "link-secret"),
        "export_status_token": kept_secret(folder, "status-token"),
    }
    return {variable(field): value for field, value in settings.items()}


def stack_stages(folder: Path, ports: Ports, environment: Mapping[str, str], set_up: Callable[[], None]) -> list[Stage]:
    """Servers, `set_up`, then the workers; the exporter last, so that its readiness is that of all."""
    password = kept_secret(folder, "clickhouse-password")
    return [
        [
            broker_service(ports.kafka),
            registry_service(ports.registry),
            clickhouse_service(folder / "clickhouse", ports.clickhouse, password),
        ],
        Task("set-up", set_up),
        [
            _worker("rater", "rate", int(environment[variable("rater_http_port")]), environment),
            _worker("sink", "sink", int(environment[variable("sink_http_port")]), environment),
        ],
        # The one difference to production: the pages have a dashboard to try it with.
        [_worker("exporter", "export", ports.http, {**environment, DASHBOARD_VARIABLE: "1"})],
    ]


def _worker(name: str, command: str, port: int, environment: Mapping[str, str]) -> Service:
    return Service(
        name=name,
        command=(sys.executable, "-m", "credit_movements", command),
        environment=dict(environment),
        ready=lambda: answers_ok(port, "/readyz"),
        ready_seconds=60.0,
    )
