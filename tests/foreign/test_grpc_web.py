"""gRPC-Web's clients for browsers, in node: Connect's, and Google's in both of its formats."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import protos
from tests.foreign.conftest import MODEL, needs, npm_installed
from tests.support.server_process import ServerProcess, write_model_config

SCRIPT = Path(__file__).parent / "grpc_web.mjs"
PACKAGES = (
    "@bufbuild/protobuf@2.10.0",
    "@connectrpc/connect@2.1.0",
    "@connectrpc/connect-node@2.1.0",
    "grpc-web@1.5.0",
    "xhr2@0.2.1",
)
CLIENTS = ("connect", "binary", "text")


@pytest.fixture(scope="module")
def said(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, object]]]:
    """What came of the calls of each client."""
    folder = npm_installed(tmp_path_factory.mktemp("grpc-web"), *PACKAGES)
    (folder / SCRIPT.name).write_text(SCRIPT.read_text())
    config = write_model_config(folder / "models.config", {MODEL: models / MODEL})
    with ServerProcess((f"--model_config_file={config}", "--rest_api_grpc_web")) as server:
        descriptors = Path(protos.__file__).with_suffix(".binpb")
        command = [needs("node"), SCRIPT.name, f"http://127.0.0.1:{server.rest_port}", str(descriptors)]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert result.returncode == 0, result.stderr
        yield {line["client"]: line for line in map(json.loads, result.stdout.splitlines())}


@pytest.mark.parametrize("client", CLIENTS)
def test_calls(said: dict[str, dict[str, object]], client: str) -> None:
    """One call, many at once, and one with a large message."""
    given = said[client]
    assert given["one"] == {"values": [3.5, 4, 5.5]}
    assert given["many"] == [3 + number / 2 for number in range(50)]
    assert given["large"] == 300_000


@pytest.mark.parametrize("client", CLIENTS)
def test_errors(said: dict[str, dict[str, object]], client: str) -> None:
    """The status and the text come from the trailers, decoded."""
    refused = said[client]["refused"]
    assert refused == {"code": 5, "details": "Servable not found for request: Latest(none)"}
