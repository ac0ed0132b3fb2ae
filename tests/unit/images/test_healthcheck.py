"""The health check script by itself, asking a server of this process. Needs no Docker."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socket import create_server

import pytest

from tests.support.ports import free_port

HEALTHCHECK = Path(__file__).parents[3] / "build" / "images" / "healthcheck"


@contextmanager
def rest_door(status: int) -> Iterator[int]:
    """A server whose /healthz/ready has the status, and everything else 404; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz/ready" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


class Probe:
    """Runs the script against the command line of a process that does not exist."""

    def __init__(self, directory: Path) -> None:
        self.command_line = directory / "cmdline"

    def ask(self, *flags: str) -> "subprocess.CompletedProcess[str]":
        self.command_line.write_bytes(b"".join(flag.encode() + b"\0" for flag in ("tensorflow_model_server", *flags)))
        return subprocess.run(
            ["bash", str(HEALTHCHECK)],
            env={"HEALTHCHECK_COMMAND_LINE": str(self.command_line)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    return Probe(tmp_path)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [pytest.param(200, 0, id="ready"), pytest.param(503, 1, id="loading"), pytest.param(404, 1, id="another-server")],
)
def test_the_rest_door_decides(probe: Probe, status: int, verdict: int) -> None:
    """Only the answer 200 is health, and the answer's first line is shown."""
    with rest_door(status) as port:
        done = probe.ask("--port=8500", f"--rest_api_port={port}")
    assert done.returncode == verdict
    assert f" {status} " in done.stdout


def test_nobody_listening_is_not_healthy(probe: Probe) -> None:
    """A server that has not opened its door yet is not healthy, and the check says what that most often means."""
    port = free_port()
    done = probe.ask(f"--rest_api_port={port}")
    assert done.returncode == 1
    assert done.stdout == f"REST port {port} is closed: the models are loading, or the server does not run\n"
    assert done.stderr == ""


def test_the_last_flag_wins(probe: Probe) -> None:
    """A port given after the image's own is the one that is asked."""
    with rest_door(200) as port:
        done = probe.ask(f"--rest_api_port={free_port()}", "--model_name=x", f"--rest_api_port={port}")
    assert done.returncode == 0


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(("--rest_api_port=0",), id="switched-off"),
        pytest.param((), id="not-given"),
        pytest.param(("--rest_api_port=1", "--rest_api_ssl_config_file=/tls.config"), id="behind-tls"),
    ],
)
def test_without_plain_rest_the_grpc_port_decides(probe: Probe, flags: tuple[str, ...]) -> None:
    """When there is no REST door to ask in plain HTTP, a gRPC port that accepts connections is all that can be told."""
    with closing(create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        assert probe.ask(f"--port={port}", *flags).returncode == 0
    assert probe.ask(f"--port={free_port()}", *flags).returncode == 1
