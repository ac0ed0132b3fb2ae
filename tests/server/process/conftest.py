"""What these tests share: which gRPC transport a server has, and model directories that change while it runs."""

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.server.doors.conftest import carried_by
from tests.support.server_process import ServerProcess, write_model_config

Put = Callable[[Path, Path], None]
Start = Callable[..., ServerProcess]


@pytest.fixture(params=["grpcio", "native"])
def transport(request: pytest.FixtureRequest) -> str:
    """The gRPC transport."""
    return str(request.param)


@pytest.fixture
def start(transport: str, models: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts servers of a slow and a fast model; by default with more grace than any test waits for."""
    names = ("slow", "half_plus_three")
    config = write_model_config(tmp_path / "models.config", {name: models / name for name in names})
    carrier, trust = carried_by(transport, tmp_path / "tls")
    with ExitStack() as stack:

        def make(*flags: str, grace_seconds: int = 600) -> ServerProcess:
            given = (
                *carrier,
                f"--model_config_file={config}",
                f"--drain_grace_seconds={grace_seconds}",
                "--rest_api_timeout_in_ms=0",
                "--rest_api_num_threads=8",
                "--enable_grpc_healthcheck_service",
                "--tensorflow_inter_op_parallelism=16",  # slow calls keep a thread each; the fast ones need another
            )
            server = stack.enter_context(ServerProcess((*given, *flags), trust=trust))
            stack.callback(server.kill)  # only a test that failed has left it running
            stack.callback(lambda: _check_log(server))
            return server

        yield make


def _check_log(server: ServerProcess) -> None:
    assert "Traceback" not in "".join(server.output)


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Copies a version directory to a place, where it appears whole, as it should be done in production."""

    def copy(version: Path, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(version, tmp_path / "partial")
        (tmp_path / "partial").rename(place)

    return copy


def refuses(port: int) -> bool:
    """Whether nobody listens on a port."""
    try:
        with socket.create_connection(("127.0.0.1", int(port)), 10):
            return False
    except ConnectionRefusedError:
        return True


def lines(server: ServerProcess, part: str) -> list[str]:
    """The printed lines that contain ``part``."""
    return [line for line in server.output if part in line]
