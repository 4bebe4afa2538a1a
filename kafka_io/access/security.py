"""How a client proves who it is and whom it trusts: librdkafka's properties, and the same for clients in Python.

Pure, but for the certificate files that are read. Kafka's clients in C take librdkafka's properties as they are. The exporter's
consumer (Faust, over aiokafka) does not: it gets what `for_python` makes of them.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kafka_io.errors import UserError

PROTOCOL, MECHANISM, USERNAME, PASSWORD = "security.protocol", "sasl.mechanisms", "sasl.username", "sasl.password"
CA_FILE, CERTIFICATE_FILE, KEY_FILE = "ssl.ca.location", "ssl.certificate.location", "ssl.key.location"
KEY_PASSWORD = "ssl.key.password"
# librdkafka has two names for one property.
ALIASES: Final = {"sasl.mechanism": MECHANISM}
WITH_PASSWORD: Final = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})
_CA_TEXT, _VERIFIES, _CHECKS_HOST = (
    "ssl.ca.pem",
    "enable.ssl.certificate.verification",
    "ssl.endpoint.identification.algorithm",
)
_TAKEN: Final = {
    PROTOCOL, MECHANISM, USERNAME, PASSWORD, CA_FILE, CERTIFICATE_FILE, KEY_FILE, KEY_PASSWORD, _CA_TEXT, _VERIFIES,
    _CHECKS_HOST,
}  # fmt: skip
_SECURITY: Final = ("security.", "sasl.", "ssl.", "enable.ssl.", "enable.sasl.")


class UnsupportedSecurityError(UserError):
    """A property that a client in Python cannot take: one line that names it."""


@dataclass(frozen=True)
class PythonSecurity:
    """`protocol`: Kafka's word for it. `tls`: None where the connection is not encrypted. The others: None without SASL."""

    protocol: str = "PLAINTEXT"
    tls: ssl.SSLContext | None = None
    mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def by_first_name(properties: Mapping[str, str]) -> dict[str, str]:
    """The same properties, each by the one name that this module uses."""
    return {ALIASES.get(name, name): text for name, text in properties.items()}


def uses_tls(protocol: str) -> bool:
    return protocol.endswith("SSL")


def uses_sasl(protocol: str) -> bool:
    return protocol.startswith("SASL_")


def for_python(properties: Mapping[str, str]) -> PythonSecurity:
    """What a client in Python needs of librdkafka's properties; those that are not about security are left out.

    Raises UnsupportedSecurityError.
    """
    given = by_first_name(properties)
    strange = sorted(name for name in given if name.startswith(_SECURITY) and name not in _TAKEN)
    if strange:
        raise UnsupportedSecurityError(f"{strange[0]} is for librdkafka alone; {_WHAT_WOULD_DO}")
    protocol = given.get(PROTOCOL, "PLAINTEXT").upper()
    try:
        tls = _context(given) if uses_tls(protocol) else None
    except OSError as error:
        found = [given[name] for name in (CA_FILE, CERTIFICATE_FILE, KEY_FILE) if name in given]
        raise UnsupportedSecurityError(
            f"{' or '.join(found) or _CA_TEXT} cannot be used for TLS ({error.strerror or error}); {_WHAT_WOULD_DO}"
        ) from error
    if not uses_sasl(protocol):
        return PythonSecurity(protocol, tls)
    mechanism = given.get(MECHANISM, "GSSAPI").upper()
    if mechanism not in WITH_PASSWORD:
        raise UnsupportedSecurityError(f"{MECHANISM} {mechanism} is for librdkafka alone; {_WHAT_WOULD_DO}")
    return PythonSecurity(protocol, tls, mechanism, given.get(USERNAME), given.get(PASSWORD))


_WHAT_WOULD_DO: Final = (
    "the exporter's consumer takes PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and certificates from files in PEM"
)


def _context(given: Mapping[str, str]) -> ssl.SSLContext:
    place = given.get(CA_FILE)
    # librdkafka takes a folder too.
    where = {"capath": place} if place is not None and Path(place).is_dir() else {"cafile": place}
    context = ssl.create_default_context(cadata=given.get(_CA_TEXT), **where)
    if CERTIFICATE_FILE in given:
        load_certificate(context, given[CERTIFICATE_FILE], given.get(KEY_FILE), given.get(KEY_PASSWORD))
    if given.get(_CHECKS_HOST, "https") == "none":
        context.check_hostname = False
    if given.get(_VERIFIES, "true") == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def load_certificate(context: ssl.SSLContext, certificate: str, key: str | None, password: str | None) -> None:
    """Raises OSError (ssl.SSLError is one) where the files do not hold a certificate and its key."""
    # Without a password OpenSSL would ask the terminal for that of a locked key.
    context.load_cert_chain(certificate, key, password or "")
