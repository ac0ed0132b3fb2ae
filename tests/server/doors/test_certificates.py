"""Certificates that are replaced while the server runs, and what a policy learns of those that clients show."""

import http.client
import json
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from cryptography import x509

from serving import tls
from tests.server.doors.certificates import HOST, Authority, Identity, write_config
from tests.server.doors.clients import Target, floats, predict_request
from tests.server.doors.refusing import ASKED
from tests.support.server_process import START_SECONDS, ServerProcess, wait_until

OURS, OTHERS = Authority("ours"), Authority("others")
KNOWN = OURS.identity(
    "known", x509.UniformResourceIdentifier("spiffe://cluster/ns/serving"), x509.RFC822Name("ops@example.org")
)
STRANGER = OTHERS.identity("stranger")
NAMES = ["known", "spiffe://cluster/ns/serving", "ops@example.org"]
PREDICT = "/tensorflow.serving.PredictionService/Predict"
REQUEST = predict_request(Target(model="default"), {"x": floats(1)})


class Secured:
    """A server whose doors both have the SSLConfig ``path``, below a link to a directory as Kubernetes mounts secrets.

    With ``verify`` it wants certificates of ``authority``.
    """

    def __init__(self, directory: Path, *, verify: bool) -> None:
        self._directory, self._verify = directory, verify
        self._versions = 0
        self.authority = OURS
        self.path = directory / "secret" / "config"
        self.swap(OURS.identity())
        self.server: ServerProcess

    def write(self, identity: Identity, path: Path) -> Path:
        """An SSLConfig for the identity."""
        authority = self.authority.certificate if self._verify else b""
        return write_config(
            path, key=identity.key, certificate=identity.certificate, authority=authority, verify=self._verify
        )

    def swap(self, identity: Identity) -> None:
        """The link comes to point to another directory."""
        self._versions += 1
        version = self._directory / f"version{self._versions}"
        version.mkdir()
        self.write(identity, version / "config")
        (self._directory / "new").symlink_to(version)
        (self._directory / "new").replace(self.path.parent)

    def rename(self, identity: Identity) -> None:
        """Another file gets the name, as careful programs do it."""
        self.write(identity, self._directory / "next").replace(self.path)

    def overwrite(self, identity: Identity) -> None:
        """The same file gets other content."""
        self.write(identity, self.path)

    def context(self, shown: Identity | None = None) -> ssl.SSLContext:
        """A client's, who trusts both authorities."""
        context = ssl.create_default_context(cadata=(OURS.certificate + OTHERS.certificate).decode())
        if shown is not None:
            file = self._directory / f"{uuid4().hex}.pem"
            file.write_bytes(shown.key + shown.certificate)
            context.load_cert_chain(file)
        return context

    def rest(self, shown: Identity | None = None, context: ssl.SSLContext | None = None) -> http.client.HTTPSConnection:
        """A client of REST, which connects with its first request."""
        context = context or self.context(shown)
        return http.client.HTTPSConnection(HOST, self.server.rest_port, context=context, timeout=START_SECONDS)

    def channel(self, shown: Identity | None = None) -> grpc.Channel:
        """A client of gRPC, with a connection of its own."""
        more = (shown.key, shown.certificate) if shown else (None, None)
        credentials = grpc.ssl_channel_credentials(OURS.certificate + OTHERS.certificate, *more)
        options = (("grpc.ssl_target_name_override", HOST), ("grpc.use_local_subchannel_pool", 1))
        return grpc.secure_channel(f"localhost:{self.server.grpc_port}", credentials, options)

    def certificates(self, shown: Identity | None = None) -> list[str]:
        """What the doors show to new connections."""
        found, context = [], self.context(shown)
        context.set_alpn_protocols(["h2", "http/1.1"])
        for port in (self.server.rest_port, self.server.grpc_port):
            with (
                socket.create_connection((HOST, port), START_SECONDS) as connection,
                context.wrap_socket(connection, server_hostname=HOST) as client,
            ):
                found.append(ssl.DER_cert_to_PEM_cert(client.getpeercert(binary_form=True) or b""))
        return found

    def await_shown(self, identity: Identity, shown: Identity | None = None) -> None:
        """Wait until both doors show the certificate."""
        expected = [identity.certificate.decode()] * 2
        wait_until("both doors show the new certificate", lambda: self.certificates(shown) == expected)


@contextmanager
def secured(models: Path, directory: Path, transport: str, *, verify: bool) -> Iterator[Secured]:
    """A server that tells what its policy sees; it must end well and log no traceback."""
    made = Secured(directory, verify=verify)
    flags = [
        f"--model_base_path={models / 'half_plus_three'}",
        f"--ssl_config_file={made.path}",
        f"--rest_api_ssl_config_file={made.path}",
        f"--grpc_socket_path={directory / 'socket'}",
        f"--grpc_transport={transport}",
    ]
    with ServerProcess(flags, command=(sys.executable, "-m", "tests.server.doors.refusing")) as made.server:
        yield made
    assert made.server.process.returncode == 0, made.server.output
    assert "Traceback" not in "".join(made.server.output)


