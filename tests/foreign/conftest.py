"""One server per gRPC transport for the foreign clients, and where grpc-js is installed for them."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.doors.clients import Target, floats, predict_request
from tests.support.frames import framed
from tests.support.server_process import ServerProcess, write_model_config

MODEL = "half_plus_three"
INSTALL_SECONDS = 120


@pytest.fixture(scope="module", params=["native", "grpcio"])
def server(
    request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server of one small model."""
    config = write_model_config(tmp_path_factory.mktemp("config") / "models.config", {MODEL: models / MODEL})
    with ServerProcess((f"--grpc_transport={request.param}", f"--model_config_file={config}")) as running:
        yield running


@pytest.fixture
def body(tmp_path: Path) -> Path:
    """A file with a Predict call's message, framed as gRPC does."""
    path = tmp_path / "body"
    path.write_bytes(framed(predict_request(Target(model=MODEL), {"x": floats(1, 2)})))
    return path


def needs(program: str) -> str:
    """The path of a program; the test is skipped if it is not installed."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no {program} on this machine")
    return found


def npm_installed(folder: Path, *packages: str) -> Path:
    """``folder``, outside of the repository, with these packages in it; skipped where npm cannot get them."""
    needs("node")
    command = [needs("npm"), "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
    try:
        result = subprocess.run([*command, *packages], capture_output=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install {packages[0]} in time")
    if result.returncode:
        pytest.skip(f"npm cannot install {packages[0]}: {result.stderr.decode(errors='replace')[-200:]}")
    return folder


@pytest.fixture(scope="session")
def grpc_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with grpc-js in it; skipped without node, npm or a registry that has it."""
    return npm_installed(tmp_path_factory.mktemp("grpc-js"), "@grpc/grpc-js@1", "@grpc/proto-loader@0.7")
