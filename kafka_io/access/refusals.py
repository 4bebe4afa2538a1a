"""What it means when Kafka refuses a client: a line each that says which proof was refused, and which setting to look at.

librdkafka tries again whatever the reason, so a refusal looks like a time-out to who asked. What was refused stands in the
errors that it hands to `error_cb`, in words, and in the codes of authorization. No line shows more of the settings
than their names.
"""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

PAGE: Final = "docs/production/kafka.md"
# By the names of Kafka's errors.
_LACKING: Final = {
    "TOPIC_AUTHORIZATION_FAILED": "a topic",
    "GROUP_AUTHORIZATION_FAILED": "its consumer group",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": "its transactional id (Write)",
    "CLUSTER_AUTHORIZATION_FAILED": "the cluster",
}
# What librdkafka says → what it means.
_PROOFS: Final = (
    (
        re.compile("Unsupported SASL mechanism.*supported mechanisms: (?P<takes>[A-Z0-9,-]+)"),
        "does not take this SASL mechanism, but {takes}: see CREDIT_KAFKA_SASL_MECHANISM",
    ),
    (
        re.compile("SASL authentication error: (?!.*(?:Local: |[Dd]isconnected))"),
        "refuses the user or its password: see CREDIT_KAFKA_SASL_USERNAME, CREDIT_KAFKA_SASL_PASSWORD and"
        " CREDIT_KAFKA_SASL_MECHANISM",
    ),
    (
        re.compile("certificate verify failed"),
        "has a certificate that is not trusted, or is for another host: see CREDIT_KAFKA_SSL_CA_FILE and the host names in"
        " CREDIT_KAFKA_BOOTSTRAP_SERVERS",
    ),
    (
        re.compile("alert (?:bad certificate|certificate required|unknown ca|certificate (?:expired|unknown|revoked))"),
        "wants a certificate of its clients, or does not trust this one: see CREDIT_KAFKA_SSL_CERTIFICATE_FILE and"
        " CREDIT_KAFKA_SSL_KEY_FILE",
    ),
)  # fmt: skip


def is_unauthorized(error: "KafkaError") -> bool:
    """Whether Kafka knows who asks, and does not allow it."""
    return error.name() in _LACKING


def refused_proof(error: "KafkaError") -> str | None:
    """What Kafka refuses of how a client shows who it is, or the client of Kafka; None where it is another error."""
    said = str(error.str())
    for pattern, meaning in _PROOFS:
        if found := pattern.search(said):
            return "Kafka " + meaning.format(**found.groupdict())
    return None


def told(error: "KafkaError") -> str:
    """A Kafka error for a person: what is refused and where to look, or else Kafka's own words."""
    if is_unauthorized(error):
        return f"Kafka does not allow this user {_LACKING[error.name()]} ({error.str()}): {PAGE} lists what each needs"
    return refused_proof(error) or str(error.str())
