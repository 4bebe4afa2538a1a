"""A Kafka that refuses us is told in one line that names the setting or the permission, and no line shows a secret."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from credit_movements import clients
from credit_movements.clickhouse import checked_client
from credit_movements.refusals import RefusedError
from credit_movements.settings import Settings, variable
from credit_movements.setup.acls import RATER, SINK, Operation, Permission, Resource, permissions, principals
from credit_movements.setup.allowed import check_allowed
from credit_movements.setup.granting import grant
from credit_movements.setup.provision import set_up
from credit_movements.unreachable import UnreachableError
from credit_movements.workers.rater import run_rater
from credit_movements.workers.sink import run_sink
from schemas.topics import CREDIT_MOVEMENTS, USAGE_EVENTS, dead_letter_topic
from tests.acceptance.command import run_forked as run
from tests.conftest import free_port
from tests.integration.setup.answering import answering
from tests.integration.stack import DEADLINE_SECONDS, Stack, eventually
from tests.kafka.certificates import Authority
from tests.kafka.permissions import withdrawn
from tests.kafka.secured import ADMIN, STRANGER, SecuredKafka

SECRET = "a-secret-that-nobody-may-see"
Wrong = Callable[[SecuredKafka, Path], dict[str, Any]]


def wrong_password(kafka: SecuredKafka, _: Path) -> dict[str, Any]:
    return {**kafka.settings(RATER), "kafka_sasl_password": SECRET}


def unknown_user(kafka: SecuredKafka, _: Path) -> dict[str, Any]:
    return {**kafka.settings(RATER), "kafka_sasl_username": "nobody", "kafka_sasl_password": SECRET}


def other_mechanism(kafka: SecuredKafka, _: Path) -> dict[str, Any]:
    return {**kafka.settings(RATER), "kafka_sasl_mechanism": "PLAIN"}


def unknown_authority(kafka: SecuredKafka, folder: Path) -> dict[str, Any]:
    return {**kafka.settings(RATER), "kafka_ssl_ca_file": Authority(folder, "another").ca_file}


def no_certificate(kafka: SecuredKafka, _: Path) -> dict[str, Any]:
    return {
        "kafka_bootstrap_servers": kafka.mutual_servers,
        "kafka_security_protocol": "SSL",
        "kafka_ssl_ca_file": kafka.ca_file,
    }


def certificate_of_another_authority(kafka: SecuredKafka, folder: Path) -> dict[str, Any]:
    own = Authority(folder, "another").issue(RATER)
    own_files = {"kafka_ssl_certificate_file": own.certificate_file, "kafka_ssl_key_file": own.key_file}
    return no_certificate(kafka, folder) | own_files


def no_tls(kafka: SecuredKafka, _: Path) -> dict[str, Any]:
    return {"kafka_bootstrap_servers": kafka.bootstrap_servers}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (wrong_password, "Kafka refuses the user or its password: see CREDIT_KAFKA_SASL_USERNAME"),
        (unknown_user, "Kafka refuses the user or its password: see CREDIT_KAFKA_SASL_USERNAME"),
        (other_mechanism, "Kafka does not take this SASL mechanism, but SCRAM-SHA-512: see CREDIT_KAFKA_SASL_MECHANISM"),
        (unknown_authority, "Kafka's certificate is not trusted (unable to get local issuer certificate): see CREDIT_KAFKA"),
        (no_certificate, "Kafka wants a certificate of its clients, or does not trust this one: see CREDIT_KAFKA_SSL_CERT"),
        (certificate_of_another_authority, "Kafka wants a certificate of its clients, or does not trust this one: see"),
        (no_tls, "Kafka speaks TLS, and CREDIT_KAFKA_SECURITY_PROTOCOL is PLAINTEXT: set that to SASL_SSL, or SSL"),
    ],
)  # fmt: skip
def test_kafka_does_not_let_us_in(secured_broker: SecuredKafka, tmp_path: Path, wrong: Wrong, says: str) -> None:
    fields = wrong(secured_broker, tmp_path)
    with pytest.raises(RefusedError) as refused:
        clients.check_kafka(Settings(**fields))
    assert str(refused.value).startswith(f"{fields['kafka_bootstrap_servers']}: {says}")
    assert "\n" not in str(refused.value)


def test_tls_to_a_listener_without_it(broker: str) -> None:
    settings = Settings(kafka_bootstrap_servers=broker, kafka_security_protocol="SSL")
    with pytest.raises(UnreachableError) as silent:
        clients.check_kafka(settings)
    assert "it does not seem to speak TLS, and CREDIT_KAFKA_SECURITY_PROTOCOL is SSL" in str(silent.value)


def test_an_address_of_ipv6_is_no_wrong_host_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with answering(200, authority.issue("no-kafka"), "::1") as port:
        settings = Settings(
            kafka_bootstrap_servers=f"[::1]:{port}", kafka_security_protocol="SSL", kafka_ssl_ca_file=authority.ca_file
        )
        with pytest.raises(UnreachableError, match="it speaks TLS and then closes the connection"):
            clients.check_kafka(settings)


@pytest.mark.parametrize("command", ["setup", "rate", "sink", "export"])
def test_each_worker_ends_with_the_line_alone(
    secured_broker: SecuredKafka, registry: str, clickhouse: str, tmp_path: Path, command: str
) -> None:
    fields = {
        **wrong_password(secured_broker, tmp_path),
        "schema_registry_url": registry,
        "clickhouse_dsn": clickhouse,
        "data_dir": tmp_path,
        "export_link_secret": f"{SECRET}, 32 bytes of it",
        "export_status_token": f"{SECRET}, 32 bytes of it",
    }
    ended = run(command, **{variable(name): str(value) for name, value in fields.items()})
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(
        f"credit-movements: {secured_broker.bootstrap_servers}: Kafka refuses the user or its password"
    )
    assert SECRET not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "schema registry: it refuses the user or password in CREDIT_SCHEMA_REGISTRY_URL (401)"),
        (403, "schema registry: it does not allow this to the user in CREDIT_SCHEMA_REGISTRY_URL (403)"),
    ],
)
def test_the_registry_does_not_let_us_in(status: int, says: str) -> None:
    with answering(status) as port:
        settings = Settings(schema_registry_url=f"http://rater:{SECRET}@127.0.0.1:{port}")
        with pytest.raises(RefusedError) as refused:
            clients.check_registry(settings)
    assert str(refused.value) == says


def test_certificates_that_nobody_known_vouches_for(tmp_path: Path) -> None:
    trusted, unknown = Authority(tmp_path / "trusted"), Authority(tmp_path / "unknown")
    with answering(401, unknown.issue("server")) as port:
        of_registry = Settings(
            schema_registry_url=f"https://rater:{SECRET}@127.0.0.1:{port}", schema_registry_ca_file=trusted.ca_file
        )
        of_clickhouse = Settings(
            clickhouse_dsn=f"https://sink:{SECRET}@127.0.0.1:{port}/default", clickhouse_ca_file=trusted.ca_file
        )
        with pytest.raises(RefusedError) as registry:
            clients.check_registry(of_registry)
        with pytest.raises(RefusedError) as clickhouse:
            checked_client(of_clickhouse)
        with pytest.raises(RefusedError, match=r"\(401\)"):
            clients.check_registry(of_registry.model_copy(update={"schema_registry_ca_file": unknown.ca_file}))
    assert "certificate is not trusted" in str(registry.value)
    assert "see CREDIT_SCHEMA_REGISTRY_CA_FILE and the host name" in str(registry.value)
    assert str(clickhouse.value).startswith("CREDIT_CLICKHOUSE_DSN: ClickHouse's certificate is not trusted")
    assert "see CREDIT_CLICKHOUSE_CA_FILE and the host name" in str(clickhouse.value)
    assert SECRET not in f"{registry.value} {clickhouse.value}"


def test_tls_to_servers_without_it(registry: str, clickhouse: str) -> None:
    plain = Settings(
        schema_registry_url=registry.replace("http://", f"https://rater:{SECRET}@"),
        clickhouse_dsn=clickhouse.replace("http:", "https:"),
    )
    with pytest.raises(RefusedError, match="does not speak TLS there: http:// instead of https://"):
        clients.check_registry(plain)
    with pytest.raises(RefusedError, match="ClickHouse does not speak TLS there: http:// instead of https://"):
        checked_client(plain)


def test_clickhouse_does_not_let_us_in(clickhouse: str, tmp_path: Path) -> None:
    dsn = re.sub(r"//.*@", f"//default:{SECRET}@", clickhouse)
    ended = run("balance", "acme", "--data-dir", str(tmp_path), CREDIT_CLICKHOUSE_DSN=dsn)
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "credit-movements: CREDIT_CLICKHOUSE_DSN: ClickHouse refuses the user or its password"
    ]


@pytest.fixture
def allowed(secured_broker: SecuredKafka, registry: str, clickhouse: str, tmp_path: Path) -> Settings:
    """A rater's settings, with all topics made and all ACLs given."""
    more: dict[str, Any] = {"schema_registry_url": registry, "clickhouse_dsn": clickhouse, "topic_partitions": 1}
    admin = Settings(**secured_broker.settings(ADMIN), **more)
    set_up(admin)
    grant(admin, permissions(), principals())
    return Settings(**secured_broker.settings(RATER), **more, data_dir=tmp_path, rater_id="refused", rater_http_port=0)


