"""--grpc_bind_address and --rest_api_bind_address: who reaches the doors, and the addresses that end the start."""

import http.client
import re
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest

from serving.errors import ConfigurationError
from serving.host.addresses import IPV6, everywhere, hosts
from serving.host.listening import bind
from serving.rpc.server import Transport, open_transport
from serving.settings import Settings
from serving.tls import CredentialsFile
from tests.server.doors.certificates import Authority, write_config
from tests.server.doors.clients import Target, floats, predict_request
from tests.support.ports import free_port
from tests.support.request_layer import admit_all
from tests.support.secure import channel as channel_to
from tests.support.secure import secure_path
from tests.support.server_process import START_SECONDS, ServerProcess

METHOD = "/test/Echo"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
LOOPBACK = ("127.0.0.1", "::1")
OTHER = "127.0.0.2"

needs_ipv6 = pytest.mark.skipif(everywhere() != (IPV6,), reason="this machine has no IPv6")
WHERE = [
    pytest.param("", LOOPBACK, id="everywhere", marks=needs_ipv6),
    pytest.param("[::]", LOOPBACK, id="both families", marks=needs_ipv6),
    pytest.param("[::],127.0.0.1", LOOPBACK, id="one that another covers", marks=needs_ipv6),
    pytest.param("0.0.0.0", LOOPBACK[:1], id="all of IPv4"),
    pytest.param("127.0.0.1", LOOPBACK[:1], id="one of IPv4"),
    pytest.param("::1", LOOPBACK[1:], id="one of IPv6", marks=needs_ipv6),
    pytest.param("[::1]", LOOPBACK[1:], id="one of IPv6 in brackets", marks=needs_ipv6),
    pytest.param("127.0.0.1, ::1", LOOPBACK, id="several", marks=needs_ipv6),
    pytest.param("0.0.0.0,::1", LOOPBACK, id="all of IPv4 and one of IPv6", marks=needs_ipv6),
]


OURS = Authority("ours")


@pytest.fixture(scope="module", params=["grpcio", "native", "tls"])
def transport(request: pytest.FixtureRequest) -> str:
    """Also the native transport behind TLS."""
    return str(request.param)


@contextmanager
def opened(transport: str, text: str, port: int = -1, socket_path: str = "") -> Iterator[Transport]:
    """A gRPC door at these addresses, which echoes. Raises ConfigurationError."""
    settings = Settings(port=port, grpc_bind_address=text, grpc_max_threads=2, grpc_socket_path=socket_path)
    tls, settings = None, settings.replaced(grpc_transport="native" if transport == "tls" else transport)
    if transport == "tls":
        identity = OURS.identity()
        with tempfile.TemporaryDirectory() as directory:
            path = write_config(Path(directory, "config"), key=identity.key, certificate=identity.certificate)
            tls = CredentialsFile("ssl_config_file", str(path))
    door = open_transport(settings, {METHOD: lambda payload, _: payload}, admit_all, tls)
    door.start()
    try:
        yield door
    finally:
        door.drain(0, 1)


def reached(port: int, among: tuple[str, ...] = LOOPBACK) -> tuple[str, ...]:
    """The addresses at which a connection is taken."""
    taken = []
    for host in among:
        try:
            socket.create_connection((host, port), START_SECONDS).close()
        except OSError:
            continue
        taken.append(host)
    return tuple(taken)


def echo(transport: str, address: str) -> bytes:
    """One call. Raises grpc.RpcError."""
    listener = secure_path("", OURS.certificate) if transport == "tls" else ""
    with channel_to(address, listener) as channel:
        return bytes(channel.unary_unary(METHOD)(b"payload", timeout=START_SECONDS))


@pytest.mark.parametrize(("text", "expected"), WHERE)
def test_grpc_listens_where_it_is_told(transport: str, text: str, expected: tuple[str, ...]) -> None:
    """At these addresses, with one port for all of them, and at no other."""
    with opened(transport, text) as door:
        assert reached(door.port) == expected
        for host in expected:
            assert echo(transport, f"[{host}]:{door.port}" if ":" in host else f"{host}:{door.port}") == b"payload"


def test_grpc_is_not_at_other_addresses(transport: str) -> None:
    """Nor at those of the same family."""
    with opened(transport, "127.0.0.1") as door:
        assert reached(door.port, ("127.0.0.1", OTHER)) == ("127.0.0.1",)


