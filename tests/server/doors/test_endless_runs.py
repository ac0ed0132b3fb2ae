"""Runs that do not end: other models are answered, limits act, readiness and the log tell, and callers can leave."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.server.doors.clients import Client, GrpcClient, RefusedError, RestClient, Target, floats, predict_request
from tests.support.raw import RawConnection, request
from tests.support.server_process import START_SECONDS, ServerProcess, wait_until, write_model_config

ENDLESS = Target(model="endless", signature="wait")
SLOW = Target(model="slow", signature="wait")
FAST = Target(model="half_plus_three")
FOR_EVER = 600_000.0
SHORT = {"ms": floats(30)}
THREADS = 2
CALLS = 2 * THREADS
"""More than may run, so that some of them wait."""

LIMIT_SECONDS = 2.0

Start = Callable[..., ServerProcess]


@pytest.fixture
def start(transport: str, models: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a server of three models, two of them the same: a run takes as long as its caller likes."""
    base_paths = {"endless": models / "slow", "slow": models / "slow", "half_plus_three": models / "half_plus_three"}
    config = write_model_config(tmp_path / "models.config", base_paths)
    with ExitStack() as stack:

        def make(*flags: str) -> ServerProcess:
            given = (
                f"--grpc_transport={transport}",
                f"--model_config_file={config}",
                f"--rest_api_num_threads={THREADS}",
                f"--grpc_max_threads={THREADS}",
                "--drain_grace_seconds=1",
                *flags,
            )
            server = stack.enter_context(ServerProcess(given))
            stack.callback(server.kill)
            return server

        yield make


class Endless:
    """Calls that do not end by themselves, over gRPC and without a deadline unless ``seconds`` says so."""

    def __init__(self, server: ServerProcess, *, calls: int = CALLS, seconds: float | None = None) -> None:
        self._channel = server.channel()
        call = self._channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        payload = predict_request(ENDLESS, {"ms": floats(FOR_EVER)})
        self.calls = [call.future(payload, timeout=seconds) for _ in range(calls)]

    def codes(self) -> set[str]:
        """How they have ended."""
        return {call.exception(START_SECONDS).code().name for call in self.calls}

    def __enter__(self) -> "Endless":
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()


def clients(server: ServerProcess) -> list[Client]:
    return [RestClient(server), GrpcClient(server)]


def ready(server: ServerProcess) -> bool:
    return server.rest("GET", "/healthz/ready")[0] == 200


def cpu_is_taken(server: ServerProcess) -> Callable[[], bool]:
    """Says whether the server has computed for a while since now: the runs have begun."""
    stat = Path(f"/proc/{server.process.pid}/stat")

    def ticks() -> int:
        fields = stat.read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    return lambda: ticks() > before + 30


@pytest.mark.parametrize(
    ("flags", "seconds"),
    [
        pytest.param((), None, id="no deadline"),
        pytest.param((), 600.0, id="deadline"),
        pytest.param(("--enable_batching",), 600.0, id="batching"),
    ],
)
def test_other_models_are_answered(start: Start, flags: tuple[str, ...], seconds: float | None) -> None:
    """Whatever one model's calls hold, every other model's calls, fast or slow, are answered at both doors."""
    server = start(*flags)
    begun = cpu_is_taken(server)
    with Endless(server, seconds=seconds):
        wait_until("they run", begun)
        for client in clients(server):
            for _ in range(3):
                assert client.predict(FAST, {"x": floats(1)})["y"].tolist() == [3.5]
                assert client.predict(SLOW, SHORT)["y"].tolist() == [30.0]
            client.close()
        assert ready(server)


def test_calls_whose_callers_have_gone_keep_nobody_waiting(start: Start) -> None:
    """The same model answers again once those who asked for what does not end have left."""
    server = start()
    begun = cpu_is_taken(server)
    with Endless(server) as endless:
        wait_until("they run", begun)
        for call in endless.calls:
            call.cancel()
        for client in clients(server):
            assert answered_in_the_end(client, Target(model="endless", signature="wait"))
            client.close()


def answered_in_the_end(client: Client, target: Target) -> bool:
    """Whether a slow call is answered, be it after some that are told to come again."""

    def ask() -> bool:
        try:
            return client.predict(target, SHORT)["y"].tolist() == [30.0]  # type: ignore[no-any-return]
        except RefusedError as error:
            if error.code != "RESOURCE_EXHAUSTED":
                raise
            return False

    wait_until("a call is answered", ask)
    return True


def test_rest_clients_that_leave_keep_nobody_waiting(start: Start) -> None:
    """The same over REST, without its time limit."""
    server = start("--rest_api_timeout_in_ms=0")
    begun = cpu_is_taken(server)
    body = json.dumps({"signature_name": "wait", "instances": [FOR_EVER]}).encode()
    connections = [RawConnection(server.rest_port) for _ in range(CALLS)]
    for connection in connections:
        connection.send(request("POST", "/v1/models/endless:predict", body))
    wait_until("they run", begun)
    for connection in connections:
        connection.socket.close()
    client = RestClient(server)
    assert client.predict(Target(model="endless", signature="wait"), SHORT)["y"].tolist() == [30.0]


