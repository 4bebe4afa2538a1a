"""Why Kafka did not answer: what its clients were told, and else what a look at its listener shows.

A server that refuses us will do so again: that is a mistake in the settings, of its side or ours, and not an outage.
"""

import socket
import ssl
from typing import TYPE_CHECKING, Final

from credit_movements.unreachable import UnreachableError
from kafka_io.access.refusals import PAGE, is_unauthorized, refused_proof, told
from kafka_io.access.security import PROTOCOL, UnsupportedSecurityError, for_python, uses_sasl, uses_tls
from kafka_io.errors import Outage, UserError

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

    from credit_movements.settings import Settings

_LOOK_SECONDS: Final = 3.0
_SETTING: Final = "CREDIT_KAFKA_SECURITY_PROTOCOL"


class RefusedError(UserError):
    """A server does not let us in, or may not be trusted: one line that says why and which setting to look at."""


def lacking(operation: str, resource: str) -> RefusedError:
    """The error where an ACL is missing, as `Read` of `topic usage-events`."""
    return RefusedError(
        f"Kafka does not allow this user {operation} of {resource}: {PAGE} lists the ACLs of each worker"
    )


class Refusals:
    """Keeps the last refusal of a client; `note` is its `error_cb`."""

    def __init__(self) -> None:
        self.last: str | None = None

    def note(self, error: "KafkaError") -> None:
        self.last = refused_proof(error) or self.last


def why_no_answer(settings: "Settings", error: "KafkaError", refusals: Refusals) -> Outage | UserError:
    """The error to raise after a question that ended with `error`."""
    if is_unauthorized(error):
        return RefusedError(told(error))
    servers = str(settings.kafka_bootstrap_servers)
    try:
        guess = _look(settings, servers.split(",")[0])
    except RefusedError as refused:
        return RefusedError(f"{servers}: {refused}")
    if refusals.last is not None:
        return RefusedError(f"{servers}: {refusals.last}")
    hint = ". Start Kafka, or start `credit-movements up` and leave the variable out."
    return UnreachableError(
        f"CREDIT_KAFKA_BOOTSTRAP_SERVERS: cannot reach {servers}: {guess or str(error.str()).rstrip('.') + hint}"
    )


def _look(settings: "Settings", server: str) -> str | None:
    """What a connection to a server lets us guess of a wrong security protocol; None where nothing.

    Raises RefusedError where it is sure.
    """
    host, _, port = server.strip().rpartition(":")
    # An address of IPv6 has brackets around it before a port alone.
    host = host.strip("[]")
    properties = settings.kafka_properties()
    protocol = properties.get(PROTOCOL, "PLAINTEXT").upper()
    try:
        with socket.create_connection((host, int(port)), _LOOK_SECONDS) as connection:
            if uses_tls(protocol):
                return _look_with_tls(for_python(properties).tls, connection, host, protocol)
            if _speaks_tls(connection):
                wanted = "SASL_SSL" if uses_sasl(protocol) else "SASL_SSL, or SSL"
                raise RefusedError(f"Kafka speaks TLS, and {_SETTING} is {protocol}: set that to {wanted}")
    except (OSError, ValueError, UnsupportedSecurityError):
        return None
    return None


def _look_with_tls(trusted: ssl.SSLContext | None, connection: socket.socket, host: str, protocol: str) -> str | None:
    assert trusted is not None
    try:
        with trusted.wrap_socket(connection, server_hostname=host):
            pass
    except ssl.SSLCertVerificationError as error:
        raise RefusedError(
            f"Kafka's certificate is not trusted ({error.verify_message.rstrip('.')}): see CREDIT_KAFKA_SSL_CA_FILE and the"
            " host names in CREDIT_KAFKA_BOOTSTRAP_SERVERS"
        ) from error
    except OSError:
        plain = "SASL_PLAINTEXT" if uses_sasl(protocol) else "PLAINTEXT"
        return f"it does not seem to speak TLS, and {_SETTING} is {protocol}: a listener without TLS needs {plain}"
    if not uses_sasl(protocol):
        return f"it speaks TLS and then closes the connection: it may want a password ({_SETTING}=SASL_SSL)"
    return None


def _speaks_tls(connection: socket.socket) -> bool:
    anybody = ssl.create_default_context()
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    try:
        with anybody.wrap_socket(connection):
            return True
    except OSError:
        return False
