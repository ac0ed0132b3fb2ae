"""TLS of a door: what a text SSLConfig says, checked before anything listens. It knows neither door.

The values of an SSLConfig are PEM texts, not paths (docs/compatibility.md, "TLS").
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from serving.configuration import text_proto
from serving.errors import invalid_configuration
from serving.protos import SSLConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """PEM texts: a private key, the certificate with its chain, and the authorities of clients' certificates.

    ``roots`` is empty unless clients are asked for a certificate; those without one are then turned away.
    """

    key: bytes = field(repr=False)
    certificate: bytes
    roots: bytes

    @property
    def verify_clients(self) -> bool:
        """Whether clients must show a certificate."""
        return bool(self.roots)


def read(flag: str, path: str) -> Credentials | None:
    """The credentials in the file that ``flag`` names, None for an empty ``path``.

    Raises ConfigurationError if there is no such file or no server could use what it says.
    """
    if not path:
        return None
    config = text_proto.read(path, SSLConfig)
    place = f"--{flag}={path}"
    credentials = Credentials(
        key=_pem(config, "server_key", place),
        certificate=_pem(config, "server_cert", place),
        roots=_roots(config, place) if config.client_verify else b"",
    )
    try:
        server_context(credentials)
    except (ssl.SSLError, ValueError) as error:
        raise invalid_configuration(f"{place}: {_reason(error)}") from None
    return credentials


def server_context(credentials: Credentials) -> ssl.SSLContext:
    """The credentials as Python's TLS takes them. Raises ssl.SSLError or ValueError if they are no use."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with _in_memory(credentials.key + b"\n" + credentials.certificate) as path:
        context.load_cert_chain(path, password=_no_passphrase)
    if credentials.verify_clients:
        context.load_verify_locations(cadata=credentials.roots.decode("ascii"))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _pem(config: SSLConfig, name: str, place: str) -> bytes:
    text: str = getattr(config, name)
    if "-----BEGIN" in text:
        return text.encode()
    raise invalid_configuration(
        f"{place}: {name} is {'not PEM' if text else 'empty'}; expected the PEM text itself, not a path"
    )


def _roots(config: SSLConfig, place: str) -> bytes:
    if config.custom_ca:
        return _pem(config, "custom_ca", place)
    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    if not certificates:
        raise invalid_configuration(
            f"{place}: client_verify is true, custom_ca is empty, and this machine has no authorities of its own"
        )
    return "".join(map(ssl.DER_cert_to_PEM_cert, certificates)).encode()


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """A path under which ``data`` can be read: Python takes keys only from files, and a key belongs on no disk."""
    descriptor = os.memfd_create("credentials")
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        yield f"/proc/self/fd/{descriptor}"


def _no_passphrase() -> str:
    raise ValueError("server_key is encrypted; expected a key without a passphrase")


def _reason(error: ssl.SSLError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        why = error.reason.replace("_", " ").lower() if error.reason else str(error)
        return f"server_key, server_cert or custom_ca cannot be used: {why}"
    return str(error)
