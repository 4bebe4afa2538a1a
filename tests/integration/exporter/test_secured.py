"""The exporter on a Kafka that wants TLS, a password or a certificate, and allows what the ACLs say: an export from request to
notification, its secrets in files."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from credit_movements.embedded.services import answers_ok
from credit_movements.exports.request import request_and_wait
from credit_movements.settings import Settings, variable
from credit_movements.setup.acls import EXPORTER, Operation, Permission, Resource, permissions, principals
from credit_movements.setup.granting import grant
from credit_movements.setup.provision import set_up
from credit_movements.supervision.processes import Child, Service, running
from schemas.topics import EXPORT_REQUESTS
from tests.acceptance.command import COMMAND
from tests.conftest import free_port
from tests.integration.stack import eventually
from tests.kafka.permissions import withdrawn
from tests.kafka.secured import ADMIN, SecuredKafka, password_of

LINK_SECRET = "a link secret of 32 bytes or more"


@pytest.fixture(scope="module")
def admin(secured_broker: SecuredKafka, registry: str, clickhouse: str) -> Settings:
    """An admin's settings, with all topics made and all ACLs given."""
    settings = Settings(
        **secured_broker.settings(ADMIN), schema_registry_url=registry, clickhouse_dsn=clickhouse, topic_partitions=1
    )
    set_up(settings)
    grant(settings, permissions(), principals())
    return settings


def with_password(kafka: SecuredKafka, folder: Path) -> dict[str, str]:
    (folder / "password").write_text(password_of(EXPORTER) + "\n")
    fields = {name: str(value) for name, value in kafka.settings(EXPORTER).items() if name != "kafka_sasl_password"}
    return {**fields, "kafka_sasl_password_file": str(folder / "password")}


def with_certificate(kafka: SecuredKafka, folder: Path) -> dict[str, str]:
    """Its key is locked."""
    own = kafka.authority.issue(EXPORTER, "opens the key")
    (folder / "key-password").write_text("opens the key")
    return {
        "kafka_bootstrap_servers": kafka.mutual_servers,
        "kafka_security_protocol": "SSL",
        "kafka_ssl_ca_file": str(kafka.ca_file),
        "kafka_ssl_certificate_file": str(own.certificate_file),
        "kafka_ssl_key_file": str(own.key_file),
        "kafka_ssl_key_password_file": str(folder / "key-password"),
    }


def by_raw_properties(kafka: SecuredKafka, folder: Path) -> dict[str, str]:
    """The exporter's consumer takes those of librdkafka."""
    properties = {**kafka.client(EXPORTER)}
    servers = properties.pop("bootstrap.servers")
    (folder / "config").write_text(json.dumps(properties))
    return {"kafka_bootstrap_servers": servers, "kafka_config_file": str(folder / "config")}


@contextmanager
def exporter(fields: Mapping[str, str], admin: Settings, folder: Path, port: int) -> Iterator[Child]:
    secrets = {
        "schema_registry_url": admin.schema_registry_url,
        "clickhouse_dsn": admin.clickhouse_dsn,
    }
    (folder / "link-secret").write_text(LINK_SECRET)
    environment = {
        **{name: secret.get_secret_value() for name, secret in secrets.items() if secret is not None},
        **fields,
        "export_link_secret_file": str(folder / "link-secret"),
        "data_dir": str(folder),
        "export_http_port": str(port),
    }
    service = Service(
        name="exporter",
        command=(*COMMAND, "export"),
        environment={variable(name): text for name, text in environment.items()},
        ready=lambda: answers_ok(port, "/readyz"),
        ready_seconds=60.0,
    )
    with running(service, folder / "logs") as child:
        yield child


@pytest.mark.parametrize("proof", [with_password, with_certificate, by_raw_properties])
def test_an_export(
    secured_broker: SecuredKafka, admin: Settings, tmp_path: Path, proof: Callable[[SecuredKafka, Path], dict[str, str]]
) -> None:
    fields = proof(secured_broker, tmp_path)
    reads_requests = Permission(EXPORTER, Operation.READ, Resource.TOPIC, EXPORT_REQUESTS.name)
    port = free_port()
    with exporter(fields, admin, tmp_path, port) as child:
        # While it may not read it waits, and then it goes on.
        with withdrawn(secured_broker, reads_requests):
            eventually(lambda: "does not allow this user what it needs" in child.log_text())
            eventually(lambda: httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code == 503)
            reasons = httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=10).json()["reasons"]
            assert reasons["permissions"].startswith("Kafka does not allow this user Read of topic export-requests: ")
        outcome = request_and_wait(admin, f"acme-{proof.__name__}", None, None, 60)
        assert outcome.notification["status"] == "completed"
        shown = child.log_text() + Path(f"/proc/{child.process_id}/cmdline").read_text()
    for secret in (password_of(EXPORTER), "opens the key", LINK_SECRET):
        assert secret not in shown
