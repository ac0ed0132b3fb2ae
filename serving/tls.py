"""TLS of a door: what a text SSLConfig says, checked before anything listens, and again whenever its file has changed.

It knows neither door. The values of an SSLConfig are PEM texts, not paths (docs/grpc.md, "TLS").
"""

import os
import ssl
import threading
from _ssl import _test_decode_cert  # type: ignore[attr-defined] # no public twin reads what nobody has shown
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from serving.configuration import text_proto
from serving.errors import ServingError, invalid_configuration
from serving.protos import SSLConfig
from serving.telemetry.log import logger

_LOOK_SECONDS = 1.0
"""Between two looks at the files, each of which is read: some kilobytes, whatever has become of a name or a link."""


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


class CredentialsFile:
    """The credentials in the file that ``flag`` names, which may be another file from one moment to the next.

    ``credentials`` is what new connections are to use; ``changed`` is called with it when it is replaced, by ``look``.
    The first reading raises ConfigurationError, as ``read`` does; later ones keep what is in use, and log why.
    """

    def __init__(self, flag: str, path: str) -> None:
        self._flag = flag
        self._path = Path(path)
        self._seen = self._taken = self._data()  # before it is read: what changes meanwhile is seen by the next look
        found = read(flag, path)
        if found is None:
            raise ValueError(f"--{flag} is empty")
        self.credentials = found
        self.changed: Callable[[Credentials], None] = lambda _: None

    def look(self) -> None:
        """Take what the file says, once it says the same in two looks: a file may be in the middle of being written.

        Whether clients are verified stays as it was at the start: gRPC cannot change it, and an incomplete file must
        not open a door.
        """
        before, self._seen = self._seen, self._data()
        if self._seen in (self._taken, b"") or self._seen != before:
            return
        self._taken = self._seen
        try:
            found = self._checked()
            if found != self.credentials:
                self.changed(found)
                self.credentials = found
                logger.info("--%s=%s has changed: new connections get %s", self._flag, self._path, described(found))
        except ServingError as error:
            logger.error("%s; the certificates that were read before stay in use", error.text)
        except OSError as error:  # of the listener, which another look may find in better times
            self._taken = b""
            logger.error("--%s=%s has changed, and cannot be used yet: %s", self._flag, self._path, error)

    def _checked(self) -> Credentials:
        found = read(self._flag, str(self._path))
        if found is None or found.verify_clients != self.credentials.verify_clients:
            raise invalid_configuration(f"--{self._flag}={self._path}: client_verify can change at a start only")
        return found

    def _data(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError:  # between two files with this name, or gone: what was read is as good as before
            return b""


class CertificateLoop:
    """Owns the thread that looks at ``files`` every second; ``on_death`` is told when it ends by a failure."""

    def __init__(self, files: Sequence[CredentialsFile], on_death: Callable[[BaseException], None]) -> None:
        self._files = files
        self._on_death = on_death
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to look; called once."""
        threading.Thread(target=self._run, name="certificates", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _run(self) -> None:
        try:
            while not self._stopped.wait(_LOOK_SECONDS):
                for file in self._files:
                    file.look()
        except Exception as death:  # noqa: BLE001 - a dead loop must be known, whatever killed it
            logger.exception("The loop that reads certificates again died; they are not followed any more")
            self._on_death(death)


def follow(flag: str, path: str) -> CredentialsFile | None:
    """The file that ``flag`` names, None for an empty ``path``. Raises ConfigurationError as ``read`` does."""
    return CredentialsFile(flag, path) if path else None


def described(credentials: Credentials) -> str:
    """Whose certificate it is, and until when."""
    with _in_memory(credentials.certificate) as path:
        found = _test_decode_cert(path)
    common = [value for part in found.get("subject", ()) for key, value in part if key == "commonName"]
    names = dict.fromkeys([*common, *(value for _, value in found.get("subjectAltName", ()))])
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC)
    return f"the certificate of {', '.join(map(str, names)) or 'nobody'}, valid until {until:%Y-%m-%d %H:%M:%S} UTC"


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
