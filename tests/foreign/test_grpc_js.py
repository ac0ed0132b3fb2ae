"""grpc-js, which has HTTP/2 from node and nothing from gRPC's C core."""

import json
import os
import subprocess
from pathlib import Path

from tests.foreign.conftest import needs
from tests.support.server_process import ServerProcess

HERE = Path(__file__).parent


def test_calls(server: ServerProcess, grpc_js: Path) -> None:
    """One call, many at once, one with a large message, and one that is refused with TensorFlow Serving's text."""
    script = (HERE / "client.js").read_text()
    (grpc_js / "client.js").write_text(script)
    command = [needs("node"), "client.js", f"127.0.0.1:{server.grpc_port}", str(HERE / "serving.proto")]
    result = subprocess.run(
        command, cwd=grpc_js, env=dict(os.environ), capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    one, many, large, refused = map(json.loads, result.stdout.splitlines())
    assert one == {"values": [3.5, 4, 5.5]}
    assert many == [3 + number / 2 for number in range(200)]
    assert large == {"length": 100_000}
    assert (refused["code"], "none" in refused["details"]) == (5, True)
