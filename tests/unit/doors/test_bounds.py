"""What the REST door refuses before an API sees it: heads and bodies that are odd, too large, or too slow."""

import socket
from collections.abc import Iterator

import pytest

from serving.inference.unsent import UnsentBytes
from serving.rest.connection.bounds import Bounds
from tests.support import TIMEOUT_SECONDS
from tests.support.server_process import wait_until
from tests.unit.doors.lanes import Running, running

BODY = b'{"instances": [1.0]}'
LINE = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = LINE + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)
MEGABYTES = 3_000_000
SHORT = Bounds(head_timeout_seconds=0.2, body_timeout_seconds=0.2, min_body_bytes_per_second=10**9)


@pytest.fixture(params=[True, False], ids=["lane", "road"], scope="module")
def door(request: pytest.FixtureRequest) -> Iterator[Running]:
    with running(lane=request.param) as opened:
        yield opened


def _is_answered(received: bytes) -> bool:
    return received.endswith(b"}")  # of JSON; a page ends its connection


def ask(door: Running, *pieces: bytes) -> bytes:
    """The status line of the last answer of a connection, which the server ends, or which is answered 200 once."""
    with socket.create_connection(("127.0.0.1", door.door.port), TIMEOUT_SECONDS) as client:
        received = b""
        try:
            for piece in pieces:
                client.sendall(piece)
        except ConnectionError:  # refused before all of it was sent
            pass
        while not _is_answered(received) and (data := client.recv(1 << 16)):
            received += data
    return received.rpartition(b"HTTP/1.")[2].partition(b"\r\n")[0][2:]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(LINE.replace(b"1.1", b"2.0") + LENGTH + b"\r\n" + BODY, b"400 Bad Request", id="HTTP/2.0"),
        pytest.param(LINE.replace(b"1.1", b"1.2") + LENGTH + b"\r\n" + BODY, b"400 Bad Request", id="HTTP/1.2"),
        pytest.param(LINE.replace(b"1.1", b"0.9") + LENGTH + b"\r\n" + BODY, b"400 Bad Request", id="HTTP/0.9"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400 Bad Request", id="the preface of HTTP/2"),
        pytest.param(
            LINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNK + b"0\r\n\r\n",
            b"501 Not Implemented",
            id="a second transfer coding",
        ),
        pytest.param(
            LINE + b"Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n" + CHUNK + b"0\r\n\r\n",
            b"400 Bad Request",
            id="a length beside chunks",
        ),
        pytest.param(LINE + b"Expect: 200-ok\r\n" + LENGTH + b"\r\n" + BODY, b"417 Expectation Failed", id="Expect"),
        pytest.param(LINE + b"Expect: 100-Continue\r\n" + LENGTH + b"\r\n" + BODY, b"200 OK", id="Expect, in order"),
        pytest.param(CHUNKED + b"zz\r\n" + BODY, b"400 Bad Request", id="a chunk without a size"),
        pytest.param(CHUNKED + CHUNK + b"xx0\r\n\r\n", b"400 Bad Request", id="a chunk without an end"),
        pytest.param(CHUNKED + CHUNK.replace(b"\r\n", b";a=b\r\n", 1) + b"0\r\n\r\n", b"200 OK", id="an extension"),
        pytest.param(
            CHUNKED + CHUNK.replace(b"\r\n", b";" + b"a" * MEGABYTES + b"\r\n", 1) + b"0\r\n\r\n",
            b"413 Request Entity Too Large",
            id="an extension of megabytes",
        ),
        pytest.param(
            LINE + b"X: " + b"a" * 70_000 + b"\r\n" + LENGTH + b"\r\n" + BODY,
            b"431 Request Header Fields Too Large",
            id="a long line",
        ),
        pytest.param(
            LINE + (b"X: " + b"a" * 1000 + b"\r\n") * 100 + LENGTH + b"\r\n" + BODY,
            b"431 Request Header Fields Too Large",
            id="many lines",
        ),
        pytest.param(
            b"GET /v1/models/" + b"m" * 70_000 + b" HTTP/1.1\r\n\r\n",
            b"431 Request Header Fields Too Large",
            id="a long target",
        ),
        pytest.param(
            LINE + (b"X: " + b"a" * 50_000 + b"\r\n") + LENGTH + b"\r\n" + BODY, b"200 OK", id="as long as may be"
        ),
    ],
)
def test_odd_requests(door: Running, data: bytes, status: bytes) -> None:
    """Each has its status, whatever way it came, and nobody waits for what will not be read."""
    assert ask(door, data) == status


def test_what_comes_before_is_answered(door: Running) -> None:
    """A request that is refused ends the connection, behind the answers to those before it."""
    with socket.create_connection(("127.0.0.1", door.door.port), TIMEOUT_SECONDS) as client:
        client.sendall(LINE + LENGTH + b"\r\n" + BODY + LINE.replace(b"1.1", b"2.0") + b"\r\n")
        received = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert received.count(b" 200 OK\r\n") == received.count(b" 400 Bad Request\r\n") == 1


