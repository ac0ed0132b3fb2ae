"""Versions that appear, fail and disappear while a server serves; its clients notice nothing but other answers."""

import itertools
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.server.doors.clients import Client, GrpcClient, RefusedError, RestClient, Target, floats
from tests.server.doors.conftest import client_of
from tests.server.process.conftest import Put, lines
from tests.support.server_process import ServerProcess, wait_until

CLIENTS = 4
CALLS = 20
MODEL = Target(model="default")
ONE = {"x": floats(1)}


@pytest.fixture
def base(models: Path, tmp_path: Path, put: Put) -> Path:
    """A base path with version 1 of a model, which adds 1."""
    put(models / "labels" / "1", tmp_path / "base" / "1")
    return tmp_path / "base"


@pytest.fixture(params=["rest", "grpcio", "native"])
def door(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(request: pytest.FixtureRequest, base: Path) -> Iterator[ServerProcess]:
    """A server of ``base``; of a test that has a door, with its transport."""
    door = request.getfixturevalue("door") if "door" in request.fixturenames else "grpcio"
    flags = (
        f"--grpc_transport={'grpcio' if door == 'rest' else door}",
        f"--model_base_path={base}",
        "--max_num_load_retries=0",
    )
    with ServerProcess(flags) as server:
        yield server
    assert server.process.returncode == 0
    assert "Traceback" not in "".join(server.output)


@pytest.fixture
def clients(server: ServerProcess) -> Iterator[tuple[Client, Client]]:
    """A client of each door."""
    pair = RestClient(server), GrpcClient(server)
    yield pair
    for client in pair:
        client.close()


def test_new_version_under_load(door: str, server: ServerProcess, base: Path, models: Path, put: Put) -> None:
    """Every call is answered, by the old version and from some moment on by the new one."""
    enough = threading.Semaphore(0)

    def ask() -> list[float]:
        client = client_of(door, server)
        answers: list[float] = []
        while answers.count(3.0) < CALLS:
            answers.append(float(client.predict(MODEL, ONE)["y"][0]))
            if len(answers) == CALLS:
                enough.release()
        client.close()
        return answers

    with ThreadPoolExecutor(CLIENTS) as pool:
        results = [pool.submit(ask) for _ in range(CLIENTS)]
        for _ in results:
            enough.acquire()
        put(models / "labels" / "2", base / "2")
        answers = [result.result() for result in results]
    assert all([value for value, _ in itertools.groupby(given)] == [2.0, 3.0] for given in answers)
    client = client_of(door, server)
    wait_until("the old version is unloaded", lambda: client.status(MODEL) == [(2, "AVAILABLE"), (1, "END")])
    client.close()


def test_broken_version(
    server: ServerProcess, clients: tuple[Client, Client], base: Path, models: Path, put: Put
) -> None:
    """The old version goes on serving, and the status says why the new one does not."""
    put(models / "empty" / "1", base / "2")
    wait_until("both versions are settled", lambda: clients[0].status(MODEL) == [(2, "END"), (1, "AVAILABLE")])
    assert [client.predict(MODEL, ONE)["y"].tolist() for client in clients] == [[2.0], [2.0]]
    status = json.loads(server.rest("GET", "/v1/models/default/versions/2")[1])["model_version_status"][0]["status"]
    assert status["error_code"] == "NOT_FOUND"
    assert status["error_message"].endswith(f"Specified file path: {base / '2'}")
    assert len(lines(server, "Servable {name: default version: 2} cannot be loaded: NOT_FOUND: ")) == 1


def test_version_after_a_broken_one(clients: tuple[Client, Client], base: Path, models: Path, put: Put) -> None:
    """A higher number is loaded as if nothing had been."""
    put(models / "broken" / "1", base / "2")
    wait_until("version 2 has failed", lambda: (2, "END") in clients[0].status(MODEL))
    put(models / "labels" / "3", base / "3")
    wait_until("version 3 serves", lambda: clients[0].predict(MODEL, ONE)["y"].tolist() == [4.0])
    assert clients[1].predict(MODEL, ONE)["y"].tolist() == [4.0]


def test_removed_version(clients: tuple[Client, Client], base: Path, tmp_path: Path) -> None:
    """It is unloaded; calls are told that there is none, and the status remembers it."""
    (base / "1").rename(tmp_path / "away")
    wait_until("the version is unloaded", lambda: clients[0].status(MODEL) == [(1, "END")])
    for client, code in zip(clients, ("HTTP 404", "NOT_FOUND"), strict=True):
        assert client.status(MODEL) == [(1, "END")]
        with pytest.raises(RefusedError) as refused:
            client.predict(MODEL, ONE)
        assert (refused.value.code, refused.value.text) == (code, "Servable not found for request: Latest(default)")


def test_version_that_comes_back(clients: tuple[Client, Client], base: Path, tmp_path: Path) -> None:
    """A version that was removed and put back serves again."""
    (base / "1").rename(tmp_path / "away")
    wait_until("the version is unloaded", lambda: clients[0].status(MODEL) == [(1, "END")])
    (tmp_path / "away").rename(base / "1")
    wait_until("it is there again", lambda: clients[0].status(MODEL) == [(1, "AVAILABLE")])
    assert [client.predict(MODEL, ONE)["y"].tolist() for client in clients] == [[2.0], [2.0]]


def test_version_removed_under_a_call(
    clients: tuple[Client, Client], base: Path, tmp_path: Path, models: Path, put: Put
) -> None:
    """Calls that have begun keep their version until they are answered; only then it is at its end."""
    put(models / "slow" / "1", base / "2")
    wait_until("only the slow version serves", lambda: clients[0].status(MODEL) == [(2, "AVAILABLE"), (1, "END")])
    (base / "1").rename(tmp_path / "first")
    wait = Target(model="default", signature="wait")
    for client in clients:
        client.predict(wait, {"ms": floats(1)})  # learns what the outputs are called while it can be asked
    with ThreadPoolExecutor(len(clients)) as pool:
        calls = [pool.submit(client.predict, wait, {"ms": floats(4000)}) for client in clients]
        (base / "2").rename(tmp_path / "second")
        wait_until("no new call gets it", lambda: clients[0].status(MODEL)[0] == (2, "UNLOADING"))
        assert not any(call.done() for call in calls)
        assert [call.result()["y"].tolist() for call in calls] == [[4000.0]] * len(clients)
    wait_until("the version is unloaded", lambda: clients[0].status(MODEL)[0] == (2, "END"))
