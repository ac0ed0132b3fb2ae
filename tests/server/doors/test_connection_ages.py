"""Behind balancers: gRPC connections that get old, and pings either way, on both transports and behind TLS."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from serving.protos import PredictRequest, PredictResponse, TensorProto
from tests.server.doors.clients import Target, floats, from_proto, predict_request
from tests.server.doors.conftest import carried_by
from tests.support.frames import (
    ACK,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREDICT,
    Frame,
    Http2Connection,
    call,
    frame,
    framed,
)
from tests.support.secure import channel
from tests.support.server_process import START_SECONDS, ServerProcess, wait_until, write_model_config

ONE = predict_request(Target(model="half_plus_three"), {"x": floats(1)})
CHANNELS, CALLERS, RENEWALS = 4, 2, 4
NO_ERROR, ENHANCE_YOUR_CALM = bytes(4), b"\0\0\0\x0b"
ANY_STREAM = b"\x7f\xff\xff\xff"
AGE = ("--grpc_max_connection_age_seconds=1", "--grpc_max_connection_age_grace_seconds=600")
PINGS = ("--grpc_keepalive_time_ms=200", "--grpc_keepalive_timeout_ms=500", "--grpc_keepalive_permit_without_calls")
ARGUMENTS = {"max_connection_age_ms": 1000, "max_connection_age_grace_ms": 500, "keepalive_time_ms": 200}
"""Which are the same for both transports."""

Start = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def start(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts a server of a slow and a fast model, carried by a transport, with some flags; it must end well."""
    names = ("slow", "half_plus_three")
    config = write_model_config(
        tmp_path_factory.mktemp("config") / "models.config", {name: models / name for name in names}
    )
    started: list[ServerProcess] = []
    with ExitStack() as stack:

        def make(transport: str, *flags: str) -> ServerProcess:
            carrier, trust = carried_by(transport, tmp_path_factory.mktemp("tls") / "config")
            started.append(ServerProcess((*carrier, f"--model_config_file={config}", *flags), trust=trust))
            return stack.enter_context(started[-1])

        yield make
    for server in started:
        assert server.process.returncode == 0, server.output
        assert "Traceback" not in "".join(server.output)


@pytest.fixture(scope="module", params=["grpcio", "native", "tls"])
def server(request: pytest.FixtureRequest, start: Start) -> ServerProcess:
    """Its connections last for a second, and then their calls for long; it pings everybody. Also native behind TLS."""
    return start(request.param, *AGE, *PINGS)


@pytest.fixture(scope="module", params=["grpcio", "native"])
def strict(request: pytest.FixtureRequest, start: Start) -> ServerProcess:
    """As ``ARGUMENTS`` say: its calls have half a second when their connection is old, and only they are pinged."""
    given = ",".join(f"grpc.{key}={value}" for key, value in ARGUMENTS.items())
    made = start(request.param, f"--grpc_channel_arguments={given}")
    assert any(name.startswith("grpc-native") for name in made.threads()) is (request.param == "native")
    return made


def waits(milliseconds: float) -> bytes:
    """A framed request of the slow model."""
    request = PredictRequest.FromString(predict_request(Target(model="slow", signature="wait"), {}))
    request.inputs["ms"].CopyFrom(TensorProto(dtype=1, float_val=[milliseconds], tensor_shape={"dim": [{"size": 1}]}))
    return framed(request.SerializeToString())


def value(frames: list[Frame]) -> list[float]:
    """What a Predict has answered."""
    message = b"".join(each.payload for each in frames if each.kind == DATA)[5:]
    return list(map(float, from_proto(PredictResponse.FromString(message).outputs["y"])))


def read(connection: Http2Connection) -> Iterator[Frame]:
    """What comes until the server closes the connection; its pings are answered."""
    for each in connection.frames():
        yield each
        if each.kind == PING and not each.flags & ACK:
            connection.send(frame(PING, ACK, payload=each.payload))


def goaways(frames: list[Frame]) -> list[bytes]:
    """The first eight bytes of each GOAWAY: the last stream, and the reason."""
    return [each.payload[:8] for each in frames if each.kind == GOAWAY]


