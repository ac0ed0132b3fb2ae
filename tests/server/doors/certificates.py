"""Certificates for tests, made anew in each run: an authority, what it signs, and SSLConfig files that hold it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf import text_format

from serving.protos import SSLConfig

HOST = "localhost"
_BEGIN, _END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A key and the certificate for it, as PEM."""

    key: bytes
    certificate: bytes


class Authority:
    """Signs certificates with a key of its own."""

    def __init__(self, name: str) -> None:
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = _pem(self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None)))

    def identity(self, name: str = HOST, *others: x509.GeneralName) -> Identity:
        """A new identity that this authority vouches for; its name is common name and DNS name."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(_name(name), key, x509.SubjectAlternativeName([x509.DNSName(name), *others]))
        return Identity(key=key_pem(key, serialization.NoEncryption()), certificate=_pem(certificate))

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(_BEGIN).not_valid_after(_END)
        return builder.add_extension(extension, critical=True).sign(self._key, hashes.SHA256())


def key_pem(key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption) -> bytes:
    """A private key as PEM."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def encrypted_key() -> bytes:
    """The PEM of a key with a passphrase."""
    return key_pem(ec.generate_private_key(ec.SECP256R1()), serialization.BestAvailableEncryption(b"secret"))


def write_config(
    path: Path, *, key: bytes = b"", certificate: bytes = b"", authority: bytes = b"", verify: bool = False
) -> Path:
    """A text SSLConfig at ``path``."""
    config = SSLConfig(
        server_key=key.decode(), server_cert=certificate.decode(), custom_ca=authority.decode(), client_verify=verify
    )
    path.write_text(text_format.MessageToString(config))
    return path


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
