"""The settings of Kafka's servers and security: whether they can work together, and what librdkafka gets of them."""

import ssl
from typing import Final, Self

import pydantic
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from credit_movements.setting_types import CaFile, File, Mechanism, Properties, Secret, SecurityProtocol, Text
from kafka_io.access import security

_NAME: Final = "CREDIT_KAFKA_"
_CONFIG: Final = f"{_NAME}CONFIG"
_PROTOCOL: Final = f"{_NAME}SECURITY_PROTOCOL"
# By the names of the settings, without `kafka_`.
_SASL: Final = {
    "sasl_mechanism": security.MECHANISM,
    "sasl_username": security.USERNAME,
    "sasl_password": security.PASSWORD,
}
_TLS: Final = {
    "ssl_ca_file": security.CA_FILE,
    "ssl_certificate_file": security.CERTIFICATE_FILE,
    "ssl_key_file": security.KEY_FILE,
    "ssl_key_password": security.KEY_PASSWORD,
}
_PROPERTIES: Final = {"security_protocol": security.PROTOCOL, **_SASL, **_TLS}
KAFKA_SECURITY: Final = tuple(f"kafka_{name}" for name in _PROPERTIES)
"""The fields of the settings."""


class KafkaSettings(BaseSettings):
    """Where Kafka is, and how its clients prove who they are."""

    kafka_bootstrap_servers: Text = Field(None, description="Kafka, as host:port,host:port")
    kafka_security_protocol: SecurityProtocol = Field(
        None, description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; default: PLAINTEXT"
    )
    kafka_sasl_mechanism: Mechanism = Field(None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
    kafka_sasl_username: Text = Field(None, description="this worker's user of Kafka")
    kafka_sasl_password: Secret = Field(None, description="that user's password")
    kafka_ssl_ca_file: CaFile = Field(
        None, description="certificates (PEM) of those who vouch for Kafka's; default: the system's"
    )
    kafka_ssl_certificate_file: File = Field(None, description="this worker's own certificate (PEM), for mutual TLS")
    kafka_ssl_key_file: File = Field(None, description="the key of that certificate (PEM)")
    kafka_ssl_key_password: Secret = Field(None, description="opens that key")
    kafka_config: Properties = Field(
        default_factory=lambda: pydantic.Secret[dict[str, str]]({}),
        description="further librdkafka properties as JSON",
    )

    def kafka_properties(self) -> dict[str, str]:
        """The librdkafka properties of CREDIT_KAFKA_CONFIG and of the settings of security."""
        return security.by_first_name(self.kafka_config.get_secret_value()) | {
            _PROPERTIES[name]: text for name, text in self._given().items()
        }

    @model_validator(mode="after")
    def _can_work(self) -> Self:
        """Raises ValueError where the settings cannot work together: one line that names one and says what would do."""
        given = self._given()
        config = security.by_first_name(self.kafka_config.get_secret_value())
        _check_config(self.kafka_bootstrap_servers, given, config)
        properties = self.kafka_properties()
        protocol = properties.get(security.PROTOCOL, "PLAINTEXT").upper()
        _check_protocol(given, protocol)
        if security.uses_sasl(protocol):
            _check_sasl(properties, protocol)
        _check_own_certificate(given, properties)
        return self

    def _given(self) -> dict[str, str]:
        """Setting, without `kafka_` → its text."""
        values = {
            "security_protocol": self.kafka_security_protocol,
            "sasl_mechanism": self.kafka_sasl_mechanism,
            "sasl_username": self.kafka_sasl_username,
            "sasl_password": self.kafka_sasl_password,
            "ssl_ca_file": self.kafka_ssl_ca_file,
            "ssl_certificate_file": self.kafka_ssl_certificate_file,
            "ssl_key_file": self.kafka_ssl_key_file,
            "ssl_key_password": self.kafka_ssl_key_password,
        }
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in values.items()
            if value is not None
        }


def _check_config(bootstrap_servers: str | None, given: dict[str, str], config: dict[str, str]) -> None:
    servers = {"bootstrap.servers", "metadata.broker.list"} & config.keys()
    if servers and bootstrap_servers not in {None, *(config[each] for each in servers)}:
        raise ValueError(f"{_CONFIG}: has other servers than {_NAME}BOOTSTRAP_SERVERS: leave them out of {_CONFIG}")
    for name, text in given.items():
        if config.get(_PROPERTIES[name], text) != text:
            raise ValueError(f"{_variable(name)}: {_CONFIG} has another {_PROPERTIES[name]}: leave one of the two out")


def _check_protocol(given: dict[str, str], protocol: str) -> None:
    for names, fits, wanted in (
        (_SASL, security.uses_sasl(protocol), "SASL_SSL, or SASL_PLAINTEXT"),
        (_TLS, security.uses_tls(protocol), "SASL_SSL, or SSL"),
    ):
        useless = [name for name in names if name in given]
        if useless and not fits:
            raise ValueError(
                f"{_variable(useless[0])}: means nothing with {_PROTOCOL} {protocol}: set that to {wanted}"
            )


def _check_sasl(properties: dict[str, str], protocol: str) -> None:
    mechanism = properties.get(security.MECHANISM)
    if mechanism is None:
        raise ValueError(f"{_PROTOCOL}: {protocol} needs {_NAME}SASL_MECHANISM, as SCRAM-SHA-512")
    if mechanism.upper() in security.WITH_PASSWORD:
        for name in ("sasl_username", "sasl_password"):
            if not properties.get(_PROPERTIES[name]):
                raise ValueError(f"{_NAME}SASL_MECHANISM: {mechanism} needs {_variable(name)}")


def _check_own_certificate(given: dict[str, str], properties: dict[str, str]) -> None:
    for name, other in (
        ("ssl_certificate_file", "ssl_key_file"),
        ("ssl_key_file", "ssl_certificate_file"),
        ("ssl_key_password", "ssl_key_file"),
    ):
        if name in given and _PROPERTIES[other] not in properties:
            raise ValueError(f"{_variable(name)}: needs {_variable(other)} too")
    if "ssl_certificate_file" in given:
        key = properties[security.KEY_FILE]
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            security.load_certificate(
                context, given["ssl_certificate_file"], key, properties.get(security.KEY_PASSWORD)
            )
        except OSError:
            raise ValueError(
                f"{_NAME}SSL_CERTIFICATE_FILE: {given['ssl_certificate_file']} and {key} are no certificate and its key in PEM,"
                f" or {_NAME}SSL_KEY_PASSWORD does not open the key"
            ) from None


def _variable(name: str) -> str:
    return _NAME + name.upper()
