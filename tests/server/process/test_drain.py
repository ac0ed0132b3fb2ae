"""SIGTERM: what is under way is answered, nothing new is begun, and the process ends when that is done."""

import json
import os
import select
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from serving.protos import PredictRequest, PredictResponse, TensorProto
from tests.server.doors.clients import Client, GrpcClient, RefusedError, Target, floats, from_proto, predict_request
from tests.server.doors.conftest import client_of
from tests.server.process.conftest import Start, lines, refuses
from tests.support.raw import RawConnection, request
from tests.support.server_process import START_SECONDS, ServerProcess, wait_until

PREDICT = "/tensorflow.serving.PredictionService/Predict"
WAIT = Target(model="slow", signature="wait")
FAST = Target(model="half_plus_three")
ONE = {"x": floats(1)}
CALLS = 2
NUMBERS = 5_000_000
CLIENTS = 4
FOR_EVER = 600_000.0


class SlowCalls:
    """Calls of both doors that the server has begun with, each for some milliseconds. A context manager."""

    def __init__(self, server: ServerProcess, milliseconds: float) -> None:
        self._expected = [milliseconds]
        self._client = GrpcClient(server)
        self._client.predict(FAST, ONE)  # connects
        call = self._client.channel.unary_unary(PREDICT)
        payload = predict_request(WAIT, {"ms": floats(*self._expected)})
        self.grpc: list[Any] = [call.future(payload) for _ in range(CALLS)]
        body = json.dumps({"signature_name": "wait", "instances": self._expected}).encode()
        self.rest = [RawConnection(server.rest_port) for _ in range(CALLS)]
        for connection in self.rest:
            connection.send(request("POST", "/v1/models/slow:predict", body))
        # What is answered now was read after the slow calls.
        self._client.predict(FAST, ONE)
        assert server.rest("GET", "/v1/models/slow")[0] == 200

    def under_way(self) -> bool:
        """Whether none has been answered."""
        readable, _, _ = select.select([connection.socket for connection in self.rest], [], [], 0)
        return not readable and not any(call.done() for call in self.grpc)

    def all_answered(self) -> bool:
        """Whether each was given its own value, and REST told to reconnect elsewhere; blocks until then."""
        responses = [connection.response() for connection in self.rest]
        assert [response.headers["connection"] for response in responses] == ["close"] * CALLS
        values = [response.json["predictions"] for response in responses]
        for call in self.grpc:
            outputs = PredictResponse.FromString(call.result(START_SECONDS)).outputs
            values.append(from_proto(outputs["y"]).tolist())
        return values == [self._expected] * len(values)

    def __enter__(self) -> "SlowCalls":
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self.rest:
            connection.socket.close()
        self._client.close()


