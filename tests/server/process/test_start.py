"""How a server starts: what it waits for and says meanwhile, and what ends the start."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from serving.access.making import make_key
from serving.host.addresses import everywhere, shown
from tests.server.doors.clients import GrpcClient, RestClient, Target, floats
from tests.server.process.conftest import Put, lines, refuses
from tests.support.ports import free_port
from tests.support.server_process import REPOSITORY, ServerProcess, wait_until

MODEL = Target(model="default")
STILL_LOADING = "The models are still loading; GET /healthz/ready answers 200 when all are available"


def start(*flags: str) -> subprocess.CompletedProcess[str]:
    """A start that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "serving", "--port=-1", *flags],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def says(server: ServerProcess, method: str, path: str, text: str) -> bool:
    """Whether the answer is that the service is unavailable, and why."""
    status, body = server.rest(method, path, b"{}")
    assert status == 503
    return bool(json.loads(body) == {"error": text})


def answers_at_both_doors(server: ServerProcess) -> bool:
    """Whether the model answers over REST and gRPC."""
    found = []
    for client in (RestClient(server), GrpcClient(server)):
        found.append(client.predict(MODEL, {"x": floats(1)})["y"].tolist())
        client.close()
    return found == [[3.5], [3.5]]


def test_ports_are_closed_until_the_models_are_there(models: Path, tmp_path: Path, put: Put, transport: str) -> None:
    """Connections are refused at both, as by TensorFlow Serving; then both answer, and REST at its first connection."""
    base, grpc_port, rest_port = tmp_path / "base", free_port(), free_port()
    flags = (
        f"--grpc_transport={transport}",
        f"--model_base_path={base}",
        f"--port={grpc_port}",
        f"--rest_api_port={rest_port}",
    )
    with ServerProcess(flags, wait=False) as server:
        server.wait_for("Could not find base path")
        assert refuses(grpc_port)
        assert refuses(rest_port)

        put(models / "half_plus_three" / "1", base / "1")
        wait_until("the REST port is open", lambda: not refuses(rest_port))
        server.rest_port = rest_port
        assert server.rest("GET", "/healthz/ready") == (200, b"ready\n")
        server.wait_until_serving()
        assert answers_at_both_doors(server)


def test_rest_port_that_opens_early(models: Path, tmp_path: Path, put: Put, transport: str) -> None:
    """With the flag REST answers probes and tells everyone else to wait; the gRPC port is closed all the same."""
    base, grpc_port, rest_port = tmp_path / "base", free_port(), free_port()
    (tmp_path / "digits").mkdir()
    flags = (
        f"--grpc_transport={transport}",
        f"--model_base_path={base}",
        f"--port={grpc_port}",
        f"--rest_api_port={rest_port}",
        "--rest_api_open_early",
    )
    with ServerProcess(flags, wait=False) as server:
        server.wait_for("Could not find base path")
        server.rest_port = rest_port
        assert server.rest("GET", "/healthz/live") == (200, b"live\n")
        assert server.rest("GET", "/healthz/ready") == (503, b"not ready\n")
        assert server.rest("GET", "/v2/health/live") == (200, b'{"live":true}')
        waits = f"{STILL_LOADING}. Waiting for {base}, which does not exist; {tmp_path} has digits"
        for method, path in (
            ("GET", "/v1/models/default"),
            ("POST", "/v1/models/default:predict"),
            ("GET", "/v1/models"),
            ("GET", "/v2/health/ready"),
            ("GET", "/v2/nothing"),
            ("POST", "/v2/models/default/infer"),
        ):
            wait_until(f"{method} {path} says why", partial(says, server, method, path, waits))
        assert refuses(grpc_port)

        put(models / "half_plus_three" / "1", base / "1")
        server.wait_until_serving()
        assert server.rest("GET", "/healthz/ready") == (200, b"ready\n")
        assert answers_at_both_doors(server)


def nothing(base: Path) -> None:
    """The base path does not exist, but one with a similar name does."""
    (base.parent / "bass").mkdir()


def empty(base: Path) -> None:
    """The base path is there, and empty."""
    base.mkdir()


def no_numbers(base: Path) -> None:
    """The versions have other names."""
    (base / "v1").mkdir(parents=True)
    (base / "latest").mkdir()


def no_version(base: Path) -> None:
    """The model itself was put where its versions should be."""
    base.mkdir()
    (base / "saved_model.pb").write_bytes(b"")