def test_a_missing_permission_is_named(secured_broker: SecuredKafka, allowed: Settings) -> None:
    check_allowed(allowed, RATER)
    with pytest.raises(RefusedError) as stranger:
        check_allowed(Settings(**secured_broker.settings(STRANGER)), RATER)
    lists = "docs/production/kafka.md lists the ACLs of each worker"
    assert str(stranger.value) == f"Kafka does not allow this user Read of topic usage-events: {lists}"
    # The sink reads the log, and is in no group of raters.
    sink = Settings(**secured_broker.settings(SINK))
    with withdrawn(secured_broker, Permission(SINK, Operation.READ, Resource.GROUP, SINK)):
        with pytest.raises(RefusedError) as sinks:
            check_allowed(sink, SINK)
        assert str(sinks.value) == f"Kafka does not allow this user Read of group sink: {lists}"
    check_allowed(sink, SINK)


@pytest.fixture
def working(
    secured_broker: SecuredKafka, allowed: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, int]]:
    """A rater and a sink that are ready, with the ports of their pages."""
    monkeypatch.setattr("credit_movements.workers.still_allowed._SECONDS_BETWEEN", 0.2)
    # It would be for the process of the tests.
    monkeypatch.setattr("credit_movements.workers.rater._spare_the_garbage_collector", lambda: None)
    as_sink = {**allowed.model_dump(), **secured_broker.settings(SINK)}
    ports = {RATER: free_port(), SINK: free_port()}
    stop = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        workers = [
            pool.submit(run_rater, allowed.model_copy(update={"rater_http_port": ports[RATER]}), stop),
            pool.submit(run_sink, Settings(**as_sink | {"sink_http_port": ports[SINK]}), stop),
        ]
        try:
            for port in ports.values():
                eventually(lambda port=port: readyz(port)[0] == 200)
            yield ports
        finally:
            stop.set()
    for worker in workers:
        worker.result(DEADLINE_SECONDS)


