"""Certificates made for a test: an authority, and servers and clients that it vouches for. Nothing of them is kept."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = timedelta(days=1)
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Certificate:
    """Files of one server or client, all PEM. `pair_file`: the key and behind it the certificate, a keystore of Java's."""

    certificate_file: Path
    key_file: Path
    pair_file: Path


class Authority:
    """Signs certificates. Its own is in `ca_file`; its key is in memory alone."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        """`folder` is made; two authorities in one folder need two names."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _begun(name, name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        ).add_extension(_may(signs_certificates=True), critical=True).sign(self._key, hashes.SHA256())  # fmt: skip
        self.ca_file = folder / f"{name}.pem"
        self.ca_file.write_bytes(self._certificate.public_bytes(_PEM))

    def issue(self, name: str, key_password: str | None = None) -> Certificate:
        """A certificate for a server on 127.0.0.1, ::1 and localhost, or for the client called `name`.

        With a password the key is encrypted (PKCS 8).
        """
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self._certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        loopback = (x509.IPAddress(ipaddress.ip_address(each)) for each in ("127.0.0.1", "::1"))
        addresses = [x509.DNSName("localhost"), *loopback]
        certificate = (
            _begun(name, str(issuer), key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_may(signs_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        hidden: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if key_password is not None:
            hidden = serialization.BestAvailableEncryption(key_password.encode())
        key_text = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, hidden)
        text = certificate.public_bytes(_PEM)
        issued = Certificate(*(self._folder / f"{name}.{kind}.pem" for kind in ("certificate", "key", "pair")))
        for path, content in (
            (issued.certificate_file, text),
            (issued.key_file, key_text),
            (issued.pair_file, key_text + text),
        ):
            path.touch(mode=0o600)
            path.write_bytes(content)
        return issued


def _begun(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 2 * _DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _may(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=signs_certificates, crl_sign=signs_certificates, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
