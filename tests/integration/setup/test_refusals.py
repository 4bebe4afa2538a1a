"""A Kafka that refuses us is told in one line that names the setting or the permission, and no line shows a secret."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from credit_movements import clients
from credit_movements.refusals import RefusedError
from credit_movements.settings import Settings, variable
from credit_movements.setup.acls import RATER
from credit_movements.unreachable import UnreachableError
from tests.acceptance.command import run
from tests.kafka.certificates import Authority
from tests.kafka.secured import SecuredKafka

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
