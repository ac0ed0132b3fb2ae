"""TLS before the native transport: who a caller is, who gets past it, and clients that hold it up."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from serving.inference.context import RequestContext
from serving.inference.unsent import UnsentBytes
from serving.rpc.running import RunningCalls
from serving.rpc.transports import tls_relay
from serving.rpc.transports.fronted import FrontedTransport
from serving.rpc.transports.native import NativeTransport
from serving.rpc.transports.tls_front import TlsFront
from serving.tls import CredentialsFile
from tests.server.doors.certificates import HOST, Authority, Identity, write_config
from tests.server.doors.clients import Target, floats, predict_request
from tests.support.server_process import START_SECONDS, ServerProcess, wait_until

METHOD = "/test/Echo"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
OURS, OTHERS = Authority("ours"), Authority("others")
KNOWN, UNKNOWN, STRANGER = OURS.identity("known"), OURS.identity("unknown"), OTHERS.identity("stranger")
STALLED = 50
HUGE_BYTES = 100_000_000
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40)
"""The beginning of a first message, the rest of which does not come."""


@dataclass(frozen=True, slots=True)
class Door:
    """A door that echoes, in this process. ``asked`` has the surroundings of the calls."""

    port: int
    asked: list[RequestContext]

    def channel(self, shown: Identity | None = KNOWN, host: str = HOST) -> grpc.Channel:
        """A client of its own."""
        more = (shown.key, shown.certificate) if shown else (None, None)
        options = (
            ("grpc.ssl_target_name_override", HOST),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", -1),
        )
        credentials = grpc.ssl_channel_credentials(OURS.certificate, *more)
        return grpc.secure_channel(f"{host}:{self.port}", credentials, options)

    def echo(self, payload: bytes = b"payload", shown: Identity | None = KNOWN, host: str = HOST) -> bytes:
        """One call. Raises grpc.RpcError."""
        with self.channel(shown, host) as channel:
            return bytes(channel.unary_unary(METHOD)(payload, timeout=START_SECONDS))


def credentials(directory: Path, *, verify: bool = True) -> CredentialsFile:
    """Those of a server that trusts ``OURS``."""
    identity = OURS.identity()
    path = write_config(
        directory / "config",
        key=identity.key,
        certificate=identity.certificate,
        authority=OURS.certificate,
        verify=verify,
    )
    return CredentialsFile("ssl_config_file", str(path))


@contextmanager
def opened(directory: Path, *, verify: bool = True) -> Iterator[Door]:
    asked: list[RequestContext] = []

    def echo(payload: bytes, context: RequestContext) -> bytes:
        asked.append(context)
        return payload

    transport = FrontedTransport(
        {METHOD: echo},
        ["[::]:0"],
        max_threads=2,
        max_request_bytes=2**31 - 1,
        aside={},
        services=(),
        tls=credentials(directory, verify=verify),
    )
    transport.start()
    try:
        yield Door(transport.port, asked)
    finally:
        transport.drain(0, 5)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """It wants certificates of ``OURS``."""
    with opened(tmp_path) as made:
        yield made


def client_context(*protocols: str) -> ssl.SSLContext:
    """That of a client that trusts ``OURS`` and shows nothing."""
    context = ssl.create_default_context(cadata=OURS.certificate.decode())
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


@pytest.mark.parametrize(
    ("host", "begin"),
    [pytest.param("127.0.0.1", "ipv4:127.0.0.1:", id="4"), pytest.param("[::1]", "ipv6:[::1]:", id="6")],
)
def test_policies_see_the_client(door: Door, host: str, begin: str) -> None:
    """Its address, as without TLS, and the names in its certificate; not those of the relay."""
    assert door.echo(host=host) == b"payload"
    (context,) = door.asked
    assert context.peer.startswith(begin)
    assert context.certificate_names == ("known",)


def test_each_connection_is_its_clients(door: Door) -> None:
    """Calls on connections that are open side by side have each its own names and address."""
    with door.channel(KNOWN) as one, door.channel(UNKNOWN) as two:
        for channel in (one, two, one):
            channel.unary_unary(METHOD)(b"", timeout=START_SECONDS)
    assert [context.certificate_names for context in door.asked] == [("known",), ("unknown",), ("known",)]
    assert door.asked[0].peer == door.asked[2].peer != door.asked[1].peer


@pytest.mark.parametrize("shown", [pytest.param(None, id="nobody"), pytest.param(STRANGER, id="a stranger")])
def test_others_are_turned_away(door: Door, shown: Identity | None) -> None:
    """Without a certificate, or with that of another authority, there is no call."""
    with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
        door.echo(shown=shown)
    assert not door.asked


@pytest.mark.parametrize("size", [0, 1, 16_384, 70_000, HUGE_BYTES], ids=str)
def test_messages_pass_whole(door: Door, size: int) -> None:
    """Both ways, whatever records they take."""
    payload = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    assert door.echo(payload) == payload


@pytest.mark.parametrize(
    ("protocols", "goes_on"),
    [
        pytest.param((), False, id="nothing"),
        pytest.param(("http/1.1",), False, id="HTTP/1.1"),
        pytest.param(("http/1.1", "h2"), True, id="both"),
    ],
)
def test_only_http2_is_spoken(tmp_path: Path, protocols: tuple[str, ...], goes_on: bool) -> None:
    """Who does not say so in the handshake is not let in, as with grpcio."""
    with (
        opened(tmp_path, verify=False) as door,
        socket.create_connection((HOST, door.port), START_SECONDS) as connection,
        client_context(*protocols).wrap_socket(connection, server_hostname=HOST) as client,
    ):
        assert bool(client.recv(9)) is goes_on


def test_older_tls(tmp_path: Path) -> None:
    """1.2 is taken, with the ciphers that HTTP/2 allows."""
    context = client_context("h2")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        opened(tmp_path, verify=False) as door,
        socket.create_connection((HOST, door.port), START_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=HOST) as client,
    ):
        assert client.recv(9)
        assert "GCM" in str(client.cipher()) or "CHACHA" in str(client.cipher())


def test_stalled_handshakes_hold_up_nobody(door: Door) -> None:
    """Who says nothing, or half of it, waits alone."""
    with ExitStack() as stack:
        for number in range(STALLED):
            connection = stack.enter_context(socket.create_connection((HOST, door.port), START_SECONDS))
            connection.sendall(HELLO[: number % 2 * len(HELLO)])
        assert door.echo() == b"payload"


def test_stalled_handshakes_end(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server closes them."""
    monkeypatch.setattr(tls_relay, "HANDSHAKE_SECONDS", 0.1)
    with socket.create_connection((HOST, door.port), START_SECONDS) as connection:
        connection.sendall(HELLO)
        assert ended(connection)


