"""What these tests share: which gRPC transport a server has, and model directories that change while it runs."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.server_process import ServerProcess

Put = Callable[[Path, Path], None]


@pytest.fixture(params=["grpcio", "native"])
def transport(request: pytest.FixtureRequest) -> str:
    """The gRPC transport."""
    return str(request.param)


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
        with socket.create_connection(("127.0.0.1", port), 10):
            return False
    except ConnectionRefusedError:
        return True


def lines(server: ServerProcess, part: str) -> list[str]:
    """The printed lines that contain ``part``."""
    return [line for line in server.output if part in line]
