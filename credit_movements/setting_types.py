"""What kinds of values settings have, and what is refused of each. What is said of a value never shows one that is secret."""

import json
import os
import re
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from schemas.topics import ALL_TOPICS

_NAME_OF_TOPIC = re.compile(r"[A-Za-z0-9._-]*")
_LONGEST_TOPIC_NAME = 249
_SHORTEST_RETENTION = timedelta(days=400)


def _whole_exports(value: timedelta | None) -> timedelta | None:
    """An export with details may reach back 13 months, in any time zone."""
    if value is not None and value < _SHORTEST_RETENTION:
        raise ValueError(
            f"must be {_SHORTEST_RETENTION.days} days or longer, P{_SHORTEST_RETENTION.days}D: exports may reach back 13 months"
        )
    return value


def _seconds_or_iso(value: object) -> object:
    """Durations are written as ISO 8601 (P7D, PT10M) or as a number of seconds."""
    if isinstance(value, str) and value.strip().isdigit():
        return timedelta(seconds=int(value))
    return value


def _above_zero(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than 0: ISO 8601 such as P7D or PT10M, or a number of seconds")
    return value


def _web_address(value: str | None) -> str | None:
    if value is not None and not value.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return value


def _secret_web_address(value: SecretStr | None) -> SecretStr | None:
    if value is None:
        return None
    _web_address(value.get_secret_value())
    if not _names_a_host(value.get_secret_value()):
        raise ValueError(
            "must be a URL that names a host; in a user or password / ? # and @ are written as %2F %3F %23 and %40"
        )
    return value


def _names_a_host(url: str) -> bool:
    """What urlsplit raises may show the password, so it is not passed on. A / ? or # of a password ends what stands before the
    path: the rest of it and the @ are behind that, and what is in the host's place is the user."""
    try:
        parts = urlsplit(url)
        return parts.hostname is not None and parts.port != 0 and "@" not in parts.path + parts.query + parts.fragment
    except ValueError:
        return False


def _readable(file: Path | None) -> Path | None:
    if file is None:
        return None
    try:
        with file.open("rb") as opened:
            os.fstat(opened.fileno())
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from None
    return file


def _with_certificates(file: Path | None) -> Path | None:
    if file is None:
        return None
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        raise ValueError(f"{file}: holds no certificate in PEM (-----BEGIN CERTIFICATE-----)") from None
    return file


def _prefix(value: str) -> str:
    longest = _LONGEST_TOPIC_NAME - max(len(topic.name) for topic in ALL_TOPICS)
    if not _NAME_OF_TOPIC.fullmatch(value):
        raise ValueError("a name in Kafka has letters, digits, dots, underscores and hyphens alone, as `acme.`")
    if value.startswith("__"):
        raise ValueError("names that begin with __ are Kafka's own")
    if len(value) > longest:
        raise ValueError(f"at most {longest} characters: Kafka has no longer names of topics")
    return value


def _properties(value: object) -> object:
    """Properties are written as a JSON object of texts. What a parser would say of it may show a password."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise ValueError('must be a JSON object of texts, as {"socket.keepalive.enable": "true"}')
    return found


Retention = Annotated[
    timedelta | None,
    BeforeValidator(lambda value: _seconds_or_iso(value) if value else None),
    AfterValidator(_whole_exports),
]
Duration = Annotated[timedelta, BeforeValidator(_seconds_or_iso), AfterValidator(_above_zero)]
# A variable that is set to nothing, as compose files do it, is a variable left out.
Text = Annotated[str | None, BeforeValidator(lambda value: value or None)]
Secret = Annotated[SecretStr | None, BeforeValidator(lambda value: value or None)]
SecretWebAddress = Annotated[Secret, AfterValidator(_secret_web_address)]
WebAddress = Annotated[Text, AfterValidator(_web_address)]
File = Annotated[Path | None, BeforeValidator(lambda value: value or None), AfterValidator(_readable)]
CaFile = Annotated[File, AfterValidator(_with_certificates)]
Properties = Annotated[pydantic.Secret[dict[str, str]], NoDecode, BeforeValidator(_properties)]
SecurityProtocol = Annotated[
    Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] | None, BeforeValidator(lambda value: value or None)
]
Mechanism = Annotated[
    Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None, BeforeValidator(lambda value: value or None)
]
Prefix = Annotated[str, AfterValidator(_prefix)]
Port = Annotated[int, Field(ge=0, le=65535)]