class Callers:
    """Calls of ``CALLERS`` threads over each of ``CHANNELS`` channels that share no connection, one after the other."""

    def __init__(self, server: ServerProcess, stack: ExitStack) -> None:
        self.over = threading.Event()
        self.opened = [0] * CHANNELS
        pool = stack.enter_context(ThreadPoolExecutor(CHANNELS * CALLERS))
        stack.callback(self.over.set)
        self.asking = []
        for number in range(CHANNELS):
            made = channel(f"127.0.0.1:{server.grpc_port}", server.grpc_port, (("grpc.use_local_subchannel_pool", 1),))
            stack.enter_context(made).subscribe(self._counts(number))
            self.asking += [pool.submit(self._ask, made.unary_unary(PREDICT)) for _ in range(CALLERS)]

    def _counts(self, number: int) -> Callable[[grpc.ChannelConnectivity], None]:
        def changed(state: grpc.ChannelConnectivity) -> None:
            self.opened[number] += state is grpc.ChannelConnectivity.READY

        return changed

    def _ask(self, predict: Any) -> int:
        count = 0
        while not self.over.is_set():
            outputs = PredictResponse.FromString(predict(ONE, timeout=START_SECONDS)).outputs
            assert from_proto(outputs["y"]).tolist() == [3.5]
            count += 1
        return count


def test_connections_are_renewed(server: ServerProcess) -> None:
    """Each channel opens one after the other, and no call of any fails meanwhile."""
    with ExitStack() as stack:
        callers = Callers(server, stack)
        wait_until("each is renewed", lambda: min(callers.opened) >= RENEWALS or any(e.done() for e in callers.asking))
        callers.over.set()
        assert all(each.result(START_SECONDS) > 0 for each in callers.asking)


def test_a_call_has_its_grace(server: ServerProcess) -> None:
    """GOAWAY comes while it runs, and names no error; it is answered."""
    with Http2Connection(server.grpc_port) as connection:
        connection.send(call(1, waits(2000)))
        frames = []
        for each in read(connection):
            frames.append(each)
            if each.kind == HEADERS and each.flags & END_STREAM:
                break
    assert goaways(frames)[0] == ANY_STREAM + NO_ERROR
    kinds = [each.kind for each in frames]
    assert kinds.index(GOAWAY) < kinds.index(DATA)
    assert value([each for each in frames if each.stream == 1]) == [2000.0]


def test_the_grace_is_bounded(strict: ServerProcess) -> None:
    """A call that takes longer is cut, and a peer that has none and stays is, too; others connect as ever."""
    with Http2Connection(strict.grpc_port) as busy, Http2Connection(strict.grpc_port) as idle:
        busy.send(call(1, waits(60_000)))
        for connection in (busy, idle):
            frames = list(read(connection))
            assert goaways(frames)[0] == ANY_STREAM + NO_ERROR
            assert not any(each.kind == DATA for each in frames)
        with Http2Connection(strict.grpc_port) as new:
            new.send(call(1, framed(ONE)))
            assert value(new.ended(1)) == [3.5]


def test_a_client_sees_that_its_call_was_cut(strict: ServerProcess) -> None:
    """UNAVAILABLE, which says that another attempt may do."""
    with channel(f"127.0.0.1:{strict.grpc_port}", strict.grpc_port) as made, pytest.raises(grpc.RpcError) as raised:
        made.unary_unary(PREDICT)(waits(60_000)[5:], timeout=START_SECONDS)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


def pings(connection: Http2Connection) -> Iterator[Frame]:
    """Those that the server sends."""
    return (each for each in connection.frames() if each.kind == PING and not each.flags & ACK)


def test_the_server_pings(server: ServerProcess) -> None:
    """Idle clients too, again and again as long as they answer; the connection of one that does not is closed."""
    with Http2Connection(server.grpc_port) as alive, Http2Connection(server.grpc_port) as dead:
        for _, each in zip(range(3), pings(alive), strict=False):
            alive.send(frame(PING, ACK, payload=each.payload))
        assert alive.answers_ping()
        assert any(each.kind == PING for each in list(dead.frames()))  # and then it has ended


def test_only_who_has_a_call_is_pinged(strict: ServerProcess) -> None:
    """Unless a flag says otherwise; that it comes on a connection with a call is the proof that time was enough."""
    with Http2Connection(strict.grpc_port) as idle, Http2Connection(strict.grpc_port) as busy:
        busy.send(call(1, waits(5000)))
        assert next(pings(busy))
        idle.send(frame(PING, payload=b"12345678"))
        assert next(each for each in idle.frames() if each.kind == PING).flags & ACK


def test_too_many_pings(start: Start) -> None:
    """The connection ends with ENHANCE_YOUR_CALM where that is configured, which takes grpcio."""
    server = start("native", "--grpc_min_recv_ping_interval_ms=60000", "--grpc_keepalive_permit_without_calls")
    server.wait_for("native cannot do --grpc_min_recv_ping_interval_ms; grpcio carries")
    with Http2Connection(server.grpc_port) as connection:
        connection.send(frame(PING, payload=b"12345678") * 4)
        assert goaways(list(connection.frames()))[-1][4:] == ENHANCE_YOUR_CALM