def readyz(port: int) -> tuple[int, str]:
    """What the page says; (0, "") before it is there."""
    try:
        answer = httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=10)
    except httpx2.ConnectError:
        return 0, ""
    return answer.status_code, answer.text


def test_a_worker_that_lacks_a_permission_is_not_ready_and_its_page_says_which(
    secured_broker: SecuredKafka, working: dict[str, int]
) -> None:
    lists = "docs/production/kafka.md lists the ACLs of each worker"
    for lacks in (
        Permission(RATER, Operation.READ, Resource.TOPIC, USAGE_EVENTS.name),
        Permission(RATER, Operation.READ, Resource.GROUP, RATER),
        Permission(SINK, Operation.READ, Resource.TOPIC, CREDIT_MOVEMENTS.name),
    ):
        port = working[lacks.user]
        with withdrawn(secured_broker, lacks):
            said = f"Kafka does not allow this user Read of {lacks.resource} {lacks.name}: {lists}"
            eventually(lambda port=port, said=said: readyz(port)[0] == 503 and readyz(port)[1].startswith(said))
        # Nothing is read meanwhile: the topics are at rest.
        eventually(lambda port=port: readyz(port)[0] == 200)


def test_a_rater_that_may_no_longer_write_waits_and_goes_on(
    secured_broker: SecuredKafka, allowed: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.rater._NOT_ALLOWED_SECONDS", 0.5)
    caplog.set_level("INFO")
    letters = dead_letter_topic(USAGE_EVENTS)
    admin = allowed.model_copy(update=Settings(**secured_broker.settings(ADMIN)).model_dump(exclude_unset=True))
    with Stack(allowed) as stack, Stack(admin) as others, stack.rating():
        eventually(lambda: "rating partitions [0]" in caplog.text)
        with withdrawn(secured_broker, Permission(RATER, Operation.WRITE, Resource.TOPIC, letters.name)):
            others.send(USAGE_EVENTS, b"no event", "acme", partition=0)
            others.flush()
            eventually(lambda: "waiting for a permission of Kafka's" in caplog.text)
        stack.wait_until_rated()
        assert "a permission of Kafka's is back" in caplog.text
        assert [letter.value() for letter in others.read(letters.name)] == [b"no event"]
