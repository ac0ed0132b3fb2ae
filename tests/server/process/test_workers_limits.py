"""Limits of several workers: they are the server's, whichever worker a request comes to."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from serving.access.making import make_key
from tests.server.doors.clients import Target, floats, predict_request
from tests.support.server_process import START_SECONDS, wait_until, write_model_config
from tests.support.workers_server import WorkersServer

PREDICT = "/tensorflow.serving.PredictionService/Predict"
SLOW = Target(model="slow", signature="wait")
REFUSED = "1 requests are in flight, the limit that --max_in_flight sets"


@pytest.fixture
def server(models: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[WorkersServer]:
    """Two workers of a model that waits and of a quick one, with the flags of the test."""
    names = {"slow": models / "slow", "half_plus_two": models / "half_plus_two"}
    config = write_model_config(tmp_path / "models.config", names)
    with WorkersServer(2, [f"--model_config_file={config}", "--drain_grace_seconds=1", *request.param]) as server:
        yield server


def quick(channel: grpc.Channel) -> str:
    """How a short call ends: OK, or the name of a code and the text."""
    payload = predict_request(Target(model="half_plus_two"), {"x": floats(1)})
    try:
        channel.unary_unary(PREDICT)(payload, timeout=START_SECONDS)
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"
    return "OK"


class Slow:
    """A call over one channel that does not end, begun until it has the only place: a quick one may have that first."""

    def __init__(self, channel: grpc.Channel, other: grpc.Channel) -> None:
        self._begin = channel.unary_unary(PREDICT).future
        self._other = other
        self.call = self._begun()
        wait_until("it counts for the other worker", self._counts)

    def _begun(self) -> grpc.Future:
        payload = predict_request(SLOW, {"ms": floats(600_000.0)})
        return self._begin(payload, timeout=START_SECONDS * 10)

    def _counts(self) -> bool:
        if self.call.done():
            self.call = self._begun()
        return REFUSED in quick(self._other)


@pytest.mark.parametrize("server", [("--max_in_flight=1", "--max_waiting_requests=0")], indirect=True)
def test_what_is_in_flight_in_one_worker_counts_in_the_other(server: WorkersServer) -> None:
    """And no more once it is over, or once its worker is dead."""
    with server.channels() as channels:
        Slow(channels[0], channels[1]).call.cancel()
        wait_until("it does not count", lambda: quick(channels[1]) == "OK")
        dying = Slow(channels[0], channels[1])
        server.kill_worker(0)
        wait_until("it does not count", lambda: quick(channels[1]) == "OK")
        with pytest.raises(grpc.RpcError):
            dying.call.result()


@pytest.mark.parametrize("server", [("--max_in_flight=1", "--max_wait_seconds=60")], indirect=True)
def test_who_waits_in_one_worker_enters_when_another_one_is_done(server: WorkersServer) -> None:
    """Though nobody tells it."""
    with server.channels() as channels:
        slow = channels[0].unary_unary(PREDICT).future(predict_request(SLOW, {"ms": floats(600_000.0)}))
        payload = predict_request(Target(model="half_plus_two"), {"x": floats(1)})
        waiting = channels[1].unary_unary(PREDICT).future(payload, timeout=START_SECONDS)
        slow.cancel()
        assert waiting.result()


def test_a_rate_of_a_key_is_used_up_by_both_workers_together(models: Path, tmp_path: Path) -> None:
    """One at once, and two in an hour: of four, two to each worker, one is answered."""
    path = tmp_path / "keys.json"
    path.write_text("[]")
    path.chmod(0o600)
    made = make_key("caller", "predict", "", str(path))
    (entry,) = json.loads(path.read_text())
    path.write_text(json.dumps([{**entry, "requests_per_second": 2 / 3600}]))
    flags = ["--model_name=half_plus_two", f"--model_base_path={models / 'half_plus_two'}", f"--api_keys_file={path}"]
    with WorkersServer(2, flags) as server:
        asked = "POST", "/v1/models/half_plus_two:predict", '{"instances": [1.0]}', {"x-api-key": made.key}
        statuses = [status for _ in range(2) for status, _ in server.of_each(*asked).values()]
    assert sorted(statuses) == [200, 429, 429, 429]
