"""curl at both doors: gRPC's message by hand over HTTP/2, and the odd sides of HTTP/1 over REST."""

import json
import subprocess
from pathlib import Path

import pytest

from serving.protos import PredictResponse
from tests.foreign.conftest import MODEL, needs
from tests.support.frames import PREDICT
from tests.support.server_process import ServerProcess

JSON_BODY = '{"instances": [1.0, 2.0, 5.0]}'
ANSWER = {"predictions": [3.5, 4.0, 5.5]}


def curl(*arguments: str) -> bytes:
    """What curl prints."""
    command = [needs("curl"), "--silent", "--show-error", "--max-time", "60", *arguments]
    result = subprocess.run(command, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def rest(server: ServerProcess) -> str:
    return f"http://127.0.0.1:{server.rest_port}/v1/models/{MODEL}"


def test_grpc(server: ServerProcess, body: Path, tmp_path: Path) -> None:
    """A framed message is answered with one, and the status comes in the trailers."""
    headers = tmp_path / "headers"
    arguments = ("--http2-prior-knowledge", "--header", "content-type: application/grpc", "--header", "te: trailers")
    address = f"http://127.0.0.1:{server.grpc_port}{PREDICT}"
    data = curl(*arguments, "--data-binary", f"@{body}", "--dump-header", str(headers), address)
    assert data[:1] == b"\0"
    assert int.from_bytes(data[1:5], "big") == len(data) - 5
    assert list(PredictResponse.FromString(data[5:]).outputs["y"].float_val) == [3.5, 4]
    assert "grpc-status: 0" in headers.read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((), id="plain"),
        pytest.param(("--http1.0",), id="HTTP/1.0"),
        pytest.param(("--header", "Expect: 100-continue"), id="100-continue"),
        pytest.param(("--header", "Transfer-Encoding: chunked"), id="chunked"),
        pytest.param(("--header", "Transfer-Encoding: chunked", "--header", "Expect: 100-continue"), id="both"),
        pytest.param(("--http2",), id="an upgrade to HTTP/2 that is not taken"),
        pytest.param(("--compressed",), id="compressed answers that are not sent"),
    ],
)
def test_rest(server: ServerProcess, arguments: tuple[str, ...]) -> None:
    """However curl sends a body, it is answered."""
    assert json.loads(curl(*arguments, "--data", JSON_BODY, f"{rest(server)}:predict")) == ANSWER


def test_large_body_waits_for_the_server(server: ServerProcess, tmp_path: Path) -> None:
    """curl asks first before it sends a megabyte."""
    file = tmp_path / "large.json"
    file.write_text(json.dumps({"instances": [1.0] * 200_000}))
    answer = json.loads(curl("--data-binary", f"@{file}", f"{rest(server)}:predict"))
    assert answer["predictions"] == [3.5] * 200_000


def test_connection_is_kept(server: ServerProcess) -> None:
    """Three addresses in one command take one connection."""
    shown = curl("--write-out", "\n%{num_connects}\n", *[rest(server)] * 3).decode()
    assert [line for line in shown.splitlines() if line in ("0", "1", "2")] == ["1", "0", "0"]


def test_get_and_head(server: ServerProcess) -> None:
    """The state of the model, and no body where only the head is asked for."""
    state = json.loads(curl(rest(server)))["model_version_status"][0]["state"]
    assert state == "AVAILABLE"
    assert b"HTTP/1.1 " in curl("--head", rest(server))
