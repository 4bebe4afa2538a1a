"""librdkafka's words for a refusal, as it said them in trials, become a line that names a setting or what is lacking."""

from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from kafka_io.access.refusals import PAGE, is_unauthorized, refused_proof, told

AT = "sasl_ssl://127.0.0.1:9093/bootstrap: "


@pytest.mark.parametrize(
    ("code", "said", "names"),
    [
        (
            KafkaError._AUTHENTICATION,
            "SASL authentication error: Authentication failed during authentication due to invalid credentials with SASL"
            " mechanism SCRAM-SHA-512 (after 308ms in state AUTH_REQ)",
            "refuses the user or its password: see CREDIT_KAFKA_SASL_USERNAME",
        ),
        (
            KafkaError._AUTHENTICATION,
            "SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms:"
            " SCRAM-SHA-256,SCRAM-SHA-512 (after 300ms in state AUTH_HANDSHAKE)",
            "does not take this SASL mechanism, but SCRAM-SHA-256,SCRAM-SHA-512: see CREDIT_KAFKA_SASL_MECHANISM",
        ),
        (
            KafkaError._SSL,
            "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be"
            " verified (after 2ms in state SSL_HANDSHAKE)",
            "has a certificate that is not trusted, or is for another host: see CREDIT_KAFKA_SSL_CA_FILE",
        ),
        (
            KafkaError._TRANSPORT,
            "Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42",
            "wants a certificate of its clients, or does not trust this one: see CREDIT_KAFKA_SSL_CERTIFICATE_FILE",
        ),
    ],
)
def test_a_refused_proof(code: int, said: str, names: str) -> None:
    error = KafkaError(code, AT + said)
    assert str(refused_proof(error)).startswith(f"Kafka {names}")
    assert told(error) == refused_proof(error)
    assert not is_unauthorized(error)


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "a topic"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "its consumer group"),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "its transactional id (Write)"),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, "the cluster"),
    ],
)
def test_a_missing_acl(code: int, what: str) -> None:
    error = KafkaError(code, "Broker: not allowed")
    assert is_unauthorized(error)
    assert told(error) == (
        f"Kafka does not allow this user {what} (Broker: not allowed): docs/production/kafka.md lists what each needs"
    )


@pytest.mark.parametrize(
    "said",
    [
        "Connect failed: Connection refused",
        # As librdkafka said it when its connection was cut in the middle: no proof was refused.
        "SASL authentication error: SaslAuthenticateRequest failed: Local: Broker transport failure (after 0ms in state DOWN)",
    ],
)
def test_an_outage_is_told_in_kafkas_own_words(said: str) -> None:
    error = KafkaError(KafkaError._AUTHENTICATION, AT + said)
    assert refused_proof(error) is None
    assert told(error) == AT + said


def test_the_page_that_lines_point_to_explains_each_of_them() -> None:
    page = (Path(__file__).parents[4] / PAGE).read_text()
    beginnings = [
        "refuses the user or its password",
        "does not take this SASL mechanism",
        "wants a certificate of its clients",
    ]
    assert [each for each in beginnings if f"| `Kafka {each}" not in page] == []
