"""Settings of Kafka's security that cannot work together stop the start with one line."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from credit_movements.embedded.ports import Ports
from credit_movements.settings import Settings, SettingsError, load_settings, required, settings_of
from credit_movements.stack.servers import stack_environment
from tests.kafka.certificates import Authority

SECRET = "a-secret-of-this-test"
SCRAM = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "rater",
    "KAFKA_SASL_PASSWORD": SECRET,
}


def of(variables: dict[str, Any]) -> Settings:
    return settings_of({f"CREDIT_{name}": text for name, text in variables.items()})


def test_a_password_over_tls(tmp_path: Path) -> None:
    ca_file = Authority(tmp_path).ca_file
    settings = of({**SCRAM, "KAFKA_SSL_CA_FILE": str(ca_file), "KAFKA_CONFIG": '{"socket.keepalive.enable": "true"}'})
    assert settings.kafka_properties() == {
        "security.protocol": "SASL_SSL", "sasl.mechanisms": "SCRAM-SHA-512", "sasl.username": "rater",
        "sasl.password": SECRET, "ssl.ca.location": str(ca_file), "socket.keepalive.enable": "true",
    }  # fmt: skip
    assert SECRET not in f"{settings} {settings!r}"


def test_a_certificate_of_ones_own(tmp_path: Path) -> None:
    own = Authority(tmp_path).issue("rater", key_password=SECRET)
    files = {
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_CERTIFICATE_FILE": str(own.certificate_file),
        "KAFKA_SSL_KEY_FILE": str(own.key_file),
    }
    found = of({**files, "KAFKA_SSL_KEY_PASSWORD": SECRET}).kafka_properties()
    assert (found["ssl.key.location"], found["ssl.key.password"]) == (str(own.key_file), SECRET)
    for password in ({}, {"KAFKA_SSL_KEY_PASSWORD": "another"}):
        with pytest.raises(
            SettingsError, match="are no certificate and its key in PEM, or CREDIT_KAFKA_SSL_KEY_PASSWORD"
        ):
            of({**files, **password})


def without(name: str) -> dict[str, str]:
    return {each: text for each, text in SCRAM.items() if each != name}


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "CREDIT_KAFKA_SECURITY_PROTOCOL: Input should be 'PLAINTEXT', 'SSL'"),
        ({**SCRAM, "KAFKA_SASL_MECHANISM": "GSSAPI"}, "CREDIT_KAFKA_SASL_MECHANISM: Input should be 'PLAIN', 'SCRAM"),
        (without("KAFKA_SASL_MECHANISM"), "CREDIT_KAFKA_SECURITY_PROTOCOL: SASL_SSL needs CREDIT_KAFKA_SASL_MECHANISM, as"),
        (without("KAFKA_SASL_USERNAME"), "CREDIT_KAFKA_SASL_MECHANISM: SCRAM-SHA-512 needs CREDIT_KAFKA_SASL_USERNAME"),
        (without("KAFKA_SASL_PASSWORD"), "CREDIT_KAFKA_SASL_MECHANISM: SCRAM-SHA-512 needs CREDIT_KAFKA_SASL_PASSWORD"),
        (
            without("KAFKA_SECURITY_PROTOCOL"),
            "CREDIT_KAFKA_SASL_MECHANISM: means nothing with CREDIT_KAFKA_SECURITY_PROTOCOL PLAINTEXT: set that to SASL_SSL",
        ),
        (
            {**SCRAM, "KAFKA_SECURITY_PROTOCOL": "SSL"},
            "CREDIT_KAFKA_SASL_MECHANISM: means nothing with CREDIT_KAFKA_SECURITY_PROTOCOL SSL: set that to SASL_SSL",
        ),
        (
            {"KAFKA_SSL_KEY_PASSWORD": SECRET},
            "CREDIT_KAFKA_SSL_KEY_PASSWORD: means nothing with CREDIT_KAFKA_SECURITY_PROTOCOL PLAINTEXT: set that to SASL_SSL",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_KEY_PASSWORD": SECRET},
            "CREDIT_KAFKA_SSL_KEY_PASSWORD: needs CREDIT_KAFKA_SSL_KEY_FILE too",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CERTIFICATE_FILE": __file__},
            "CREDIT_KAFKA_SSL_CERTIFICATE_FILE: needs CREDIT_KAFKA_SSL_KEY_FILE too",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_KEY_FILE": __file__},
            "CREDIT_KAFKA_SSL_KEY_FILE: needs CREDIT_KAFKA_SSL_CERTIFICATE_FILE too",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_FILE": "/no/such/file"},
            "CREDIT_KAFKA_SSL_CA_FILE: /no/such/file: No such file or directory",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_FILE": __file__},
            f"CREDIT_KAFKA_SSL_CA_FILE: {__file__}: holds no certificate in PEM",
        ),
        ({"SCHEMA_REGISTRY_CA_FILE": "/no/such/file"}, "CREDIT_SCHEMA_REGISTRY_CA_FILE: /no/such/file: No such file"),
        ({"CLICKHOUSE_CA_FILE": "/no/such/file"}, "CREDIT_CLICKHOUSE_CA_FILE: /no/such/file: No such file"),
        (
            {**SCRAM, "KAFKA_CONFIG": '{"sasl.password": "another"}'},
            "CREDIT_KAFKA_SASL_PASSWORD: CREDIT_KAFKA_CONFIG has another sasl.password: leave one of the two out",
        ),
        (
            {**SCRAM, "KAFKA_CONFIG": '{"sasl.mechanism": "PLAIN"}'},
            "CREDIT_KAFKA_SASL_MECHANISM: CREDIT_KAFKA_CONFIG has another sasl.mechanisms: leave one of the two out",
        ),
        (
            {"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_CONFIG": '{"bootstrap.servers": "b:1"}'},
            "CREDIT_KAFKA_CONFIG: has other servers than CREDIT_KAFKA_BOOTSTRAP_SERVERS: leave them out of",
        ),
        (
            {"KAFKA_CONFIG": f'{{"sasl.password": "{SECRET}"'},
            'CREDIT_KAFKA_CONFIG: must be a JSON object of texts, as {"socket.keepalive.enable": "true"}',
        ),
    ],
)  # fmt: skip
def test_what_cannot_work(variables: dict[str, str], line: str) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(line)}") as refused:
        of(variables)
    assert SECRET not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_code_that_gives_wrong_settings_shows_no_secret_either() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(kafka_sasl_password=SECRET)
    assert SECRET not in str(refused.value)


def test_the_raw_properties_may_say_it_all() -> None:
    raw = '{"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.config": "x"}'
    assert of({"KAFKA_CONFIG": raw}).kafka_properties()["sasl.mechanisms"] == "OAUTHBEARER"


def test_the_servers_of_an_up_want_no_password_whatever_its_shell_has_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in SCRAM.items():
        monkeypatch.setenv(f"CREDIT_{name}", text)
    monkeypatch.setenv("CREDIT_KAFKA_CONFIG", '{"ssl.endpoint.identification.algorithm": "none"}')
    monkeypatch.setenv("CREDIT_CLICKHOUSE_DSN_FILE", "/no/such/file")
    environment = stack_environment(tmp_path, Ports.any_free())
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    settings = load_settings(tmp_path)
    assert settings.kafka_properties() == {}
    assert required(settings, "clickhouse_dsn") == environment["CREDIT_CLICKHOUSE_DSN"]