def cpu_seconds(server: ServerProcess) -> float:
    """What the server has computed so far."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_calls_in_flight_are_answered(start: Start) -> None:
    """SIGTERM, then their answers, then the end with status 0; after it both ports are closed."""
    server = start()
    with SlowCalls(server, 1500) as calls:
        server.terminate()
        server.wait_for("Draining: requests in flight have 600 seconds")
        assert calls.under_way()
        assert calls.all_answered()
        assert server.wait() == 0
    assert refuses(server.grpc_port)
    assert refuses(server.rest_port)


def test_large_answer_leaves_before_the_end(start: Start) -> None:
    """The end waits until an answer is with its client, not only until it is there."""
    server = start()
    asked = PredictRequest.FromString(predict_request(WAIT, {}))
    tensor = asked.inputs["ms"]  # small as it travels: the one value stands for all elements
    tensor.CopyFrom(TensorProto(dtype=1, float_val=[500], tensor_shape={"dim": [{"size": NUMBERS}]}))
    client = GrpcClient(server)
    client.predict(FAST, ONE)
    before = cpu_seconds(server)
    large = client.channel.unary_unary(PREDICT).future(asked.SerializeToString())
    # The model waits in a loop. Another call's answer would not tell: on a busy machine the calls may change places.
    wait_until("the call has begun", lambda: cpu_seconds(server) > before + 0.1)
    server.terminate()
    outputs = PredictResponse.FromString(large.result(START_SECONDS)).outputs
    assert np.array_equal(from_proto(outputs["y"]), np.full(NUMBERS, 500, np.float32))
    assert server.wait() == 0
    client.close()


def test_new_connections_are_refused_meanwhile(start: Start) -> None:
    """Both ports close while calls are in flight, so that newcomers try elsewhere."""
    server = start()
    with SlowCalls(server, 4000) as calls:
        server.terminate()
        wait_until("the REST port is closed", lambda: refuses(server.rest_port))
        wait_until("the gRPC port is closed", lambda: refuses(server.grpc_port))
        assert calls.under_way()
        assert calls.all_answered()


def test_idle_connections_are_answered_once_more(start: Start) -> None:
    """Those over which nothing comes stay open until their next request, or until the grace ends; then they end."""
    server = start(grace_seconds=3)
    client = GrpcClient(server)
    client.predict(FAST, ONE)
    with RawConnection(server.rest_port) as unused, RawConnection(server.rest_port) as used:
        used.send(request("GET", "/v1/models/slow"))
        assert used.response().status == 200
        server.terminate()
        server.wait_for("Draining: ")
        used.send(request("GET", "/v1/models/slow"))
        response = used.response()
        assert (response.status, response.headers["connection"]) == (200, "close")
        assert server.wait() == 0
        assert (unused.rest(), used.rest()) == (b"", b"")
    client.close()


def test_idle_server_ends_before_its_grace(start: Start) -> None:
    """Without open connections there is nothing to wait for."""
    server = start()
    with RawConnection(server.rest_port) as used:
        used.send(request("GET", "/v1/models/slow"))
        assert used.response().status == 200
    server.terminate()
    assert server.wait() == 0


def test_second_signal_ends_at_once(start: Start) -> None:
    """Whoever cannot wait sends another one: the status is that of a killed process, and calls are dropped."""
    server = start()
    with SlowCalls(server, FOR_EVER) as calls:
        server.terminate()
        server.wait_for("Draining: ")
        assert calls.under_way()
        server.terminate()
        assert server.wait() == 128 + signal.SIGTERM
        assert [connection.rest() for connection in calls.rest] == [b""] * CALLS
    assert len(lines(server, "Second SIGTERM: ending at once")) == 1


def test_calls_beyond_the_grace_are_cut_off(start: Start) -> None:
    """The process ends whatever still runs, says what it dropped, and clients learn that there is no answer."""
    server = start(grace_seconds=1)
    with SlowCalls(server, FOR_EVER) as calls:
        server.terminate()
        assert server.wait() == 0
        assert [connection.rest() for connection in calls.rest] == [b""] * CALLS
        for call in calls.grpc:
            with pytest.raises(grpc.RpcError) as error:
                call.result(START_SECONDS)
            assert error.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    assert lines(server, f"{CALLS} REST requests did not finish within --drain_grace_seconds and are dropped")


@pytest.mark.parametrize("door", ["rest", "grpc"])
def test_busy_server_loses_no_answer(start: Start, door: str) -> None:
    """Clients that never stop asking get answers, then refusals, and nothing in between."""
    server = start()
    warm = threading.Semaphore(0)

    def ask() -> str:
        client: Client = client_of(door, server)
        try:
            for number in range(1_000_000):
                assert client.predict(FAST, ONE)["y"].tolist() == [3.5]
                if number == 10:
                    warm.release()
        except RefusedError as error:
            return error.code
        except ConnectionError:
            return "UNAVAILABLE"
        finally:
            client.close()
        return "never refused"

    with ThreadPoolExecutor(CLIENTS) as pool:
        ends = [pool.submit(ask) for _ in range(CLIENTS)]
        for _ in ends:
            assert warm.acquire(timeout=START_SECONDS)
        server.terminate()
        assert server.wait() == 0
        assert {end.result() for end in ends} == {"UNAVAILABLE"}
