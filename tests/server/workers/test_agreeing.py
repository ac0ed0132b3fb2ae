"""Two workers that are asked how their models are: each answers for both, and none promises what the other lacks."""

import http.client
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.server.workers.changing import BODY, TWO, Changing, changing
from tests.support.server_process import wait_until

MODEL = "half_plus_three"
CONNECTIONS = 60


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changing]:
    """Two workers that look for versions each second, and load them when their files are left alone for another."""
    flags = ("--file_system_poll_wait_seconds=1", "--version_settle_seconds=1")
    with changing(models, tmp_path_factory.mktemp("agreeing"), *flags) as made:
        yield made


def exchange(connection: http.client.HTTPConnection, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """One exchange on a connection that stays open."""
    connection.request(method, path, body or None)
    response = connection.getresponse()
    return response.status, response.read()


def states(connection: http.client.HTTPConnection) -> dict[str, str]:
    """What the worker of a connection says of the model's versions."""
    answer = json.loads(exchange(connection, "GET", f"/v1/models/{MODEL}")[1])
    return {each["version"]: each["state"] for each in answer["model_version_status"]}


def test_version_that_one_worker_lacks(server: Changing, models: Path) -> None:
    """It is not available in the words of the worker that has it, nor ready, and no label can be moved to it."""
    with server.server.connections() as connections, ThreadPoolExecutor(1) as pool:
        stopped = server.server.pids()[1]
        os.kill(stopped, signal.SIGSTOP)
        try:
            server.put(models / MODEL / "1", f"{MODEL}/2")
            predict = f"/v1/models/{MODEL}/versions/2:predict"
            wait_until("worker 0 has it", lambda: exchange(connections[0], "POST", predict, BODY)[0] == 200)
            assert states(connections[0]) == {"2": "START", "1": "AVAILABLE"}
            assert exchange(connections[0], "GET", f"/v2/models/{MODEL}/versions/2/ready")[0] != 200
            assert exchange(connections[0], "GET", f"/v2/models/{MODEL}/versions/1/ready")[0] == 200
            index = json.loads(exchange(connections[0], "POST", "/v2/repository/index", b"{}")[1])
            assert {each["version"]: each["state"] for each in index if each["name"] == MODEL}["2"] == "LOADING"
            label = f"/v1/models/{MODEL}/labels/canary"
            moved = pool.submit(exchange, connections[0], "POST", label, b'{"version": 2}')
            (server.directory / MODEL / "2").rename(server.directory / "away")  # worker 1 does not find it in time
        finally:
            os.kill(stopped, signal.SIGCONT)
        status, text = moved.result()
        assert (status, b"not currently available" in text) == (400, True), text
        (server.directory / "away").rename(server.directory / MODEL / "2")
        both = [{"2": "AVAILABLE", "1": "AVAILABLE"}] * 2
        wait_until("both have it", lambda: [states(connection) for connection in connections.values()] == both)
        assert exchange(connections[1], "POST", label, b'{"version": 2}')[0] == 200
        for connection in connections.values():
            assert exchange(connection, "POST", f"{label}:predict", BODY)[0] == 200


def test_version_that_is_available_answers_from_each(server: Changing, models: Path) -> None:
    """Who has seen it available, from whichever worker, gets it on every new connection."""
    server.put(models / MODEL / "1", f"{MODEL}/7")
    status = f"/v1/models/{MODEL}/versions/7"
    wait_until("it is available", lambda: b'"AVAILABLE"' in server.server.rest("GET", status)[1])
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: server.server.rest("POST", f"{status}:predict", BODY)[0], range(CONNECTIONS))
    assert set(answers) == {200}


def test_version_that_goes(server: Changing) -> None:
    """Both say that it has ended."""
    (server.directory / MODEL / "7").rename(server.directory / "gone")
    wait_until("both say so", lambda: [each["7"] for each in server.states(MODEL)] == ["END", "END"])


def test_worker_that_dies_during_a_change(server: Changing) -> None:
    """The others make the change without it, and it begins with the change when it is back.

    Until then what is served stays available in their words; afterwards it agrees.
    """
    with (
        server.server.connections() as connections,
        server.server.connections() as beside,
        ThreadPoolExecutor(1) as pool,
    ):
        before, lines = states(connections[0]), len(server.server.output)
        os.kill(server.server.pids()[1], signal.SIGSTOP)
        load = "/v2/repository/models/half_plus_two/load"
        loading = pool.submit(exchange, beside[0], "POST", load, b"{}")
        with pytest.raises(TimeoutError):  # it waits for the other one
            loading.result(0.2)
        server.server.kill_worker(1)

        def is_back() -> bool:
            assert states(connections[0]) == before
            assert exchange(connections[0], "GET", f"/v2/models/{MODEL}/ready")[0] == 200
            return any("Worker 1 serves again" in line for line in server.server.output[lines:])

        wait_until("it is back", is_back)
        assert loading.result()[0] == 200
    assert server.answers("half_plus_two") == [TWO, TWO]
    assert server.states(MODEL) == [before, before]


def test_worker_that_dies_while_it_makes_a_change(server: Changing) -> None:
    """Nobody waits for it: the next change goes on, and is in effect in all."""
    with server.server.connections() as connections, ThreadPoolExecutor(1) as pool:
        stopped = server.server.pids()[1]
        os.kill(stopped, signal.SIGSTOP)
        try:
            label = f"/v1/models/{MODEL}/labels/late"
            moved = pool.submit(exchange, connections[0], "POST", label, b'{"version": 1}')
            with pytest.raises(TimeoutError):  # it waits for the other one
                moved.result(0.2)
            server.server.kill_worker(0)
            with pytest.raises((http.client.HTTPException, ConnectionError)):
                moved.result()
        finally:
            os.kill(stopped, signal.SIGCONT)
        label = f"/v1/models/{MODEL}/labels/later"
        assert exchange(connections[1], "POST", label, b'{"version": 1}')[0] == 200
    again = "Worker 0 serves again"
    wait_until("both are there", lambda: any(again in line for line in server.server.output))
    labelled = server.server.of_each("POST", f"{label}:predict", BODY)
    assert [status for status, _ in labelled.values()] == [200, 200]