@needs_ipv6
def test_name_with_an_ipv6_address_alone(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that know the server by such a name reach it by default."""
    resolve = socket.getaddrinfo

    def six(name: str | None, *rest: object, **more: object) -> object:
        return resolve("::1" if name == "six.test" else name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", six)
    assert hosts("grpc_bind_address", "six.test") == ("::1",)
    with opened(transport, "six.test") as door:
        assert reached(door.port) == ("::1",)


def test_socket_is_beside_several_addresses(transport: str, tmp_path: Path) -> None:
    """--grpc_socket_path stays what it is."""
    with opened(transport, f"127.0.0.1,{OTHER}", socket_path=str(tmp_path / "socket")) as door:
        assert echo(transport, f"unix:{tmp_path / 'socket'}") == b"payload"
        assert reached(door.port, ("127.0.0.1", OTHER)) == ("127.0.0.1", OTHER)


def test_port_taken_at_one_address(transport: str) -> None:
    """It ends the start, though the others are free."""
    with socket.create_server((OTHER, 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(ConfigurationError, match=rf"cannot listen on {OTHER}:{port}: .* See .*--grpc_bind_address"),
            opened(transport, f"127.0.0.1,{OTHER}", port),
        ):
            pass


def test_port_that_others_have_elsewhere(transport: str) -> None:
    """The same port at another address is another's."""
    with socket.create_server((OTHER, 0)) as other, opened(transport, "127.0.0.1", other.getsockname()[1]) as door:
        assert echo(transport, f"127.0.0.1:{door.port}") == b"payload"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("10.255.255.254", "Cannot assign requested address", id="another machine's"),
        pytest.param("127.0.0.1:8500", "Name or service not known", id="with a port"),
        pytest.param("no-such-name.invalid", "Name or service not known", id="no name"),
        pytest.param("127.0.0.1,", "that is no address", id="an empty one"),
        pytest.param("*", "that is no address", id="a star"),
        pytest.param("fe80::1", "Invalid argument|Cannot assign", id="of a link that is not named"),
        pytest.param("é" * 70, "label", id="too long for a name"),
    ],
)
def test_address_that_is_none(text: str, reason: str) -> None:
    """The start ends with what was given, what is wrong, and what was expected."""
    entry = re.escape(repr(text.rpartition(",")[2]))
    with pytest.raises(ConfigurationError, match=rf"--grpc_bind_address: cannot listen on {entry}: .*({reason})"):
        hosts("grpc_bind_address", text)


def test_name_with_addresses_that_are_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is listened at where that can be: "localhost" is ::1 as well in containers without IPv6."""
    answers = [(socket.AF_INET6, 1, 6, "", ("2001:db8::1", 0, 0, 0)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", 0))]
    resolve = socket.getaddrinfo

    def two(name: str | None, *rest: object, **more: object) -> object:
        return answers if name == "two.test" else resolve(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    assert hosts("rest_api_bind_address", "two.test") == ("127.0.0.1",)


def test_free_port_is_free_at_every_address() -> None:
    """Many times, for the first one that the system gives may be taken at the other."""
    with ExitStack() as stack:
        for _ in range(200):
            one, two = (stack.enter_context(each) for each in bind(["127.0.0.1", OTHER], 0))
            assert one.getsockname()[1] == two.getsockname()[1]


@contextmanager
def serving(models: Path, *flags: str) -> Iterator[ServerProcess]:
    """A server that says where it listens in its own way; it must end well."""
    with ServerProcess([f"--model_base_path={models / 'half_plus_three'}", *flags], wait=False) as server:
        server.wait_for("Try it:")
        yield server
    assert server.process.returncode == 0, server.output
    assert "Traceback" not in "".join(server.output)


@pytest.mark.parametrize(("text", "expected"), WHERE)
def test_rest_listens_where_it_is_told(models: Path, text: str, expected: tuple[str, ...]) -> None:
    """As the other door; each address answers."""
    with serving(models, f"--rest_api_bind_address={text}") as server:
        server.rest_port = int(server.wait_for(r"Exporting HTTP/REST API at:\S+:(\d+) \.\.\.")[1])
        assert reached(server.rest_port) == expected
        for host in expected:
            connection = http.client.HTTPConnection(host, server.rest_port, timeout=START_SECONDS)
            connection.request("POST", "/v1/models/default:predict", '{"inputs": [1.0]}')
            assert b"3.5" in connection.getresponse().read()
            connection.close()


def test_log_names_each_address(models: Path) -> None:
    """One line each, in TensorFlow Serving's words, and a command that works as printed."""
    at = f"127.0.0.1,{OTHER}"
    with serving(models, f"--grpc_bind_address={at}", f"--rest_api_bind_address={at}") as server:
        rest_port = 0
        for host in (OTHER, "127.0.0.1"):
            grpc_port = int(server.wait_for(rf"Running gRPC ModelServer at {host}:(\d+) \.\.\.$")[1])
            rest_port = int(server.wait_for(rf"Exporting HTTP/REST API at:{host}:(\d+) \.\.\.$")[1])
            with grpc.insecure_channel(f"{host}:{grpc_port}") as channel:
                request = predict_request(Target(model="default"), {"x": floats(1)})
                assert channel.unary_unary(PREDICT)(request, timeout=START_SECONDS)
        server.wait_for(rf"curl -d .* 'http://127\.0\.0\.1:{rest_port}/v1/models/default:predict'")


def start_error(*flags: str) -> str:
    """The last line of a start that must fail."""
    with ServerProcess(flags, wait=False) as server:
        assert server.wait() == 255
    return server.output[-1]


@pytest.mark.parametrize("flag", ["grpc_bind_address", "rest_api_bind_address"])
def test_bad_address_ends_the_start_before_models_load(tmp_path: Path, flag: str) -> None:
    """There is no model here, for which a server waits."""
    line = start_error(f"--model_base_path={tmp_path}", f"--{flag}=10.255.255.254")
    assert line.startswith(f"Failed to start server. Error: INVALID_ARGUMENT: --{flag}: cannot listen on '10.255")


def test_rest_port_taken_at_its_address_ends_the_start(tmp_path: Path) -> None:
    """Without the flag the server goes on without REST, as TensorFlow Serving does."""
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        line = start_error(
            f"--model_base_path={tmp_path}", f"--rest_api_port={port}", "--rest_api_bind_address=127.0.0.1"
        )
    assert f"Failed to start HTTP Server at 127.0.0.1:{port}: Address already in use. See --rest_api_port and" in line
