"""Several workers: they serve at the same ports, and one that crashes costs its own requests and comes back."""

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.faults import aborting_model
from tests.support.ports import free_port
from tests.support.server_process import AT_ONCE, ServerProcess, wait_until, write_model_config
from tests.support.workers_server import WorkersServer

PREDICT = "/v1/models/half_plus_three:predict"
BODY = json.dumps({"instances": [1.0, 2.0]})
ANSWER = {"predictions": [3.5, 4.0]}


@pytest.fixture
def flags(models: Path) -> list[str]:
    """Of one model."""
    return ["--model_name=half_plus_three", f"--model_base_path={models / 'half_plus_three'}"]


@pytest.fixture
def server(flags: list[str]) -> Iterator[WorkersServer]:
    """Two workers."""
    with WorkersServer(2, flags) as server:
        yield server


def says(server: ServerProcess, text: str, *, times: int = 1) -> bool:
    return sum(text in line for line in server.output) >= times


def answers(server: WorkersServer) -> dict[int, object]:
    """What each worker says to a prediction."""
    return {worker: json.loads(body) for worker, (_, body) in server.of_each("POST", PREDICT, BODY).items()}


def test_every_worker_answers_at_the_same_ports(server: WorkersServer) -> None:
    """Over both APIs; the ports are said once."""
    assert answers(server) == {0: ANSWER, 1: ANSWER}
    with server.channels() as channels:
        assert sorted(channels) == [0, 1]
    assert sum("Running gRPC ModelServer" in line for line in server.output) == 1


def test_a_killed_worker_costs_its_own_connections_alone(server: WorkersServer) -> None:
    """The other's answers go on, and the killed one serves again, with a sentence in the log."""
    with server.connections() as connections:
        pid = server.kill_worker(1)
        for _ in range(20):
            connections[0].request("POST", PREDICT, BODY)
            assert json.loads(connections[0].getresponse().read()) == ANSWER
    wait_until("it serves again", lambda: says(server, "Worker 1 serves again"))
    assert says(server, f"Worker 1 (process {pid}) was ended by SIGKILL")
    assert answers(server) == {0: ANSWER, 1: ANSWER}


def test_all_workers_drain(server: WorkersServer) -> None:
    """SIGTERM to the one process that was started ends all of them, with status 0, and nobody is left."""
    pids = server.pids().values()
    server.process.send_signal(signal.SIGTERM)
    assert server.wait(timeout=30) == 0
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_workers_end_with_their_supervisor(server: WorkersServer) -> None:
    """Also where it had no time to tell them."""
    pids = list(server.pids().values())
    server.process.kill()
    wait_until("they end", lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_a_start_that_fails_is_told_once(tmp_path: Path) -> None:
    """By TensorFlow Serving's line and status, and no worker is left."""
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "saved_model.pb").write_bytes(b"no model")
    flags = ["--model_name=m", f"--model_base_path={tmp_path / 'm'}", "--max_num_load_retries=0"]
    with WorkersServer(2, [*flags, *AT_ONCE], wait=False) as server:
        assert server.wait(timeout=60) == 255
        assert sum(line.startswith("Failed to start server. Error: ") for line in server.output) == 1


def test_a_port_of_another_server_is_not_shared_with_it(flags: list[str]) -> None:
    """Not even if that one lets others share it."""
    with closing(socket.socket()) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("0.0.0.0", free_port()))
        other.listen()
        port = other.getsockname()[1]
        with WorkersServer(2, [*flags, f"--port={port}"], wait=False) as server:
            assert server.wait(timeout=60) == 255
            assert says(server, "Address already in use. See --port.")


def test_a_version_that_ends_workers_is_set_aside(models: Path, tmp_path: Path) -> None:
    """After three crashes; the reason is answered and logged, and the other model serves on."""
    aborting_model.write(tmp_path / "m" / "1")
    paths = {"half_plus_three": models / "half_plus_three", "m": tmp_path / "m"}
    config = write_model_config(tmp_path / "models.config", paths)
    abort = json.dumps({"instances": [1.0], "signature_name": "abort"})
    with WorkersServer(2, [f"--model_config_file={config}", *AT_ONCE]) as server:
        for times in range(1, 4):
            with server.connections() as connections:
                connections[0].request("POST", "/v1/models/m:predict", abort)
                with pytest.raises((ConnectionError, OSError)):
                    connections[0].getresponse()
            wait_until("it serves again", partial(says, server, "serves again", times=times))
        assert says(server, "Servable {name: m version: 1} is set aside")
        for status, body in server.of_each("POST", "/v1/models/m:predict", BODY).values():
            assert status == 503
            assert b"is set aside: it was under way" in body
        assert answers(server) == {0: ANSWER, 1: ANSWER}
        for status, _ in server.of_each("GET", "/healthz/ready").values():
            assert status == 200


def test_a_version_that_ends_workers_while_it_loads_is_set_aside(models: Path, tmp_path: Path) -> None:
    """And not the one that loads at the same time: the doors open without the first."""
    aborting_model.write(tmp_path / "m" / "1", at_load=True)
    paths = {"half_plus_three": models / "half_plus_three", "m": tmp_path / "m"}
    config = write_model_config(tmp_path / "models.config", paths)
    with WorkersServer(2, [f"--model_config_file={config}", *AT_ONCE]) as server:
        assert says(server, "Servable {name: m version: 1} is set aside")
        assert not says(server, "Servable {name: half_plus_three version: 1} is set aside")
        assert answers(server) == {0: ANSWER, 1: ANSWER}
