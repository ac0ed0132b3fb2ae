"""Large answers that clients do not take: counted, refused beyond the limit, and taken off the count afterwards."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from serving.errors import Code, ServingError
from serving.inference.unsent import LARGE_BYTES, UnsentBytes
from serving.rpc.server import Transport
from serving.rpc.transports.fronted import FrontedTransport
from serving.rpc.transports.grpcio import GrpcioTransport
from tests.support.frames import (
    CANCEL,
    DATA,
    NO_WINDOW,
    PREDICT,
    RST_STREAM,
    WINDOW_UPDATE,
    Http2Connection,
    call,
    frame,
    framed,
)
from tests.support.server_process import wait_until

LARGE = b"x" * 1_000_000
LIMIT = 2_500_000
WINDOW = (2**30).to_bytes(4, "big")
MIB = 2**20

Open = Callable[[UnsentBytes], Transport]


@pytest.mark.parametrize(("sizes", "fits"), [((10, 90), True), ((10, 91), False), ((200,), True), ((200, 1), False)])
def test_limit(sizes: tuple[int, ...], fits: bool) -> None:
    """All together, but for one that waits for nobody else; the text has both sizes and the flag."""
    unsent = UnsentBytes(100, lambda: None)
    *first, last = sizes
    for size in first:
        unsent.add(size)
    if fits:
        unsent.add(last)
        return
    with pytest.raises(ServingError) as refused:
        unsent.add(last)
    assert refused.value.code is Code.RESOURCE_EXHAUSTED
    assert refused.value.text == (
        f"The answer has {last} bytes, and clients have not taken {sum(first)} bytes of others yet; "
        "--max_unsent_bytes=100 is the limit"
    )
    unsent.remove(sum(first))
    unsent.add(last)


def test_memory_is_given_back_after_many() -> None:
    """When the last was taken, on another thread, and not after few."""
    given = threading.Semaphore(0)
    unsent = UnsentBytes(200 * MIB, given.release)
    unsent.add(MIB)
    unsent.remove(MIB)
    for _ in range(2):
        unsent.add(40 * MIB)
    unsent.remove(40 * MIB)
    assert not given.acquire(timeout=0.1)
    unsent.remove(40 * MIB)
    assert given.acquire(timeout=30)
    assert not given.acquire(timeout=0.1)


@pytest.fixture(params=["native", "grpcio"])
def open_transport(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens a transport whose answers are as large as the request says."""
    with ExitStack() as stack:

        def make(unsent: UnsentBytes) -> Transport:
            handlers = {PREDICT: lambda payload, _: b"x" * int(payload)}
            made: Transport
            if request.param == "native":
                made = FrontedTransport(
                    handlers,
                    ["127.0.0.1:0"],
                    max_threads=1,
                    max_request_bytes=1000,
                    aside={},
                    services=(),
                    unsent=unsent,
                )
            else:
                made = GrpcioTransport(handlers, ["127.0.0.1:0"], max_threads=1, max_request_bytes=1000, unsent=unsent)
            made.start()
            stack.callback(made.drain, 0, 0)
            return made

        yield make


def asked(stream: int, size: int) -> bytes:
    """A call for an answer of a size."""
    return call(stream, framed(str(size).encode()))


def received(connection: Http2Connection, stream: int) -> int:
    """The size of the message on a stream."""
    return len(b"".join(each.payload for each in connection.ended(stream) if each.kind == DATA)[5:])


def test_unread_answers_are_bounded(open_transport: Open) -> None:
    """What does not fit is refused, small answers never are, and once all have been taken there is room again."""
    unsent = UnsentBytes(LIMIT, lambda: None)
    transport = open_transport(unsent)
    with Http2Connection(transport.port, NO_WINDOW) as stalled, Http2Connection(transport.port) as other:
        stalled.send(asked(1, len(LARGE)) + asked(3, len(LARGE)))
        wait_until("both are counted", lambda: unsent.bytes == 2 * len(LARGE))
        other.send(frame(WINDOW_UPDATE, 0, 0, WINDOW) + asked(1, len(LARGE)))
        assert received(other, 1) == 0
        other.send(asked(3, LARGE_BYTES))
        other.send(frame(WINDOW_UPDATE, 0, 3, WINDOW))
        assert received(other, 3) == LARGE_BYTES
        stalled.send(b"".join(frame(WINDOW_UPDATE, 0, stream, WINDOW) for stream in (0, 1, 3)))
        left = 2 * (len(LARGE) + 5)
        frames = stalled.frames()
        while left:
            each = next(frames)
            left -= len(each.payload) if each.kind == DATA else 0
        wait_until("none is counted", lambda: unsent.bytes == 0)
        other.send(asked(5, len(LARGE)) + frame(WINDOW_UPDATE, 0, 5, WINDOW))
        assert received(other, 5) == len(LARGE)


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_answers_for_nobody_are_not_counted(open_transport: Open, end: str) -> None:
    """Of calls that were cancelled, and of connections that are gone."""
    unsent = UnsentBytes(LIMIT, lambda: None)
    transport = open_transport(unsent)
    with Http2Connection(transport.port, NO_WINDOW) as stalled:
        stalled.send(asked(1, len(LARGE)) + asked(3, len(LARGE)))
        wait_until("both are counted", lambda: unsent.bytes == 2 * len(LARGE))
        if end == "cancel":
            stalled.send(b"".join(frame(RST_STREAM, 0, stream, CANCEL) for stream in (1, 3)))
        else:
            stalled.socket.close()
        wait_until("none is counted", lambda: unsent.bytes == 0)