@pytest.fixture(scope="module", params=["grpcio", "native"])
def transport(request: pytest.FixtureRequest) -> str:
    """The gRPC transport."""
    return str(request.param)


@pytest.fixture(scope="module")
def plain(models: Path, tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[Secured]:
    """A server that asks clients for nothing."""
    with secured(models, tmp_path_factory.mktemp("plain"), transport, verify=False) as made:
        yield made


@pytest.fixture(scope="module")
def mutual(models: Path, tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[Secured]:
    """A server that asks clients for certificates."""
    with secured(models, tmp_path_factory.mktemp("mutual"), transport, verify=True) as made:
        yield made


def ask_rest(connection: http.client.HTTPSConnection, request_id: str = "", *, lane: bool = True) -> int:
    """The status of one request; the lane takes none that comes in chunks. Raises OSError."""
    body = [b'{"inputs": ', b"[1.0]}"]
    headers = {"x-request-id": request_id}
    connection.request("POST", "/v1/models/default:predict", b"".join(body) if lane else iter(body), headers)
    response = connection.getresponse()
    response.read()
    return response.status


def ask_grpc(channel: grpc.Channel, request_id: str = "") -> bytes:
    """One call. Raises grpc.RpcError."""
    call = channel.unary_unary(PREDICT)
    return bytes(call(REQUEST, timeout=START_SECONDS, metadata=(("x-request-id", request_id),)))


REPLACED = [
    pytest.param(Secured.swap, id="link"),
    pytest.param(Secured.rename, id="renamed"),
    pytest.param(Secured.overwrite, id="in place"),
]


@pytest.mark.parametrize("replace", REPLACED)
def test_new_connections_see_the_new_certificate(plain: Secured, replace: Callable[[Secured, Identity], None]) -> None:
    """However the file was replaced, at both doors; connections that are open go on with the old one."""
    connection, identity = plain.rest(), OURS.identity()
    with plain.channel() as channel:
        assert ask_rest(connection) == 200
        assert ask_grpc(channel)
        before = connection.sock
        replace(plain, identity)
        plain.await_shown(identity)
        assert ask_rest(connection) == 200
        assert connection.sock is before
        assert ask_grpc(channel)
    connection.close()
    plain.server.wait_for(r"--ssl_config_file=.* has changed: new connections get the certificate of localhost, valid")
    plain.server.wait_for(r"--rest_api_ssl_config_file=.* has changed: .* valid until 2120-01-01 00:00:00 UTC")


def test_socket_sees_the_new_certificate(plain: Secured) -> None:
    """Each listener of gRPC does: a client that trusts the new one alone is answered."""
    plain.rename(OTHERS.identity())
    address = f"unix:{plain.path.parents[1] / 'socket'}"

    def answered() -> bool:
        credentials = grpc.ssl_channel_credentials(OTHERS.certificate)
        options = (("grpc.ssl_target_name_override", HOST), ("grpc.use_local_subchannel_pool", 1))
        with grpc.secure_channel(address, credentials, options) as channel:
            try:
                return bool(ask_grpc(channel))
            except grpc.RpcError:
                return False

    wait_until("the socket shows the new certificate", answered)


def test_no_connection_is_lost(plain: Secured) -> None:
    """Clients that connect all the while are all answered."""
    over, failed, asked = threading.Event(), [], 0

    def connect() -> None:
        nonlocal asked
        context = plain.context()
        while not over.is_set():
            connection = plain.rest(context=context)
            try:
                asked += ask_rest(connection) == 200
            except OSError as error:
                failed.append(error)
            finally:
                connection.close()

    threads = [threading.Thread(target=connect) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        identity = OURS.identity()
        plain.rename(identity)
        plain.await_shown(identity)
    over.set()
    for thread in threads:
        thread.join(START_SECONDS)
    assert not failed
    assert asked


def test_descriptors_are_given_back(plain: Secured) -> None:
    """A listener that takes over leaves nothing behind."""
    held = Path(f"/proc/{plain.server.process.pid}/fd")
    connection = plain.rest()
    assert ask_rest(connection) == 200
    connection.close()
    before = len(list(held.iterdir()))
    for _ in range(2):
        identity = OURS.identity()
        plain.rename(identity)
        plain.await_shown(identity)
    wait_until("as many are open as before", lambda: len(list(held.iterdir())) <= before)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("server_key 7", "Invalid protobuf file", id="no text proto"),
        pytest.param('server_key: "-----BEGIN"', "server_cert is empty", id="half of it"),
    ],
)
def test_file_that_is_broken(plain: Secured, text: str, reason: str) -> None:
    """What is in use stays, and one line says why; mended, it is taken."""
    before = plain.certificates()
    plain.path.write_text(text)
    plain.server.wait_for(rf"{reason}.*; the certificates that were read before stay in use")
    assert plain.certificates() == before
    identity = OURS.identity()
    plain.overwrite(identity)
    plain.await_shown(identity)


def test_names_are_those_of_the_certificate(mutual: Secured) -> None:
    """At both doors, on the lane and on the road, a policy sees the names that the client's authority vouches for."""
    ids = [uuid4().hex for _ in range(4)]
    connection = mutual.rest(KNOWN)
    assert [ask_rest(connection, each) for each in ids[:2]] == [200, 200]
    assert ask_rest(connection, ids[2], lane=False) == 200
    connection.close()
    with mutual.channel(KNOWN) as channel:
        ask_grpc(channel, ids[3])
    for each in ids:
        line = mutual.server.wait_for(rf"{ASKED}(.*{each}.*)")[1]
        assert json.loads(line)["certificate"] == NAMES


def test_who_shows_nothing_has_no_names(plain: Secured) -> None:
    """Neither over TLS without certificates of clients."""
    request_id, connection = uuid4().hex, plain.rest()
    ask_rest(connection, request_id)
    connection.close()
    with plain.channel() as channel:
        ask_grpc(channel, f"grpc-{request_id}")
    for each in (f'"{request_id}', f'"grpc-{request_id}'):
        assert json.loads(plain.server.wait_for(rf"{ASKED}(.*{each}.*)")[1])["certificate"] == []


def test_verification_cannot_be_turned_off(mutual: Secured) -> None:
    """Not by a file of which the end is missing, either."""
    identity = OURS.identity()
    write_config(mutual.path, key=identity.key, certificate=identity.certificate)
    mutual.server.wait_for("client_verify can change at a start only; the certificates that were read before stay")
    with mutual.channel() as channel, pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
        ask_grpc(channel)
    connection = mutual.rest()
    with pytest.raises(OSError):
        ask_rest(connection)
    connection.close()


def test_clients_authority_is_replaced(mutual: Secured) -> None:
    """Who has connected stays; then those of the new authority are let in, and those of the old one are not.

    Nor by a session that began under the old one.
    """
    context = mutual.context(KNOWN)
    connection, identity = mutual.rest(context=context), OURS.identity()
    with ExitStack() as stack:
        channel = stack.enter_context(mutual.channel(KNOWN))
        assert ask_rest(connection) == 200
        assert ask_grpc(channel)
        session = connection.sock.session
        assert goes_on(mutual, context, session)
        mutual.authority = OTHERS
        mutual.rename(identity)

        def let_in() -> bool:
            try:
                return mutual.certificates(STRANGER) == [identity.certificate.decode()] * 2
            except OSError:
                return False

        wait_until("both doors show the new certificate", let_in)
        wait_until("a stranger is answered", lambda: answered(mutual, STRANGER))
        assert ask_rest(connection) == 200
        assert ask_grpc(channel)
        assert not answered(mutual, KNOWN)
        assert not goes_on(mutual, context, session)
    connection.close()


def goes_on(server: Secured, context: ssl.SSLContext, session: ssl.SSLSession | None) -> bool:
    """Whether REST answers a new connection that resumes a session."""
    try:
        with (
            socket.create_connection((HOST, server.server.rest_port), START_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=HOST, session=session) as client,
        ):
            client.sendall(b"GET /v1/models/default HTTP/1.1\r\nHost: x\r\n\r\n")
            return client.recv(4) == b"HTTP"
    except OSError:
        return False


def answered(server: Secured, shown: Identity) -> bool:
    """Whether both doors answer; never one of them alone."""
    found = []
    connection = server.rest(shown)
    try:
        found.append(ask_rest(connection) == 200)
    except OSError:
        found.append(False)
    finally:
        connection.close()
    with server.channel(shown) as channel:
        try:
            found.append(bool(ask_grpc(channel)))
        except grpc.RpcError:
            found.append(False)
    assert len(set(found)) == 1
    return found[0]


def test_file_is_taken_when_it_has_come_to_rest(tmp_path: Path) -> None:
    """Two looks must find the same; a file that is gone for a moment is no change."""
    one, two = OURS.identity(), OURS.identity()
    path = write_config(tmp_path / "config", key=one.key, certificate=one.certificate)
    file = tls.CredentialsFile("ssl_config_file", str(path))
    path.unlink()
    file.look()
    file.look()
    write_config(path, key=two.key, certificate=two.certificate)
    file.look()
    assert file.credentials.certificate == one.certificate
    file.look()
    assert file.credentials.certificate == two.certificate


def test_listener_that_could_not_change_is_tried_again(tmp_path: Path) -> None:
    """As without descriptors: what new connections get is what the log says."""
    one, two = OURS.identity(), OURS.identity()
    path = write_config(tmp_path / "config", key=one.key, certificate=one.certificate)
    file, refusals = tls.CredentialsFile("ssl_config_file", str(path)), [OSError(24, "Too many open files")]

    def change(credentials: tls.Credentials) -> None:
        if refusals:
            raise refusals.pop()

    file.changed = change
    write_config(path, key=two.key, certificate=two.certificate)
    for _ in range(2):
        file.look()
    assert file.credentials.certificate == one.certificate
    file.look()
    assert file.credentials.certificate == two.certificate
