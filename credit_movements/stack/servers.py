"""The servers of the embedded stack, and the settings by which workers and commands find them.

`servers` runs them without any worker: benchmarks start the workers that they measure themselves.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from credit_movements.embedded.broker import broker_service
from credit_movements.embedded.ports import Ports, free_port
from credit_movements.embedded.services import clickhouse_dsn, clickhouse_service, registry_service
from credit_movements.kafka_settings import KAFKA_SECURITY
from credit_movements.settings import secret_file_variables, variable
from credit_movements.stack.secrets import kept_secret
from credit_movements.supervision.processes import Service, running

# On Tansu a consumer joins its group after half of this time.
_SESSION_TIMEOUT_MS = 3_000
_CLICKHOUSE_PASSWORD = "clickhouse-password"


def stack_environment(folder: Path, ports: Ports, kafka_prefix: str = "") -> dict[str, str]:
    """The settings of every worker and command on this stack."""
    settings = {
        "kafka_bootstrap_servers": f"127.0.0.1:{ports.kafka}",
        "kafka_prefix": kafka_prefix,
        "kafka_session_timeout_ms": str(_SESSION_TIMEOUT_MS),
        "schema_registry_url": f"http://127.0.0.1:{ports.registry}",
        "clickhouse_dsn": clickhouse_dsn(ports.clickhouse, kept_secret(folder, _CLICKHOUSE_PASSWORD)),
        "data_dir": str(folder),
        "rater_id": "embedded",
        "watch_id": "embedded",
        "rater_http_port": str(free_port()),
        "sink_http_port": str(free_port()),
        "watch_http_port": str(free_port()),
        "export_http_port": str(ports.http),
        "export_link_secret": kept_secret(folder, "link-secret"),
        "export_status_token": kept_secret(folder, "status-token"),
    }
    # Its own servers ask for no password, whatever the shell that starts it has set for others.
    plain = dict.fromkeys([*map(variable, (*KAFKA_SECURITY, "kafka_config")), *secret_file_variables()], "")
    return plain | {variable(field): value for field, value in settings.items()}


def server_services(folder: Path, ports: Ports, kafka_prefix: str = "") -> list[Service]:
    """Kafka, the schema registry and ClickHouse, which keeps its data in the folder."""
    password = kept_secret(folder, _CLICKHOUSE_PASSWORD)
    return [
        broker_service(ports.kafka),
        registry_service(ports.registry, kafka_prefix),
        clickhouse_service(folder / "clickhouse", ports.clickhouse, password),
    ]


@dataclass(frozen=True)
class Servers:
    """`environment`: the settings of workers and commands on these servers. `process_ids`: by the names of the servers."""

    environment: dict[str, str]
    process_ids: dict[str, int]


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """The three servers on free ports, for the length of a `with` block. Raises ServiceFailedError."""
    ports = Ports.any_free()
    with ExitStack() as stack:
        children = [stack.enter_context(running(each, folder / "logs")) for each in server_services(folder, ports)]
        yield Servers(stack_environment(folder, ports), {each.service.name: each.process_id for each in children})