@pytest.mark.parametrize(
    ("prepare", "said", "reason"),
    [
        pytest.param(
            nothing,
            "Could not find base path {base} for servable default: ",
            "it does not exist; the nearest existing path above is {parent}, which has bass",
            id="missing",
        ),
        pytest.param(
            empty,
            "No versions of servable default found under base path {base}: ",
            "the directory is empty; expected a numeric version directory such as 1/",
            id="empty",
        ),
        pytest.param(
            no_numbers,
            "No versions of servable default found under base path {base}: ",
            "found latest, v1; expected a numeric version directory such as 1/",
            id="no numbers",
        ),
        pytest.param(
            no_version,
            "No versions of servable default found under base path {base}: ",
            "found saved_model.pb in the base path itself; expected a numeric version directory such as 1/",
            id="no version directory",
        ),
    ],
)
def test_one_line_says_what_was_looked_for_and_found(
    models: Path, tmp_path: Path, put: Put, prepare: Callable[[Path], None], said: str, reason: str
) -> None:
    """It is not repeated at each look; once a version is there the server serves."""
    base = tmp_path / "base"
    prepare(base)
    names = {"base": str(base), "parent": str(base.parent)}
    line = (said + reason).format(**names)
    with ServerProcess([f"--model_base_path={base}"], wait=False) as server:
        server.wait_for(re.escape(line) + "$")
        put(models / "half_plus_three" / "1", base / "1")
        server.wait_until_serving()
        assert RestClient(server).predict(MODEL, {"x": floats(1)})["y"].tolist() == [3.5]
    assert len(lines(server, said.format(**names))) == 1


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        pytest.param("empty", "NOT_FOUND: Specified file path does not appear to contain a SavedModel", id="no model"),
        pytest.param("broken", "DATA_LOSS: Can't parse ", id="no protocol buffer"),
    ],
)
def test_model_that_cannot_be_loaded_ends_the_start(models: Path, model: str, reason: str) -> None:
    """One line on standard output with the version and the error, and status 255."""
    result = start(f"--model_name={model}", f"--model_base_path={models / model}", "--max_num_load_retries=0")
    begin = (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        f"{{{{{{name: {model} version: 1}} due to error: {reason}"
    )
    assert begin in result.stdout
    assert result.stdout.endswith("}, }\n")
    assert (result.returncode, "Traceback" in result.stderr) == (255, False)


def test_version() -> None:
    """Two lines, without a server."""
    result = start("--version")
    assert re.fullmatch(r"TensorFlow ModelServer: \S+\nTensorFlow Library: 2\.\S+\n", result.stdout)
    assert result.returncode == 0


def test_grpc_port_that_is_taken_ends_the_start(models: Path, transport: str) -> None:
    """The second server on a port says so and ends; the first one goes on."""
    flags = (f"--grpc_transport={transport}", f"--model_base_path={models / 'half_plus_three'}")
    with ServerProcess(flags) as first:
        second = start(*flags, f"--port={first.grpc_port}")
        assert second.returncode == 255
        assert re.search(
            rf"^Failed to start server\. Error: INVALID_ARGUMENT: Failed to BuildAndStart gRPC server: "
            rf"cannot listen on {re.escape(shown(everywhere()[0], first.grpc_port))}: .*--port",
            second.stdout,
            re.MULTILINE,
        )
        assert "Traceback" not in second.stderr
        client = GrpcClient(first)
        assert client.predict(MODEL, {"x": floats(1)})["y"].tolist() == [3.5]
        client.close()


def test_rest_port_that_is_taken_leaves_grpc(models: Path) -> None:
    """An error in the log; gRPC serves alone."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        flags = (f"--model_base_path={models / 'half_plus_three'}", f"--rest_api_port={port}")
        with ServerProcess(flags, wait=False) as server:
            server.wait_for(f"Failed to start HTTP Server at localhost:{port}")
            server.grpc_port = int(server.wait_for(r"Running gRPC ModelServer at 0\.0\.0\.0:(\d+)")[1])
            client = GrpcClient(server)
            assert client.predict(MODEL, {"x": floats(1)})["y"].tolist() == [3.5]
            client.close()
    assert not lines(server, "Exporting HTTP/REST API")
    assert server.process.returncode == 0


def test_rest_port_that_is_taken_is_told_before_the_models_are_there(tmp_path: Path) -> None:
    """Nobody has to wait for a large model to learn it."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        flags = (f"--model_base_path={tmp_path / 'none'}", f"--rest_api_port={port}")
        with ServerProcess(flags, wait=False) as server:
            server.wait_for(f"Failed to start HTTP Server at localhost:{port}: Address already in use")
            server.wait_for("Could not find base path")