def ended(connection: socket.socket) -> bool:
    """Whether the connection ends without a byte."""
    try:
        return not connection.recv(1)
    except ConnectionResetError:
        return True


def listening() -> list[int]:
    """The ports on which this process listens at 127.0.0.1."""
    held = {str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()}
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    local = [row for row in rows if row[1].startswith("0100007F:") and row[3] == "0A"]
    return [int(row[1][9:], 16) for row in local if f"socket:[{row[9]}]" in held]


def reached(port: int) -> bool:
    """Whether a client of this machine is let in."""
    with socket.socket() as connection:
        connection.settimeout(0.3)
        return connection.connect_ex((HOST, port)) == 0


def test_nobody_gets_past_tls(door: Door) -> None:
    """The server behind takes no connection but the relay's: of others, the first packet is dropped."""
    assert door.echo()
    behind = [port for port in listening() if port != door.port]
    assert behind
    assert not any(map(reached, behind))
    assert door.echo()


def test_fallback_is_hidden(door: Door) -> None:
    """What the front does not have is answered by a server that nobody else can open: its file has no name."""
    with door.channel() as channel, pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
        channel.unary_unary("/test/Other")(b"", timeout=START_SECONDS)
    held = {str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()}
    rows = [line.split() for line in Path("/proc/self/net/unix").read_text().splitlines()[1:]]
    names = [row[7] for row in rows if len(row) > 7 and row[3] == "00010000" and f"socket:[{row[6]}]" in held]
    assert any(not name.startswith("@") and not Path(name).exists() for name in names)


