"""docker-compose.yml, held against the code, so that a disagreement shows without starting a container."""

import http.server
import os
import re
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer.main

from credit_movements.commands.main import app
from credit_movements.embedded.ports import Ports
from credit_movements.embedded.serving import LoopbackServer
from credit_movements.settings import described_settings, load_settings, required, variable
from deploy.probe import PORTS
from exporter.storage.objects import ExportStorage
from tests.deployment.compose import (
    AUDIT,
    COMMANDS,
    COMPOSE,
    MAILERS,
    OURS,
    PROBE,
    ROOT,
    SECRETS,
    SERVERS,
    SERVICES,
    VARIABLE,
    WORKERS,
    environment,
    make_secrets,
    published,
    seen_by,
)

PROFILES = {"observe": {AUDIT, "prometheus", "grafana"}, "mail": {"mailpit", *MAILERS}, "ui": {"kafka-ui"}}
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
# What the command cannot do without: see `required` in credit_movements.
NEEDED = {
    "setup": ["kafka_bootstrap_servers", "schema_registry_url", "clickhouse_dsn"],
    "rater": ["kafka_bootstrap_servers", "schema_registry_url", "rater_id"],
    "sink": ["kafka_bootstrap_servers", "schema_registry_url", "clickhouse_dsn"],
    "watch": ["kafka_bootstrap_servers", "schema_registry_url", "watch_id"],
    "audit": ["kafka_bootstrap_servers", "schema_registry_url", "clickhouse_dsn"],
    "exporter": [
        *["kafka_bootstrap_servers", "schema_registry_url", "clickhouse_dsn"],
        *["export_storage_url", "export_link_secret", "public_url"],
    ],
}
HTTP_PORT = {
    "rater": "rater_http_port",
    "sink": "sink_http_port",
    "watch": "watch_http_port",
    "exporter": "export_http_port",
}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that deploy/make-secrets.sh has made."""
    folder = tmp_path_factory.mktemp("run") / "secrets"
    make_secrets(folder)
    return folder


def test_everything_in_the_environment_is_a_text_so_that_yaml_cannot_read_it_otherwise() -> None:
    given = [value for service in SERVICES.values() for value in service.get("environment", {}).values()]
    assert [value for value in given if not isinstance(value, str)] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_image_is_pinned_to_an_exact_version(service: str) -> None:
    image = SERVICES[service]["image"]
    assert re.fullmatch(r"[a-z./-]+:v?\d+\.\d+\.\d+(\.\d+)*", image)
    if service in OURS:
        assert image == f"{PROJECT['project']['name']}:{PROJECT['project']['version']}"


@pytest.mark.parametrize("service", SERVERS)
def test_the_documentation_has_the_tag_and_the_user_of_each_server(service: str) -> None:
    image, tag = SERVICES[service]["image"].split(":")
    page = (ROOT / "docs" / "production" / "kubernetes.md").read_text()
    (row,) = re.findall(rf"^\| `{image}` \| ([^|]*) \| ([^|]*) \|", page, re.MULTILINE)
    assert row[0].split(",")[0] == tag
    assert SERVICES[service]["user"].split(":")[0] in row[1]


@pytest.mark.parametrize("service", [*SERVERS, *WORKERS, AUDIT])
def test_what_keeps_running_has_a_health_check_and_is_started_again(service: str) -> None:
    health = SERVICES[service]["healthcheck"]
    assert [SERVICES[each]["healthcheck"] for each in [*MAILERS, "setup"]] == [{"disable": True}] * 3
    assert health["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} < set(health)
    assert SERVICES[service]["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_waits_for_can_come_about(service: str) -> None:
    for other, how in SERVICES[service].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other], other
        else:
            assert how["condition"] == "service_completed_successfully"
            # With another policy it would never be complete, or a first refusal of a server would be the end.
            assert SERVICES[other]["restart"].startswith("on-failure:"), other


def test_workers_begin_when_topics_tables_and_bucket_are_there() -> None:
    assert set(SERVICES["setup"]["depends_on"]) == {"kafka", "registry", "clickhouse"}
    assert {worker: set(SERVICES[worker]["depends_on"]) for worker in WORKERS} == {
        "rater": {"setup"},
        "sink": {"setup"},
        "watch": {"setup"},
        "exporter": {"setup", "bucket"},
    }


def test_ports_are_published_on_loopback_alone_and_are_those_of_up() -> None:
    assert [
        port for service in SERVICES.values() for port in service.get("ports", []) if port[:10] != "127.0.0.1:"
    ] == []
    ports = Ports()
    assert published("kafka") == {str(ports.kafka): str(ports.kafka)}
    assert published("registry") == {"8081": str(ports.registry)}
    assert published("clickhouse") == {"8123": str(ports.clickhouse)}
    assert published("exporter") == {str(ports.http): str(ports.http)}


def test_every_volume_is_declared_and_used() -> None:
    mounted = [volume.split(":") for service in SERVICES.values() for volume in service.get("volumes", [])]
    assert sorted(each[0] for each in mounted if not each[0].startswith("./")) == sorted(COMPOSE["volumes"])
    files = [each for each in mounted if each[0].startswith("./")]
    assert [each for each in files if each[2:] != ["ro"] or not (ROOT / each[0]).exists()] == []


def test_what_is_not_needed_is_started_by_its_profile_alone() -> None:
    for profile, services in PROFILES.items():
        assert {name for name, service in SERVICES.items() if profile in service.get("profiles", [])} == services
    always = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert always == SERVICES.keys() - set().union(*PROFILES.values())
    assert {other for name in always for other in SERVICES[name].get("depends_on", {})} <= always


@pytest.mark.parametrize("service", COMMANDS)
def test_the_settings_are_settings_that_the_command_accepts(
    service: str, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("CREDIT_")]:
        monkeypatch.delenv(name)
    for name, value in seen_by(service, secrets).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    for field in NEEDED[service]:
        assert required(settings, field)
    if service in WORKERS:
        port = str(getattr(settings, HTTP_PORT[service]))
        assert published(service) == {port: port}
        assert port == str(PORTS[variable(HTTP_PORT[service])])
        assert SERVICES[service]["healthcheck"]["test"][1:] == ["python", PROBE, "readyz"]
        assert settings.http_host == "0.0.0.0"


def test_a_default_of_a_setting_is_written_as_the_settings_have_it() -> None:
    defaults = {name: default for name, default, _ in described_settings() if default}
    given = [each for service in COMMANDS for each in SERVICES[service]["environment"].items()]
    written = {name: found["default"] for name, value in given if (found := VARIABLE.fullmatch(value))}
    both = {name for name in written.keys() & defaults.keys() if written[name]}
    of_alerts = {"CREDIT_ALERT_LOW_BALANCE", "CREDIT_ALERT_UNUSUAL_SPENDING"}
    assert both == {"CREDIT_EXPORT_PROVIDER_NAME", "CREDIT_LOG_LEVEL", "CREDIT_TOPIC_PARTITIONS", *of_alerts}
    assert {name: written[name] for name in both} == {name: defaults[name] for name in both}


def test_how_many_partitions_there_are_is_told_to_setup_alone() -> None:
    assert [service for service in OURS if "CREDIT_TOPIC_PARTITIONS" in environment(service)] == ["setup"]


@pytest.mark.parametrize("service", COMMANDS)
def test_the_command_exists(service: str) -> None:
    command, *options = SERVICES[service]["command"]
    group = typer.main.get_command(app)
    commands = getattr(group, "commands")  # noqa: B009 - mypy does not know that it is a group
    assert commands[command].make_context(command, list(options)).command.name == command


def test_the_audit_is_asked_at_the_port_that_it_is_given() -> None:
    *_, option, port = SERVICES[AUDIT]["command"]
    assert option == "--http-port"
    assert published(AUDIT) == {port: port}
    assert SERVICES[AUDIT]["healthcheck"]["test"] == ["CMD", "python", PROBE, "healthz", port]


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_has_the_time_it_takes_to_finish(worker: str) -> None:
    assert int(SERVICES[worker]["stop_grace_period"].removesuffix("s")) > timedelta(seconds=15).total_seconds()


def test_addresses_name_the_services_and_their_ports() -> None:
    kafka, exporter = environment("kafka"), environment("exporter")
    advertised = dict(each.split("://") for each in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    listened = [each.rpartition(":")[2] for each in kafka["KAFKA_LISTENERS"].split(",")]
    assert advertised["INTERNAL"] == exporter["CREDIT_KAFKA_BOOTSTRAP_SERVERS"] == "kafka:9092"
    assert environment("registry")["KARAPACE_BOOTSTRAP_URI"] == advertised["INTERNAL"]
    assert advertised["HOST"] == f"127.0.0.1:{published('kafka')['19092']}"
    assert {"9092", "19092"} < set(listened)
    registry = f"http://registry:{environment('registry')['KARAPACE_PORT']}"
    assert exporter["CREDIT_SCHEMA_REGISTRY_URL"] == registry
    assert exporter["AWS_ENDPOINT_URL"] == f"http://storage{environment('storage')['RUSTFS_ADDRESS']}"
    assert exporter["CREDIT_PUBLIC_URL"] == f"http://127.0.0.1:{exporter['CREDIT_EXPORT_HTTP_PORT']}"
    storage_port = published("storage")[environment("storage")["RUSTFS_ADDRESS"].removeprefix(":")]
    assert exporter["CREDIT_EXPORT_STORAGE_PUBLIC_ENDPOINT"] == f"http://127.0.0.1:{storage_port}"


def test_clients_are_given_the_names_and_secrets_of_their_servers(secrets: Path) -> None:
    for service in ("setup", "sink", "exporter"):
        dsn = urlsplit((secrets / Path(environment(service)["CREDIT_CLICKHOUSE_DSN_FILE"]).name).read_text())
        assert (dsn.hostname, dsn.port, dsn.path) == ("clickhouse", 8123, "/default")
        assert dsn.username == environment("clickhouse")["CLICKHOUSE_USER"]
        assert dsn.password == (secrets / "clickhouse-password").read_text()
    assert "/run/secrets/clickhouse-password" in SERVICES["clickhouse"]["entrypoint"][2]
    for service in ("bucket", "rater", "exporter"):
        assert environment(service)["AWS_ACCESS_KEY_ID"] == environment("storage")["RUSTFS_ACCESS_KEY"]
    assert environment("storage")["RUSTFS_SECRET_KEY_FILE"] == str(SECRETS / "storage-secret-key")
    url = urlsplit(environment("exporter")["CREDIT_EXPORT_STORAGE_URL"])
    assert f"{environment('exporter')['AWS_ENDPOINT_URL']}/{url.netloc})" in SERVICES["bucket"]["command"][0]


@contextmanager
def s3_stand_in() -> Iterator[tuple[str, list[str]]]:
    """Its URL, and the requests that came to it; it has no object."""
    requests: list[str] = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            requests.append(f"{self.path} {self.headers['Authorization'].split(',')[0]}")
            self.send_response(404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = LoopbackServer(0, Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", requests
    finally:
        server.shutdown()
        server.server_close()


def test_the_exporter_reaches_the_storage_with_what_it_is_given(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = seen_by("exporter", secrets)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with s3_stand_in() as (url, requests):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        public_endpoint = given["CREDIT_EXPORT_STORAGE_PUBLIC_ENDPOINT"]
        storage = ExportStorage.open(given["CREDIT_EXPORT_STORAGE_URL"], public_endpoint)
        assert storage.size_bytes("a-key") is None
        assert str(storage.presigned_url("GET", "a-key", timedelta(minutes=5))).startswith(
            f"{public_endpoint}/exports/"
        )
    (request,) = requests
    assert request.startswith(f"/exports/a-key AWS4-HMAC-SHA256 Credential={given['AWS_ACCESS_KEY_ID']}/")
    assert f"/{given['AWS_REGION']}/s3/" in request