def test_a_call_that_waits_is_answered_at_its_limit(start: Start) -> None:
    """A REST call of the very model whose runs do not end gets 504, be there a thread for it or not."""
    server = start(f"--rest_api_timeout_in_ms={LIMIT_SECONDS * 1000:.0f}")
    begun = cpu_is_taken(server)
    with Endless(server):
        wait_until("they run", begun)
        assert post(server, "endless", FOR_EVER)[0] == 504


def post(server: ServerProcess, model: str, milliseconds: float) -> tuple[int, Any]:
    body = json.dumps({"signature_name": "wait", "instances": [milliseconds]}).encode()
    return server.rest("POST", f"/v1/models/{model}:predict", body)


def test_max_run_seconds(start: Start) -> None:
    """It ends runs at both doors in TensorFlow's words, whatever their callers grant; the rest is answered."""
    server = start(f"--max_run_seconds={LIMIT_SECONDS}", "--rest_api_timeout_in_ms=0")
    with Endless(server, calls=THREADS) as endless, Endless(server, calls=1, seconds=600) as patient:
        assert endless.codes() | patient.codes() <= {"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}
        assert "DEADLINE_EXCEEDED" in endless.codes()
    status, body = post(server, "endless", FOR_EVER)
    assert (status, json.loads(body)["error"]) == (504, "Timed out waiting for notification")
    for client in clients(server):
        assert answered_in_the_end(client, SLOW)
        client.close()


def test_readiness_goes_while_nothing_ends(start: Start) -> None:
    """With --stuck_seconds: calls wait and no run ends, so it is off; runs end, so it is back. The log says both."""
    server = start("--stuck_seconds=1", "--rest_api_timeout_in_ms=0")
    with Endless(server) as endless, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(post, server, "endless", 30.0)
        wait_until("readiness is off", lambda: not ready(server))
        assert server.rest("GET", "/healthz/live")[0] == 200
        for call in endless.calls:
            call.cancel()
        wait_until("readiness is back", lambda: ready(server))
        assert waiting.result(START_SECONDS)[0] == 200
    assert "(--stuck_seconds)" in server.wait_for("Readiness is withdrawn: calls wait.*").group()
    server.wait_for("Readiness is back")


def test_readiness_stays_while_runs_are_only_long(start: Start) -> None:
    """Nobody waits: a run may take as long as it likes."""
    server = start("--stuck_seconds=0.5")
    with Endless(server, calls=1):
        for _ in range(10):
            assert post(server, "slow", 200.0)[0] == 200
            assert ready(server)


def test_drain_ends_with_the_grace(start: Start) -> None:
    """A run that does not end keeps no process: the status is 0, and its caller learns that there is no answer."""
    server = start()
    begun = cpu_is_taken(server)
    with Endless(server) as endless:
        wait_until("they run", begun)
        server.terminate()
        assert server.wait() == 0
        assert endless.codes() <= {"UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED"}


def test_large_requests_are_read_meanwhile(start: Start) -> None:
    """Runs that were asked for by bodies which take long to read hold none of the threads that read others."""
    server = start("--rest_api_timeout_in_ms=0", "--max_request_bytes=100000000")
    begun = cpu_is_taken(server)
    padding = " " * 200_000
    body = json.dumps({"signature_name": "wait", "instances": [FOR_EVER]}) + padding
    connections = [RawConnection(server.rest_port) for _ in range(CALLS)]
    for connection in connections:
        connection.send(request("POST", "/v1/models/endless:predict", body.encode()))
    wait_until("they run", begun)
    other = json.dumps({"signature_name": "wait", "instances": [30.0]}) + padding
    assert server.rest("POST", "/v1/models/slow:predict", other)[0] == 200
    for connection in connections:
        connection.socket.close()


def test_grpc_deadlines_end_what_runs(start: Start) -> None:
    """A deadline is TensorFlow's own time limit: the threads are free again when it is over."""
    server = start()
    with Endless(server, calls=THREADS, seconds=LIMIT_SECONDS) as endless:
        assert endless.codes() == {"DEADLINE_EXCEEDED"}
    client = GrpcClient(server)
    assert answered_in_the_end(client, Target(model="endless", signature="wait"))
    client.close()


def test_models_that_were_short_until_now(start: Start) -> None:
    """A model with a loop that took microseconds for hundreds of calls, and then does not end, stops no door."""
    server = start()
    brief = {"ms": floats(0)}
    endless = Target(model="endless", signature="wait")
    for client in clients(server):
        for _ in range(100):
            assert client.predict(endless, brief)["y"].tolist() == [0.0]
        client.close()
    begun = cpu_is_taken(server)
    with Endless(server, calls=THREADS):
        wait_until("they run", begun)
        for client in clients(server):
            assert client.predict(FAST, {"x": floats(1)})["y"].tolist() == [3.5]
            assert client.predict(SLOW, SHORT)["y"].tolist() == [30.0]
            client.close()
        assert ready(server)
