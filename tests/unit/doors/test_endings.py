"""How connections of the REST door end, on real sockets: by the client, in one direction or both, and by a drain."""

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing

import pytest

from tests.support import TIMEOUT_SECONDS
from tests.support.raw import request
from tests.unit.doors.lanes import Running, running

PREDICT, SLOW, STATUS = "/v1/models/m:predict", "/v1/models/slow:predict", "/v1/models/m"
BODY = b'{"instances": [1.0]}'
FAST = request("POST", PREDICT, BODY)
CHUNKED = (
    f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
)
OLD = f"GET {STATUS} HTTP/1.0\r\n\r\n".encode()
GRACE_SECONDS = 30


@pytest.fixture(params=[True, False], ids=["lane", "road"])
def door(request: pytest.FixtureRequest) -> Iterator[Running]:
    with running(lane=request.param) as opened:
        yield opened


def connect(door: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", door.door.port), TIMEOUT_SECONDS)


def rest(client: socket.socket) -> bytes:
    """All that comes until the end."""
    return b"".join(iter(lambda: client.recv(1 << 16), b""))


def drain(door: Running, delay_seconds: float = 0.0) -> "Future[None]":
    return asyncio.run_coroutine_threadsafe(door.door.drain(delay_seconds, GRACE_SECONDS), door.loop)


def wait_draining(door: Running) -> None:
    """Until every answer is the last one of its connection."""

    async def begun() -> None:
        for _ in range(1000):
            if door.door._traffic.draining:
                return
            await asyncio.sleep(0)

    asyncio.run_coroutine_threadsafe(begun(), door.loop).result(TIMEOUT_SECONDS)


@pytest.mark.parametrize(
    ("data", "answers"),
    [
        pytest.param(FAST, 1, id="fast"),
        pytest.param(request("POST", SLOW, BODY), 1, id="slow"),
        pytest.param(request("GET", STATUS), 1, id="status"),
        pytest.param(CHUNKED, 1, id="chunked"),
        pytest.param(OLD, 1, id="HTTP/1.0"),
        pytest.param(request("POST", SLOW, BODY) + FAST * 3 + request("GET", STATUS), 5, id="pipelined"),
        pytest.param(FAST * 40, 40, id="more than a turn"),
        pytest.param(FAST + CHUNKED + FAST[:-1], 2, id="the last cut off"),
        pytest.param(FAST + b"POST /v", 1, id="a beginning behind it"),
        pytest.param(FAST[:-1], 0, id="cut off"),
        pytest.param(CHUNKED[:-1], 0, id="chunked, cut off"),
    ],
)
def test_half_closed_client_gets_its_answers(door: Running, data: bytes, answers: int) -> None:
    """A client that ends its side gets whole answers to all that it sent whole, and then the end."""
    with connect(door) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        received = rest(client)
    assert received.count(b" 200 OK\r\n") == answers
    assert received.count(b"HTTP/1.") == answers


def test_client_that_closes_is_not_waited_for(door: Running) -> None:
    """Its end looks as that of one that waits; what is sent to it tells, and the call that waits is cancelled."""
    door.service.slow.gate.clear()
    with connect(door) as first, closing(connect(door)) as second, closing(connect(door)) as third:
        first.sendall(request("POST", SLOW, BODY))
        second.sendall(request("POST", SLOW, BODY))
        third.sendall(request("POST", SLOW, BODY))
        third.close()
        assert door.service.slow.given_up.wait(TIMEOUT_SECONDS)
        door.service.slow.gate.set()
        first.shutdown(socket.SHUT_WR)
        second.shutdown(socket.SHUT_WR)
        assert rest(first).startswith(b"HTTP/1.1 200 OK\r\n")
        assert rest(second).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("data", [FAST, CHUNKED, request("GET", STATUS)], ids=["fast", "chunked", "status"])
def test_drain_answers_an_idle_connection_once_more(door: Running, data: bytes) -> None:
    """It stays open until its next request, which is answered; then the server ends its side alone."""
    with connect(door) as client:
        client.sendall(data)
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")
        ended = drain(door)
        wait_draining(door)
        client.sendall(data)
        received = rest(client)
        assert (received.count(b" 200 OK\r\n"), received.count(b"\r\nConnection: close\r\n")) == (1, 1)
        assert not ended.done()
        client.sendall(data)  # dropped, and no reset that could overtake an answer
    ended.result(TIMEOUT_SECONDS)


def test_drain_answers_all_that_came(door: Running) -> None:
    """Of several requests that a client sent in one piece the last one is the last of the connection."""
    with connect(door) as client:
        ended = drain(door)
        wait_draining(door)
        client.sendall(FAST * 3)
        received = rest(client)
    assert received.count(b" 200 OK\r\n") == 3
    assert received.index(b"Connection: close") > received.rindex(b" 200 OK\r\n")
    ended.result(TIMEOUT_SECONDS)


def test_drain_takes_connections_while_it_may(door: Running) -> None:
    """New connections are answered for the delay, and refused behind it; none is reset."""
    ended = drain(door, delay_seconds=1.0)
    answered = 0
    while True:
        try:
            client = connect(door)
        except ConnectionRefusedError:
            break
        with client:
            client.sendall(FAST)
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")
            answered += 1
    assert answered
    ended.result(TIMEOUT_SECONDS)