class OpenFront(TlsFront):
    """One that keeps nobody off, as if there was a way around."""

    def guard(self, port: int) -> None:
        self.port_behind = port


def test_calls_past_tls_are_refused(tmp_path: Path) -> None:
    """Were there a way, the call would be of nobody that is known, and does not reach a handler."""
    front, asked = OpenFront(["127.0.0.1:0"], credentials(tmp_path)), list[RequestContext]()

    def handle(payload: bytes, context: RequestContext) -> bytes:
        asked.append(context)
        return payload

    transport = NativeTransport(
        {METHOD: handle},
        "127.0.0.1:0",
        max_request_bytes=2**20,
        running=RunningCalls(2),
        fallback="\0nobody",
        unsent=UnsentBytes(2**30),
        relay=front,
    )
    transport._thread.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{front.port_behind}") as channel, pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(METHOD)(b"", timeout=START_SECONDS)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert not asked
    finally:
        transport._front.close()
        transport._thread.join()
        front.close()


def test_closed_connections_are_forgotten(tmp_path: Path) -> None:
    """What a client had is nobody's when it is gone."""
    front = TlsFront(["127.0.0.1:0"], credentials(tmp_path))
    transport = NativeTransport(
        {METHOD: lambda payload, _: payload},
        "127.0.0.1:0",
        max_request_bytes=2**20,
        running=RunningCalls(2),
        fallback="\0nobody",
        unsent=UnsentBytes(2**30),
        relay=front,
    )
    transport.start()
    try:
        door = Door(front.port, [])
        with door.channel() as channel:
            channel.unary_unary(METHOD)(b"", timeout=START_SECONDS)
            assert len(front.callers) == 1
        wait_until("nobody is known", lambda: not front.callers)
    finally:
        transport.drain(0, 5)


@pytest.fixture(scope="module", params=["grpcio", "native"])
def keyed(
    request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server of which the client ``known`` may ask for predictions, by its certificate."""
    directory = tmp_path_factory.mktemp("keyed")
    identity = OURS.identity()
    config = write_config(
        directory / "config",
        key=identity.key,
        certificate=identity.certificate,
        authority=OURS.certificate,
        verify=True,
    )
    keys = directory / "keys.json"
    keys.write_text(json.dumps([{"name": "team", "certificate": "known", "rights": ["predict"]}]))
    keys.chmod(0o600)
    flags = [
        "--model_name=half",
        f"--model_base_path={models / 'half_plus_three'}",
        f"--grpc_transport={request.param}",
        f"--ssl_config_file={config}",
        f"--api_keys_file={keys}",
    ]
    with ServerProcess(flags) as server:
        yield server
    assert "Traceback" not in "".join(server.output)


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        pytest.param(KNOWN, grpc.StatusCode.OK, id="known"),
        pytest.param(UNKNOWN, grpc.StatusCode.UNAUTHENTICATED, id="unknown"),
    ],
)
def test_certificates_are_principals(keyed: ServerProcess, shown: Identity, code: grpc.StatusCode) -> None:
    """At either transport: a name in the file opens the door, any other of the authority does not."""
    request = predict_request(Target(model="half"), {"x": floats(1)})
    with Door(keyed.grpc_port, []).channel(shown) as channel:
        call = channel.unary_unary(PREDICT).future(request, timeout=START_SECONDS)
        assert call.code() is code