def test_body_in_chunks_of_a_byte(door: Running) -> None:
    """The framing of small chunks is more than the body, and is in order."""
    body = BODY[:-1] + b" " * 20_000 + BODY[-1:]
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    assert ask(door, CHUNKED, chunks, b"0\r\n\r\n") == b"200 OK"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(LINE[:20], id="a beginning of a head"),
        pytest.param(LINE + LENGTH, id="a head without its end"),
        pytest.param(LINE + LENGTH + b"\r\n" + BODY[:-1], id="a body without its last byte"),
        pytest.param(CHUNKED + CHUNK, id="chunks without the last one"),
        pytest.param(LINE + b"Expect: 100-continue\r\n" + LENGTH + b"\r\n", id="a body that was asked for"),
    ],
)
@pytest.mark.parametrize("lane", [True, False], ids=["lane", "road"])
def test_request_that_does_not_come_to_its_end(lane: bool, data: bytes) -> None:
    """Its connection ends with 408 after the time that the flags give it; an idle one stays open."""
    with (
        running(lane=lane, bounds=SHORT) as opened,
        socket.create_connection(("127.0.0.1", opened.door.port), TIMEOUT_SECONDS) as idle,
    ):
        idle.sendall(LINE + LENGTH + b"\r\n" + BODY)
        assert idle.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")
        assert ask(opened, data) == b"408 Request Timeout"
        idle.sendall(LINE + LENGTH + b"\r\n" + BODY)
        assert idle.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("lane", [True, False], ids=["lane", "road"])
def test_connection_that_begins_nothing(lane: bool) -> None:
    """It is closed without a word after the same time; one that has been answered once may be idle."""
    with running(lane=lane, bounds=SHORT) as opened:
        address = ("127.0.0.1", opened.door.port)
        with (
            socket.create_connection(address, TIMEOUT_SECONDS) as used,
            socket.create_connection(address, TIMEOUT_SECONDS) as unused,
        ):
            used.sendall(LINE + LENGTH + b"\r\n" + BODY)
            assert used.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")
            assert unused.recv(1) == b""
            used.sendall(LINE + LENGTH + b"\r\n" + BODY)
            assert used.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("lane", [True, False], ids=["lane", "road"])
def test_connections_of_a_peer_are_counted(lane: bool) -> None:
    """One more than it may have is told so; one that ends makes room, on the lane and on the road alike."""
    with running(lane=lane, bounds=Bounds(max_connections_per_peer=2)) as opened:
        whole = LINE + LENGTH + b"\r\n" + BODY
        address = ("127.0.0.1", opened.door.port)
        with socket.create_connection(address, TIMEOUT_SECONDS) as first:
            with socket.create_connection(address, TIMEOUT_SECONDS) as second:
                for client in (first, second):
                    client.sendall(whole)
                    assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")
                    client.sendall(b"GET /v1/models/m HTTP/1.1\r\n\r\n")
                    assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")
                assert ask(opened) == b"429 Client Error"
            statuses = {ask(opened, whole) for _ in range(3)}
            assert b"200 OK" in statuses


def test_answers_are_valid_unicode(door: Running) -> None:
    """What a client sent that is no UTF-8 comes back as replacement characters."""
    with socket.create_connection(("127.0.0.1", door.door.port), TIMEOUT_SECONDS) as client:
        client.sendall(b"GET /v1/models/%ff%fe HTTP/1.1\r\n\r\n")
        received = client.recv(1 << 16)
    assert "model \ufffd\ufffd" in received.partition(b"\r\n\r\n")[2].decode()


@pytest.mark.parametrize("lane", [True, False], ids=["lane", "road"])
def test_answers_that_nobody_reads_are_bounded(lane: bool) -> None:
    """Beyond the bound a large answer is refused, a small one is not; what is read makes room again."""
    unsent = UnsentBytes(4 * MEGABYTES)
    many = b'{"instances": [%b]}' % b",".join([b"1e5"] * 12_000)  # more than twice as many bytes in the answer
    request = LINE + b"Content-Length: %d\r\n\r\n" % len(many) + many
    with running(lane=lane, unsent=unsent) as opened:
        address = ("127.0.0.1", opened.door.port)
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(address)
            deaf.settimeout(0.5)
            with pytest.raises(TimeoutError):
                deaf.sendall(request * 400)  # until the server reads no more
            wait_until("an answer is not taken", lambda: unsent.bytes > 0)
            unsent.count(4 * MEGABYTES)
            assert ask(opened, request) == b"429 Client Error"
            assert ask(opened, LINE + LENGTH + b"\r\n" + BODY) == b"200 OK"
            unsent.remove(4 * MEGABYTES)
        wait_until("the connection is gone", lambda: not unsent.bytes)
        assert ask(opened, request) == b"200 OK"
