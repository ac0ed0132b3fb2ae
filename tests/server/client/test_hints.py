"""The sentence that may help, which an error has beside the server's words or gRPC's."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
import pytest

from serving.client import AsyncClient, Client, ServingError
from serving.client.errors import serving_error
from tests.server.doors.certificates import Authority, write_config
from tests.support.server_process import ServerProcess

ONE = MappingProxyType({"x": [1.0]})


def refused(address: str, **options: Any) -> str:
    """The text of the error of a prediction that must fail with UNAVAILABLE, the same of both clients."""

    async def with_asyncio() -> None:
        async with AsyncClient(address, **options) as client:
            await client.predict("m", ONE)

    with Client(address, **options) as waiting, pytest.raises(ServingError, match="UNAVAILABLE: ") as raised:
        waiting.predict("m", ONE)
    with pytest.raises(ServingError, match="UNAVAILABLE: ") as awaited:
        asyncio.run(with_asyncio())
    assert awaited.value.hint == raised.value.hint
    return str(raised.value)


def test_nobody_there() -> None:
    """The address, and the port that is meant."""
    assert refused("localhost:1").endswith(
        "\nNo server answers at localhost:1; is it running, and is this its gRPC port (8500)? 8501 is REST's."
    )


def test_port_of_rest(server: ServerProcess) -> None:
    """The commonest mistake."""
    address = f"localhost:{server.rest_port}"
    hint = f"\nWhat answers at {address} speaks no gRPC: is this its gRPC port (8500)? 8501 is REST's."
    assert refused(address).endswith(hint)


def test_name_of_no_machine() -> None:
    """A name that does not resolve is nobody there."""
    assert "\nNo server answers at nobody.invalid:8500; " in refused("nobody.invalid:8500")


def test_limit_of_ones_own(address: str) -> None:
    """Who sets a limit is told of it."""
    with (
        Client(address, options=[("grpc.max_receive_message_length", 10)]) as client,
        pytest.raises(ServingError, match="RESOURCE_EXHAUSTED") as raised,
    ):
        client.predict("half_plus_three", ONE)
    assert "or the option grpc.max_receive_message_length" in raised.value.hint


def test_tls(models: Path, tmp_path: Path) -> None:
    """With the right credentials it answers, with others, and with none, the error says what may be wrong."""
    ours, others = Authority("ours"), Authority("others")
    identity = ours.identity()
    config = write_config(tmp_path / "config", key=identity.key, certificate=identity.certificate)
    flags = ("--model_name=m", f"--model_base_path={models / 'half_plus_three'}", f"--ssl_config_file={config}")
    with ServerProcess(flags) as server:
        address = f"localhost:{server.grpc_port}"
        with Client(address, credentials=grpc.ssl_channel_credentials(ours.certificate)) as client:
            assert client.predict("m", ONE)["y"].tolist() == [3.5]
        wrong = refused(address, credentials=grpc.ssl_channel_credentials(others.certificate))
        assert f"\nThe TLS handshake with {address} failed: " in wrong
        assert refused(address).endswith(
            f"\nWhat listens at {address} hangs up: does it want TLS (credentials=), "
            "and is this its gRPC port (8500)? 8501 is REST's."
        )


class Refusing(BaseHTTPRequestHandler):
    """A proxy that lets nobody through."""

    def do_CONNECT(self) -> None:
        self.send_error(403)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment names a proxy that refuses."""
    for name in ("grpc_proxy", "https_proxy", "no_grpc_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listening.server_port}")
        yield
        listening.shutdown()
        thread.join()


def test_refusing_proxy(proxy: None, address: str) -> None:
    """A server is there, and the proxy that the environment names lets nobody to it."""
    assert refused(address).endswith(
        f"\nA proxy that the environment names refuses the way to {address}: name the machine in no_proxy, or turn "
        'proxies off with ("grpc.enable_http_proxy", 0) among the options.'
    )


@pytest.mark.parametrize(
    ("options", "no_proxy"),
    [pytest.param([("grpc.enable_http_proxy", 0)], "", id="option"), pytest.param([], "localhost", id="no_proxy")],
)
def test_ways_past_a_proxy(
    proxy: None, address: str, options: list[tuple[str, int]], no_proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the hint names helps."""
    monkeypatch.setenv("no_proxy", no_proxy)
    with Client(address, options=options) as client:
        assert client.predict("half_plus_three", ONE)["y"].tolist() == [3.5]


class Failed(grpc.RpcError):  # type: ignore[misc]  # gRPC has no types
    """An error as gRPC raises it."""

    def __init__(self, code: grpc.StatusCode, details: str | None) -> None:
        super().__init__()
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str | None:
        return self._details


@pytest.mark.parametrize(
    ("code", "details", "expected"),
    [
        pytest.param(grpc.StatusCode.UNAVAILABLE, "The batch scheduling queue is full", "", id="busy"),
        pytest.param(grpc.StatusCode.INTERNAL, None, "", id="nothing said"),
        pytest.param(grpc.StatusCode.UNIMPLEMENTED, "", "of TensorFlow Serving's API?", id="another server"),
        pytest.param(grpc.StatusCode.UNIMPLEMENTED, "Method not found!", "Serving's API?", id="another in Python"),
        pytest.param(grpc.StatusCode.UNIMPLEMENTED, "unknown service a.B", "Serving's API?", id="another in Go"),
        pytest.param(grpc.StatusCode.UNIMPLEMENTED, "The Conv2D op supports only NHWC on the CPU", "", id="operation"),
        pytest.param(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", "No answer within timeout_seconds=60.",
                     id="deadline"),
        pytest.param(grpc.StatusCode.DEADLINE_EXCEEDED, "No interpreter was free", "the call had timeout_seconds=60.",
                     id="the server's own time"),
        pytest.param(grpc.StatusCode.UNAVAILABLE, "Socket closed", "", id="lost on the way"),
        pytest.param(grpc.StatusCode.INVALID_ARGUMENT, "expects arg[0] to be int64 but float is provided", '"int64").',
                     id="same name"),
        pytest.param(grpc.StatusCode.INVALID_ARGUMENT, "Expects arg[1] to be string but float is provided",
                     "as str or bytes.", id="strings"),
    ],
)  # fmt: skip
def test_hints(code: grpc.StatusCode, details: str | None, expected: str) -> None:
    """A hint comes where one helps, and nowhere else."""
    error = serving_error(Failed(code, details), asked="Predict", address="a:1", timeout_seconds=60.0)
    assert error.hint.endswith(expected)
    assert bool(error.hint) is bool(expected)
