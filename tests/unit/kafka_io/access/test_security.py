"""What clients in Python get of librdkafka's properties, and what is refused."""

import ssl
from pathlib import Path

import pytest

from kafka_io.access.security import UnsupportedSecurityError, for_python
from tests.kafka.certificates import Authority

PASSWORD = {"sasl.username": "rater", "sasl.password": "a password"}


def test_without_properties_nothing_is_encrypted_and_nobody_is_named() -> None:
    found = for_python({"socket.keepalive.enable": "true"})
    assert (found.protocol, found.tls, found.mechanism) == ("PLAINTEXT", None, None)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_password_without_tls(mechanism: str) -> None:
    found = for_python({"security.protocol": "sasl_plaintext", "sasl.mechanism": mechanism, **PASSWORD})
    assert (found.protocol, found.tls, found.mechanism) == ("SASL_PLAINTEXT", None, mechanism)
    assert (found.username, found.password) == ("rater", "a password")
    assert "a password" not in repr(found)


def test_with_tls_the_server_is_checked_unless_a_property_says_otherwise(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    given = {"security.protocol": "SSL", "ssl.ca.location": str(authority.ca_file)}
    checked = for_python(given).tls
    assert checked is not None
    assert (checked.verify_mode, checked.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert [each["subject"] for each in checked.get_ca_certs()] == [((("commonName", "authority"),),)]
    other_host = for_python({**given, "ssl.endpoint.identification.algorithm": "none"}).tls
    assert other_host is not None
    assert (other_host.verify_mode, other_host.check_hostname) == (ssl.CERT_REQUIRED, False)
    anybody = for_python({**given, "enable.ssl.certificate.verification": "false"}).tls
    assert anybody is not None
    assert anybody.verify_mode is ssl.CERT_NONE
    in_memory = for_python({"security.protocol": "SSL", "ssl.ca.pem": authority.ca_file.read_text()}).tls
    assert in_memory is not None
    assert in_memory.get_ca_certs() == checked.get_ca_certs()


@pytest.mark.parametrize(
    ("properties", "names"),
    [
        ({"security.protocol": "SASL_SSL"}, "sasl.mechanisms GSSAPI"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}, "sasl.mechanisms OAUTHBEARER"),
        ({"security.protocol": "SSL", "ssl.keystore.location": "x", "ssl.keystore.password": "y"}, "ssl.keystore"),
        ({"sasl.oauthbearer.config": "secret"}, "sasl.oauthbearer.config"),
    ],
)
def test_what_only_librdkafka_can_is_named(properties: dict[str, str], names: str) -> None:
    with pytest.raises(UnsupportedSecurityError) as refused:
        for_python(properties)
    assert str(refused.value).startswith(names)
    assert "the exporter's consumer takes PLAIN, SCRAM-SHA-256, SCRAM-SHA-512" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_authorities_may_stand_in_a_folder_as_librdkafka_has_it(tmp_path: Path) -> None:
    found = for_python({"security.protocol": "SSL", "ssl.ca.location": str(tmp_path)}).tls
    assert found is not None
    assert (found.verify_mode, found.get_ca_certs()) == (ssl.CERT_REQUIRED, [])


@pytest.mark.parametrize(
    "properties",
    [
        {"ssl.ca.location": "/no/such/file"},
        {"ssl.ca.location": __file__},
        {"ssl.ca.pem": "no certificate"},
        {"ssl.certificate.location": "/no/such/file", "ssl.key.location": __file__, "ssl.key.password": "secret"},
        {"ssl.certificate.location": __file__, "ssl.key.location": __file__, "ssl.key.password": "secret"},
    ],
)
def test_files_that_cannot_be_used_are_one_line(properties: dict[str, str]) -> None:
    with pytest.raises(UnsupportedSecurityError) as refused:
        for_python({"security.protocol": "SSL", **properties})
    assert "cannot be used for TLS" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert "secret" not in str(refused.value)
