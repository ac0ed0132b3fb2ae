"""h2load, which has nghttp2's HTTP/2: many streams on several connections, all answered."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.foreign.conftest import needs
from tests.support.frames import PREDICT
from tests.support.server_process import ServerProcess

CALLS = 4000


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--max-concurrent-streams=32",), id="32 streams"),
        pytest.param(("--max-concurrent-streams=100", "--window-bits=10"), id="windows of a kilobyte"),
        pytest.param(("--max-concurrent-streams=8", "--connection-window-bits=10"), id="connections of a kilobyte"),
    ],
)
def test_calls(server: ServerProcess, body: Path, arguments: tuple[str, ...]) -> None:
    """Every request succeeds, with HTTP status 200."""
    command = [needs("h2load"), f"--requests={CALLS}", "--clients=4", "--threads=1", *arguments, f"--data={body}"]
    command += ["--header=content-type: application/grpc", "--header=te: trailers"]
    command += [f"http://127.0.0.1:{server.grpc_port}{PREDICT}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    found = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", result.stdout)
    assert found is not None, result.stdout
    assert found.groups() == (str(CALLS), "0", "0", "0")
    assert f"{CALLS} succeeded, 0 failed, 0 errored, 0 timeout" in result.stdout
