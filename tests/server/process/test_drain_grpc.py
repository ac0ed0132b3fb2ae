"""SIGTERM over gRPC: clients are told to go elsewhere at once, and what they have sent by then is answered."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
import pytest

from serving.protos import HealthCheckResponse, PredictRequest, PredictResponse, TensorProto
from tests.server.doors.clients import Target, floats, from_proto, predict_request
from tests.server.process.conftest import Start, lines, refuses
from tests.support.frames import (
    DATA,
    GOAWAY,
    HEADERS,
    NO_WINDOW,
    PING,
    PREDICT,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    Http2Connection,
    call,
    frame,
    framed,
)
from tests.support.secure import SecurePort, channel, secure_path
from tests.support.server_process import START_SECONDS, wait_until

WAIT = Target(model="slow", signature="wait")
ONE = framed(predict_request(Target(model="half_plus_three"), {"x": floats(1)}))
CHECK = "/grpc.health.v1.Health/Check"
NOT_SERVING = 2
NUMBERS = 2_000_000
LARGE_CALLS = 6
NO_ERROR = (RST_STREAM, bytes(4))
"""How grpcio ends a stream, behind its answer."""

CALLERS = 8
WINDOW = (2**30).to_bytes(4, "big")


@pytest.fixture(params=["grpcio", "native", "tls"])
def transport(request: pytest.FixtureRequest) -> str:
    """Also the native transport behind TLS."""
    return str(request.param)


def waits(milliseconds: float, numbers: int = 1) -> bytes:
    """A framed request of the slow model, small whatever the size of its answer: one value stands for all."""
    request = PredictRequest.FromString(predict_request(WAIT, {}))
    shape = {"dim": [{"size": numbers}]}
    request.inputs["ms"].CopyFrom(TensorProto(dtype=1, float_val=[milliseconds], tensor_shape=shape))
    return framed(request.SerializeToString())


def until_goaway(connection: Http2Connection) -> list[Frame]:
    """What comes up to the GOAWAY, which names no last stream and no error; AssertionError if none comes."""
    seen: list[Frame] = []
    for each in connection.frames():
        if each.kind == GOAWAY:
            assert each.payload[:8] == b"\x7f\xff\xff\xff" + bytes(4)
            return seen
        seen.append(each)
    raise AssertionError(f"no GOAWAY behind {[each[:3] for each in seen]}")


def message(frames: list[Frame]) -> bytes:
    """The message that data frames have."""
    return b"".join(each.payload for each in frames if each.kind == DATA)[5:]


def value(frames: list[Frame]) -> list[float]:
    """What a Predict has answered."""
    return list(map(float, from_proto(PredictResponse.FromString(message(frames)).outputs["y"])))


def answers(connection: Http2Connection, stream: int) -> bool:
    """Whether a short call is answered."""
    connection.send(call(stream, ONE))
    return value(connection.ended(stream)) == [3.5]


def test_goaway_while_a_call_runs(start: Start) -> None:
    """It comes long before the answer; who calls on the connection all the same is answered while it is open."""
    server = start()
    with Http2Connection(server.grpc_port) as connection, Http2Connection(server.grpc_port) as idle:
        assert idle.answers_ping()
        connection.send(call(1, waits(5000)))
        assert answers(connection, 3)
        server.terminate()
        assert not any(each.stream == 1 for each in until_goaway(connection))
        until_goaway(idle)
        assert answers(connection, 5)
        assert value(connection.ended(1)) == [5000.0]
        assert server.wait() == 0


def test_clients_move_on_without_an_error(start: Start) -> None:
    """With two addresses no call fails, on channels that were open long before and while one slow call runs."""
    first, second = start(), start()
    target = f"ipv4:127.0.0.1:{first.grpc_port},127.0.0.1:{second.grpc_port}"
    ended, warm = threading.Event(), threading.Semaphore(0)
    request = ONE[5:]

    def ask(channel: grpc.Channel) -> int:
        predict, count = channel.unary_unary(PREDICT), 0
        while not ended.is_set():
            predict(request, timeout=START_SECONDS)
            count += 1
            warm.release()
        return count

    def more() -> None:
        for _ in range(10 * CALLERS):
            if not warm.acquire(timeout=START_SECONDS):
                raise AssertionError([each.exception() for each in asking if each.done()])

    with ExitStack() as stack, ThreadPoolExecutor(CALLERS) as pool:
        stack.callback(ended.set)
        # A client makes an authority of two addresses that the native transport does not take.
        options = (("grpc.default_authority", "localhost"),)
        channels = [stack.enter_context(channel(target, first.grpc_port, options)) for _ in range(2)]
        asking = [pool.submit(ask, channels[number % 2]) for number in range(CALLERS)]
        more()
        slow = channels[0].unary_unary(PREDICT).future(waits(3000)[5:], timeout=START_SECONDS)
        more()
        first.terminate()
        assert first.wait() == 0
        more()
        ended.set()
        assert all(each.result(START_SECONDS) > 0 for each in asking)
        outputs = PredictResponse.FromString(slow.result(START_SECONDS)).outputs
        assert from_proto(outputs["y"]).tolist() == [3000.0]


def test_new_connections_during_the_delay(start: Start) -> None:
    """They are taken, answered, and told at its end, when the port is closed; health says what is to come."""
    server = start("--drain_delay_seconds=4")
    with Http2Connection(server.grpc_port) as early:
        assert early.answers_ping()
        server.terminate()
        until_goaway(early)
    with Http2Connection(server.grpc_port) as late, Http2Connection(server.grpc_port) as probe:
        late.send(call(1, waits(6000)))
        probe.send(call(1, framed(b""), **{":path": CHECK}))
        assert HealthCheckResponse.FromString(message(probe.ended(1))).status == NOT_SERVING
        assert answers(late, 3)
        wait_until("the port is closed", lambda: refuses(server.grpc_port))
        assert value([*until_goaway(late), *late.ended(1)]) == [6000.0]
    assert server.wait() == 0


def test_large_answers_are_whole(start: Start) -> None:
    """Eight megabytes through windows of 64 KiB, six at a time: the frame for the client is not amid one of theirs."""
    server = start()
    with ExitStack() as stack:
        connections = [stack.enter_context(Http2Connection(server.grpc_port)) for _ in range(LARGE_CALLS)]
        for connection in connections:
            connection.send(call(1, waits(1, NUMBERS)))
            assert next(each for each in connection.frames() if each.kind == DATA).stream == 1
            connection.send(call(3, waits(1, NUMBERS)))
        server.terminate()
        with ThreadPoolExecutor(LARGE_CALLS) as pool:
            told = list(pool.map(_read_large, connections))
        assert server.wait() == 0
    assert told == [True] * LARGE_CALLS


def _read_large(connection: Http2Connection) -> bool:
    """Whether GOAWAY came in between; both answers must be whole. The first piece of the first was read before."""
    told, data, open_streams = False, {1: b"", 3: b""}, {1, 3}
    connection.send(frame(WINDOW_UPDATE, 0, 0, WINDOW))  # for all; each stream has 64 KiB
    for each in connection.frames():
        assert each.kind in (DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE, GOAWAY) or each[:1] + each[3:] == NO_ERROR
        told |= each.kind == GOAWAY
        if each.kind == DATA and each.payload:
            data[each.stream] += each.payload
            connection.send(frame(WINDOW_UPDATE, 0, each.stream, len(each.payload).to_bytes(4, "big")))
        if each.kind == HEADERS and each.flags & 1:
            assert data[each.stream], each
            open_streams.remove(each.stream)
            if not open_streams:
                break
    assert not open_streams
    outputs = PredictResponse.FromString(data[3][5:]).outputs
    assert np.array_equal(from_proto(outputs["y"]), np.ones(NUMBERS, np.float32))
    assert len(data[1]) > len(data[3]) - 2 * 16_384
    return told or any(each.kind == GOAWAY for each in connection.frames())


def test_peers_that_do_not_read(start: Start) -> None:
    """They hold up nobody's GOAWAY, and the end for no longer than the grace."""
    server = start(grace_seconds=3)
    with ExitStack() as stack:
        small = stack.enter_context(Http2Connection(server.grpc_port, NO_WINDOW))
        small.send(call(1, ONE))
        large = stack.enter_context(Http2Connection(server.grpc_port, b"\0\4" + WINDOW))
        large.send(frame(WINDOW_UPDATE, 0, 0, WINDOW))
        for stream in range(1, 9, 2):
            large.send(call(stream, waits(1, 10 * NUMBERS)))
        other = stack.enter_context(Http2Connection(server.grpc_port))
        assert answers(other, 1)
        server.terminate()
        until_goaway(other)
        until_goaway(small)
        assert server.wait() == 0
    assert lines(server, "did not finish within --drain_grace_seconds")


def test_unix_socket(start: Start, tmp_path: Path) -> None:
    """As on the port, where both are served: GOAWAY at once, answers, and nobody listens any more."""
    path = str(tmp_path / "socket")
    server = start(f"--grpc_socket_path={path}")
    if isinstance(server.grpc_port, SecurePort):
        path = secure_path(path, server.grpc_port.trust)
    with Http2Connection(path) as connection, Http2Connection(server.grpc_port) as other:
        connection.send(call(1, waits(5000)))
        assert answers(connection, 3)
        assert answers(other, 1)
        server.terminate()
        until_goaway(other)
        until_goaway(connection)

        def is_refused() -> bool:
            try:
                with Http2Connection(path):
                    return False
            except (ConnectionRefusedError, FileNotFoundError):
                return True

        wait_until("the socket is refused", is_refused)
        assert answers(connection, 5)
        assert value(connection.ended(1)) == [5000.0]
    assert server.wait() == 0
