"""The native transport in this process, with handlers that are a few lines: what it refuses before it asks them."""

import threading
from collections.abc import Iterator

import grpc
import pytest

from serving.inference.context import RequestContext
from serving.inference.long_call import LongCall
from serving.rpc.connections import ConnectionLimits
from serving.rpc.transports.fronted import FrontedTransport
from tests.support.frames import DATA, GOAWAY, PREDICT, Http2Connection, call, framed
from tests.support.server_process import wait_until

LIMIT_BYTES = 1000
LONG = "/test.Service/Long"


class Echo:
    """A handler that gives back what it was asked, and remembers it."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, int]] = []

    def __call__(self, payload: bytes, context: RequestContext) -> bytes:
        self.asked.append((payload, context.timeout_ms))
        return payload


class Long:
    """A handler of long calls, which go on until ``may_end``; ``asked`` and ``begun`` have their payloads."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.begun: list[bytes] = []
        self.may_end = threading.Event()

    def __call__(self, payload: bytes, context: RequestContext) -> LongCall:
        self.asked.append(payload)
        return LongCall(lambda gone: self._do(payload))

    def _do(self, payload: bytes) -> bytes:
        self.begun.append(payload)
        assert self.may_end.wait(30)
        return payload


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def long() -> Long:
    return Long()


@pytest.fixture
def hold_seconds() -> float:
    """How long a call waits for room: longer than any test."""
    return 60.0


@pytest.fixture
def transport(echo: Echo, long: Long, hold_seconds: float) -> Iterator[FrontedTransport]:
    """A started transport with nothing but these two; one long call may run."""
    made = FrontedTransport(
        {PREDICT: echo, LONG: long},
        ["127.0.0.1:0"],
        max_threads=1,
        max_request_bytes=LIMIT_BYTES,
        aside={},
        services=(),
        hold_seconds=hold_seconds,
    )
    made.start()
    yield made
    long.may_end.set()
    made.drain(0, 30)


@pytest.mark.parametrize("size", [0, 1, LIMIT_BYTES], ids=str)
def test_largest_request(transport: FrontedTransport, size: int) -> None:
    """A request of exactly the limit is taken, and one of nothing."""
    with grpc.insecure_channel(f"127.0.0.1:{transport.port}") as channel:
        assert channel.unary_unary(PREDICT)(b"x" * size, timeout=30) == b"x" * size


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip], ids=["plain", "gzip"])
def test_larger_request(transport: FrontedTransport, echo: Echo, compression: grpc.Compression | None) -> None:
    """The text names the flag. What counts is the size of the message, not what it was compressed to."""
    with grpc.insecure_channel(f"127.0.0.1:{transport.port}") as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(PREDICT)(b"x" * (LIMIT_BYTES + 1), compression=compression, timeout=30)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.value.details() == (
        "Received message larger than max (1001 vs. 1000); --max_request_bytes sets the limit"
    )
    assert echo.asked == []


def test_deadline_reaches_the_handler(transport: FrontedTransport, echo: Echo) -> None:
    """As milliseconds that are left."""
    with grpc.insecure_channel(f"127.0.0.1:{transport.port}") as channel:
        channel.unary_unary(PREDICT)(b"x", timeout=30)
    ((_, timeout_ms),) = echo.asked
    assert 0 < timeout_ms <= 31_000  # what a client sends may be rounded up to few digits


def test_call_beyond_its_deadline_is_not_begun(transport: FrontedTransport, echo: Echo) -> None:
    """Its client has given up; the work would be for nobody."""
    with Http2Connection(transport.port) as connection:
        connection.send(call(1, framed(b"late"), grpc_timeout="0S"))
        assert not any(each.kind == DATA for each in connection.ended(1))
        connection.send(call(3, framed(b"in time")))
        assert any(each.kind == DATA for each in connection.ended(3))
    assert [payload for payload, _ in echo.asked] == [b"in time"]


def test_call_without_room_waits_for_a_moment(transport: FrontedTransport, long: Long) -> None:
    """It is begun as soon as another ends, and short calls pass by meanwhile."""
    with grpc.insecure_channel(f"127.0.0.1:{transport.port}") as channel:
        calls = [channel.unary_unary(LONG).future(payload, timeout=30) for payload in (b"1", b"2")]
        wait_until("both are taken", lambda: len(long.asked) == 2)
        assert channel.unary_unary(PREDICT)(b"x", timeout=30) == b"x"
        assert len(long.begun) == 1
        long.may_end.set()
        assert [each.result() for each in calls] == [b"1", b"2"]


@pytest.mark.parametrize("hold_seconds", [0.1])
def test_call_without_room_is_refused(transport: FrontedTransport, long: Long) -> None:
    """After that moment, with TensorFlow Serving's text."""
    with grpc.insecure_channel(f"127.0.0.1:{transport.port}") as channel:
        first = channel.unary_unary(LONG).future(b"1", timeout=30)
        wait_until("the first is begun", lambda: long.begun == [b"1"])
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(LONG)(b"2", timeout=30)
        assert refused.value.details() == "Server Threadpool Exhausted"
        long.may_end.set()
        assert first.result() == b"1"
    assert long.begun == [b"1"]


def test_call_cancelled_while_it_waits_is_not_begun(transport: FrontedTransport, long: Long) -> None:
    """Its place goes to the next."""
    with grpc.insecure_channel(f"127.0.0.1:{transport.port}") as channel:
        method = channel.unary_unary(LONG)
        calls = []
        for number in range(3):
            calls.append(method.future(bytes([number]), timeout=30))
            wait_until("it is taken", lambda taken=number + 1: len(long.asked) == taken)  # type: ignore[misc]
        calls[1].cancel()
        assert channel.unary_unary(PREDICT)(b"x", timeout=30) == b"x"  # what came before it has been looked at
        long.may_end.set()
        assert calls[2].result() == b"\2"
    assert long.begun == [b"\0", b"\2"]


def test_idle_connections_are_given_up(long: Long) -> None:
    """GOAWAY, and then the end for who stays; one with a silent call is told as well, and has its answer."""
    made = FrontedTransport(
        {LONG: long},
        ["127.0.0.1:0"],
        max_threads=1,
        max_request_bytes=LIMIT_BYTES,
        limits=ConnectionLimits(idle_ms=200),
        aside={},
        services=(),
    )
    made.start()
    try:
        with Http2Connection(made.port) as idle, Http2Connection(made.port) as silent:
            silent.send(call(1, framed(b"x"), **{":path": LONG}))
            assert next(each for each in silent.frames() if each.kind == GOAWAY)
            assert next(each for each in idle.frames() if each.kind == GOAWAY)
            long.may_end.set()
            assert [each.payload[5:] for each in silent.ended(1) if each.kind == DATA] == [b"x"]
            assert not list(idle.frames())
    finally:
        made.drain(0, 5)
