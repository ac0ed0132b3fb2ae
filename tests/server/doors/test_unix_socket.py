"""The gRPC door on a UNIX socket, alone or beside the port, and the paths on which it cannot listen."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest

from serving.protos import PredictResponse
from tests.server.doors.clients import Target, floats, predict_request
from tests.support.server_process import START_SECONDS, ServerProcess

PREDICT = "/tensorflow.serving.PredictionService/Predict"


def flags_of(transport: str, models: Path, path: Path | str) -> list[str]:
    return [
        f"--grpc_transport={transport}",
        f"--model_base_path={models / 'half_plus_three'}",
        f"--grpc_socket_path={path}",
    ]


@contextmanager
def listening(*flags: str) -> Iterator[ServerProcess]:
    """A server without a TCP port for gRPC, once it serves."""
    with ServerProcess([*flags, "--port=0"], wait=False) as server:
        server.wait_for("Serving over ")
        yield server
    assert server.process.returncode == 0, server.output
    assert "Traceback" not in "".join(server.output)


def predict(address: str) -> list[float]:
    """One call. Raises grpc.RpcError."""
    with grpc.insecure_channel(address) as channel:
        request = predict_request(Target(model="default"), {"x": floats(1)})
        data = channel.unary_unary(PREDICT)(request, timeout=START_SECONDS)
    return list(PredictResponse.FromString(data).outputs["y"].float_val)


def test_socket_alone(transport: str, models: Path, tmp_path: Path) -> None:
    """With --port=0 the socket is the only listener, and what is printed names no port."""
    path = tmp_path / "socket"
    with listening(*flags_of(transport, models, path)) as server:
        assert predict(f"unix:{path}") == [3.5]
        output = "".join(server.output)
    assert f"Running gRPC ModelServer at UNIX socket {path} ...\n" in output
    assert "Running gRPC ModelServer at 0.0.0.0" not in output
    assert f"Serving over gRPC on UNIX socket {path} and REST on port " in output


def test_socket_and_port(transport: str, models: Path, tmp_path: Path) -> None:
    """Both answer, and the socket is gone after the end."""
    path = tmp_path / "a socket 100%"
    with ServerProcess(flags_of(transport, models, path)) as server:
        assert predict(f"localhost:{server.grpc_port}") == [3.5]
        assert path.is_socket()
        assert predict(f"unix:{quote(str(path))}") == [3.5]
    assert server.process.returncode == 0
    assert not path.exists()


def test_socket_of_a_dead_server_is_replaced(transport: str, models: Path, tmp_path: Path) -> None:
    """A file that nobody listens on any more does not keep the next server from starting."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with listening(*flags_of(transport, models, path)):
        assert predict(f"unix:{path}") == [3.5]


def test_socket_in_use_is_a_start_error(transport: str, models: Path, tmp_path: Path) -> None:
    """It is not taken away from the one who listens there."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        line = start_error(transport, models, path)
    assert line.endswith(f"cannot listen on unix:{path}: another server listens there. See --grpc_socket_path.\n")


@pytest.mark.parametrize("name", ["file", "missing/socket", "x" * 200])
def test_path_that_is_no_socket(transport: str, models: Path, tmp_path: Path, name: str) -> None:
    """A file in the way, a directory that is not there, a name too long: the start fails, and nothing is removed."""
    (tmp_path / "file").write_text("kept")
    line = start_error(transport, models, tmp_path / name)
    assert line.startswith(
        "Failed to start server. Error: INVALID_ARGUMENT: Failed to BuildAndStart gRPC server: cannot listen on unix:"
    )
    assert (tmp_path / "file").read_text() == "kept"


def start_error(transport: str, models: Path, path: Path) -> str:
    """The last line of a start that must fail."""
    with ServerProcess(flags_of(transport, models, path), wait=False) as server:
        assert server.wait() == 255
    return server.output[-1]


def test_no_listener_is_a_start_error() -> None:
    """TensorFlow Serving's text, and what to do behind it."""
    with ServerProcess(["--port=0", "--model_base_path=/m"], wait=False) as server:
        assert server.wait() == 255
    failed, meant = server.output[-2:]
    assert failed == (
        "Failed to start server. Error: INVALID_ARGUMENT: "
        "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set.\n"
    )
    assert "Give --port=8500" in meant