def test_rest_port_that_another_server_opened_meanwhile(models: Path, tmp_path: Path, put: Put) -> None:
    """Of two that load with the same port the first to be ready has it; the other says so, and serves gRPC alone."""
    base, port = tmp_path / "base", free_port()
    with ServerProcess([f"--model_base_path={base}", f"--rest_api_port={port}"], wait=False) as slow:
        slow.wait_for("Could not find base path")
        flags = [f"--model_base_path={models / 'half_plus_three'}", f"--rest_api_port={port}"]
        with ServerProcess(flags) as fast:
            put(models / "half_plus_three" / "1", base / "1")
            slow.wait_for(f"Failed to start HTTP Server at localhost:{port}: Address already in use")
            slow.grpc_port = int(slow.wait_for(r"Running gRPC ModelServer at 0\.0\.0\.0:(\d+)")[1])
            client = GrpcClient(slow)
            assert client.predict(MODEL, {"x": floats(1)})["y"].tolist() == [3.5]
            client.close()
            assert answers_at_both_doors(fast)
    assert not lines(slow, "Exporting HTTP/REST API")
    assert slow.process.returncode == 0


@pytest.mark.parametrize("early", [False, True], ids=["closed", "open-early"])
def test_signal_during_the_start(tmp_path: Path, early: bool) -> None:
    """A server that still waits for its models ends at once, and well."""
    flags = [f"--model_base_path={tmp_path / 'none'}", f"--rest_api_open_early={str(early).lower()}"]
    with ServerProcess(flags, wait=False) as server:
        server.wait_for("Could not find base path")
        server.terminate()
        assert server.wait() == 0
    wait_until("its output was read", lambda: bool(lines(server, "SIGTERM: ending")))


UNWANTED = (
    *("tensorflow", "keras", "multiprocessing", "unittest", "xml", "sqlite3", "pydoc", "doctest", "pdb", "curses"),
    *("setuptools", "pkg_resources", "pytest", "docker", "numpy.testing", "numpy.f2py", "google.protobuf.json_format"),
    "serving.doctor",
)
"""Modules, with all that is in them, that take time and memory and are of no use to a server."""

ENDING_STATE = f"""
import gc, sys
from serving.cli import main
status = main(sys.argv[1:])
unwanted = {tuple(f"{name}." for name in UNWANTED)}
print("imported:", sorted(name for name in sys.modules if (name + ".").startswith(unwanted)))
print("thresholds:", gc.get_threshold(), "frozen:", gc.get_freeze_count() > 10_000, flush=True)
sys.exit(status)
"""


def test_rest_port_that_opens_early_names_no_files_to_strangers(tmp_path: Path) -> None:
    """Where requests need keys, what is waited for is told by the log alone."""
    keys = tmp_path / "keys.json"
    make_key("reader", "read", "", str(keys))
    flags = (f"--model_base_path={tmp_path / 'base'}", "--rest_api_open_early", f"--api_keys_file={keys}")
    rest_port = free_port()
    with ServerProcess((*flags, f"--rest_api_port={rest_port}"), wait=False) as server:
        server.rest_port = rest_port
        server.wait_for("--doctor says: model default: ")  # later than what is waited for is told
        assert says(server, "GET", "/v1/models", STILL_LOADING)
        server.terminate()
        assert server.wait() == 0


def test_state_at_the_end(models: Path, transport: str) -> None:
    """After a whole life, with answers at both doors: no unwanted module, and a collector that hardly ever runs."""
    flags = (f"--grpc_transport={transport}", f"--model_base_path={models / 'half_plus_three'}")
    with ServerProcess(flags, command=(sys.executable, "-c", ENDING_STATE)) as server:
        for client in (RestClient(server), GrpcClient(server)):
            assert client.predict(MODEL, {"x": floats(1)})["y"].tolist() == [3.5]
            assert client.metadata(MODEL)[0] == 1
            client.close()
    assert lines(server, "imported: ") == ["imported: []\n"]
    assert lines(server, "thresholds: ") == ["thresholds: (10000, 10, 10) frozen: True\n"]
    assert server.process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_only_the_start_reads_is_not_kept(models: Path) -> None:
    """Of the library's hundreds of megabytes only what requests read is mapped, and the model answers as before."""
    with ServerProcess([f"--model_base_path={models / 'half_plus_three'}"]) as server:
        assert RestClient(server).predict(MODEL, {"x": floats(1)})["y"].tolist() == [3.5]
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        (kilobytes,) = re.findall(r"^RssFile:\s+(\d+) kB$", status, re.MULTILINE)
    assert int(kilobytes) < 160 * 1024
