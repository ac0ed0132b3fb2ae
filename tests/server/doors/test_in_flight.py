"""Limits on requests in flight, at real doors: who waits, who is refused and how it is told, who comes first."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.server.doors.clients import Target, floats, predict_request
from tests.server.telemetry.metrics_page import points
from tests.support.raw import RawConnection, request
from tests.support.server_process import START_SECONDS, ServerProcess, wait_until, write_model_config

PREDICT = "/tensorflow.serving.PredictionService/Predict"
WAIT = Target(model="slow", signature="wait")
FOR_LONG = 600_000.0
FULL = "2 requests are in flight, the limit that --max_in_flight sets, and 1 wait already"

Start = Callable[..., ServerProcess]


@pytest.fixture(params=["native", "grpcio"])
def start(request: pytest.FixtureRequest, models: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a server of two models, in which two requests may be in flight and one may wait."""
    names = {"slow": models / "slow", "half_plus_two": models / "half_plus_two"}
    config = write_model_config(tmp_path / "models.config", names)
    with ExitStack() as stack:

        def make(*flags: str) -> ServerProcess:
            given = (
                f"--grpc_transport={request.param}",
                f"--model_config_file={config}",
                "--drain_grace_seconds=1",
                "--max_wait_seconds=60",
                *flags,
            )
            server = stack.enter_context(ServerProcess(given))
            stack.callback(server.kill)
            return server

        yield make


class Busy:
    """Calls that end when they are cancelled."""

    def __init__(self, server: ServerProcess, calls: int) -> None:
        self._channel = server.channel()
        self.calls: list[Any] = []
        for _ in range(calls):
            self.add()

    def add(self) -> None:
        """Another one."""
        payload = predict_request(WAIT, {"ms": floats(FOR_LONG)})
        self.calls.append(self._channel.unary_unary(PREDICT).future(payload, timeout=START_SECONDS * 10))

    def call(self, *metadata: tuple[str, str]) -> Any:
        """A short call."""
        payload = predict_request(Target(model="half_plus_two"), {"x": floats(1)})
        return self._channel.unary_unary(PREDICT).future(payload, timeout=START_SECONDS, metadata=metadata)

    def __enter__(self) -> "Busy":
        return self

    def __exit__(self, *_: object) -> None:
        for call in self.calls:
            call.cancel()
        self._channel.close()


def refused(server: ServerProcess) -> tuple[int, dict[str, str], str]:
    """What REST answers to a short request."""
    with RawConnection(server.rest_port) as connection:
        connection.send(request("POST", "/v1/models/half_plus_two:predict", b'{"instances": [1.0]}'))
        response = connection.response()
        return response.status, response.headers, response.json.get("error", "")


def test_beyond_the_limits_a_request_is_refused_and_told_when_to_come_again(start: Start) -> None:
    """429 with Retry-After, RESOURCE_EXHAUSTED with the same in its metadata; probes and status are answered."""
    server = start("--max_in_flight=2", "--max_waiting_requests=1")
    with Busy(server, 3) as busy:
        wait_until("all are taken", lambda: _waiting(server) == (2, 1))
        status, headers, text = refused(server)
        assert (status, headers["retry-after"]) == (429, "1")
        assert text.startswith(FULL)
        with pytest.raises(grpc.RpcError) as it:
            busy.call().result()
        assert it.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert it.value.details().startswith(FULL)
        assert dict(it.value.trailing_metadata())["retry-after"] == "1"
        assert server.rest("GET", "/healthz/ready")[0] == 200
        assert server.rest("GET", "/v1/models/slow")[0] == 200
        counted = points(server)
        assert counted[':serving:refused_requests{limit="max_in_flight"}'] >= 2


@pytest.mark.parametrize("first", [0, 1], ids=["runs", "waits"])
def test_a_client_that_goes_frees_its_place(start: Start, first: int) -> None:
    """In flight, also after a wait, or in the queue: whoever waits has it then, over REST as well."""
    server = start("--max_in_flight=1", "--max_waiting_requests=2")
    with Busy(server, 1) as busy:
        wait_until("one runs", lambda: _waiting(server) == (1, 0))
        busy.add()
        wait_until("one waits", lambda: _waiting(server) == (1, 1))
        call = busy.call()
        wait_until("another waits", lambda: _waiting(server) == (1, 2))
        busy.calls[first].cancel()
        wait_until("it has gone", lambda: _waiting(server) == (1, 1))
        busy.calls[1 - first].cancel()
        assert call.result()
        assert refused(server)[0] == 200


def test_the_more_urgent_is_served_first(start: Start) -> None:
    """A request of a high priority passes one of a low one that came before; a word that is none is an error."""
    server = start("--max_in_flight=1", "--max_waiting_requests=1")
    with Busy(server, 1) as busy:
        wait_until("it runs", lambda: _waiting(server) == (1, 0))
        low = busy.call(("x-priority", "low"))
        wait_until("it waits", lambda: _waiting(server) == (1, 1))
        high = busy.call(("x-priority", "high"))
        with pytest.raises(grpc.RpcError) as it:
            low.result()
        assert "Requests of a higher priority wait in place of this one" in it.value.details()
        busy.calls[0].cancel()
        assert high.result()
        with pytest.raises(grpc.RpcError, match="x-priority is 'soon'; expected 1"):
            busy.call(("x-priority", "soon")).result()


def test_one_models_requests_hold_up_no_other_model(start: Start) -> None:
    """With a limit for each model the other one answers at once."""
    server = start("--max_in_flight_per_model=1", "--max_waiting_requests=0")
    with Busy(server, 1) as busy:
        wait_until("it runs", lambda: _waiting(server) == (1, 0))
        assert busy.call().result()
        body = json.dumps({"signature_name": "wait", "instances": [1]})
        status, answer = server.rest("POST", "/v1/models/slow:predict", body)
        assert status == 429
        assert b"1 requests for this model are in flight" in answer


def test_a_deadline_ends_a_wait(start: Start) -> None:
    """The call is never made, and the next one finds the place free."""
    server = start("--max_in_flight=1")
    with Busy(server, 1) as busy:
        wait_until("it runs", lambda: _waiting(server) == (1, 0))
        payload = predict_request(Target(model="half_plus_two"), {"x": floats(1)})
        with server.channel() as channel, pytest.raises(grpc.RpcError) as it:
            channel.unary_unary(PREDICT)(payload, timeout=0.2)
        assert it.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        wait_until("nobody waits", lambda: _waiting(server) == (1, 0))
        busy.calls[0].cancel()
        assert busy.call().result()


def _waiting(server: ServerProcess) -> tuple[int, int]:
    """How many requests are in flight, and how many wait, as the metrics say."""
    counted = points(server)
    return int(counted[":serving:requests_in_flight{}"]), int(counted[":serving:requests_waiting{}"])
