"""The health check script by itself, asking a server of this process. Needs no Docker."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socket import create_server, socket

import pytest

from tests.support.ports import free_port

HEALTHCHECK = Path(__file__).parents[3] / "build" / "images" / "healthcheck"


@contextmanager
def rest_door(status: int, port: int = 0, asked: threading.Event | None = None) -> Iterator[int]:
    """A server whose /healthz/ready has the status, all else 404; its port. ``asked`` is set by a request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if asked is not None:
                asked.set()
            self.send_response(status if self.path == "/healthz/ready" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    with HTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


class Probe:
    """Runs the script against the command line of a process that does not exist."""

    def __init__(self, directory: Path) -> None:
        self.command_line = directory / "cmdline"

    def start(self, *flags: str, wait: bool = False) -> "subprocess.Popen[str]":
        """Begin to ask a server of these flags."""
        self.command_line.write_bytes(b"".join(flag.encode() + b"\0" for flag in ("tensorflow_model_server", *flags)))
        return subprocess.Popen(
            ["bash", str(HEALTHCHECK), *(["--wait"] if wait else [])],
            env={"HEALTHCHECK_COMMAND_LINE": str(self.command_line), "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, *flags: str, wait: bool = False) -> "subprocess.CompletedProcess[str]":
        """Ask, and what came of it."""
        with self.start(*flags, wait=wait) as process:
            out, errors = process.communicate(timeout=30)
        return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


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


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with a version."""
    (tmp_path / "models" / "there" / "1").mkdir(parents=True)
    return tmp_path / "models" / "there"


def test_models_that_load_are_waited_for(probe: Probe, model: Path) -> None:
    """With --wait a closed port is asked again until it answers; without, it is a failure at once."""
    port = free_port()
    flags = (f"--rest_api_port={port}", f"--model_base_path={model}")
    assert probe.ask(*flags).returncode == 1
    with probe.start(*flags, wait=True) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        with rest_door(200, port):
            assert process.wait(30) == 0


def test_an_early_rest_port_is_waited_for_until_grpc_is_open(probe: Probe) -> None:
    """503 means that models load, as long as gRPC is closed; later it is a failure at once."""
    asked = threading.Event()
    with closing(create_server(("127.0.0.1", 0))) as listener, rest_door(503, asked=asked) as port:
        open_port = listener.getsockname()[1]
        assert probe.ask(f"--port={open_port}", f"--rest_api_port={port}", wait=True).returncode == 1
        asked.clear()
        with probe.start(f"--port={free_port()}", f"--rest_api_port={port}", wait=True) as process:
            # asked once more than it would be by a probe that fails
            for _ in range(2):
                assert asked.wait(30)
                asked.clear()
            process.kill()


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(("--model_base_path={models}/absent",), id="by-flags"),
        pytest.param(("--model_config_file={models}/config",), id="by-a-file"),
        pytest.param(("--model_base_path={models}/there", "--model_base_path={models}/absent"), id="the-last-flag"),
    ],
)
def test_a_model_without_a_version_is_not_waited_for(probe: Probe, model: Path, flags: tuple[str, ...]) -> None:
    """No load will end it, so it fails at once and says what is missing."""
    models = model.parent
    entries = [f'config {{ name: "{name}" base_path: "{models / name}" }}' for name in ("there", "absent")]
    (models / "config").write_text("# base_path: '/commented'\nmodel_config_list { " + " ".join(entries) + " }")
    done = probe.ask(f"--rest_api_port={free_port()}", *(flag.format(models=models) for flag in flags), wait=True)
    assert done.returncode == 1
    assert done.stdout == (
        f"{models}/absent has no version to serve, or cannot be read: expected {models}/absent/1/saved_model.pb\n"
    )


def test_a_server_that_hangs_is_found_in_seconds(probe: Probe) -> None:
    """A connection that is not answered, and one that is not even accepted, fail long before the kernel gives up."""
    with closing(create_server(("127.0.0.1", 0), backlog=0)) as listener, ExitStack() as waiting:
        port = listener.getsockname()[1]
        assert probe.ask(f"--rest_api_port={port}").stdout == "no answer within 3 s\n"
        for _ in range(3):
            connection = waiting.enter_context(socket())
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", port))
        done = probe.ask(f"--rest_api_port={port}", wait=True)
    assert (done.returncode, done.stdout) == (1, "no answer within 3 s\n")
