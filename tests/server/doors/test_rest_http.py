"""HTTP as the REST door speaks it: framing, old and odd clients, and requests that are none."""

import gzip
import json
import socket
from collections.abc import Iterator

import pytest

from tests.server.doors.conftest import Servers
from tests.support.raw import RawConnection, request
from tests.support.server_process import ServerProcess

MODEL = "/v1/models/half_plus_three"
PREDICT = MODEL + ":predict"
BODY = b'{"instances": [1.0, 2.0]}'
EXPECTED = {"predictions": [3.5, 4.0]}


@pytest.fixture(scope="module")
def server(servers: Servers) -> ServerProcess:
    return servers("grpcio")


@pytest.fixture
def connection(server: ServerProcess) -> Iterator[RawConnection]:
    """A connection; whatever happens on it, the next client is served."""
    with RawConnection(server.rest_port) as connection:
        yield connection
    assert json.loads(server.rest("POST", PREDICT, BODY)[1]) == EXPECTED


def test_keep_alive(connection: RawConnection) -> None:
    """A connection carries request after request."""
    for number in range(20):
        connection.send(request("POST", PREDICT, b'{"instances": [%d]}' % number))
        assert connection.response().json == {"predictions": [number / 2 + 3]}


def test_close_is_granted(connection: RawConnection) -> None:
    """A client that asks for it gets the end of the connection after the answer."""
    connection.send(request("POST", PREDICT, BODY, "Connection: close"))
    response = connection.response()
    assert (response.json, response.headers["connection"]) == (EXPECTED, "close")
    assert connection.rest() == b""


def test_pipelining(connection: RawConnection) -> None:
    """Requests that arrive together are answered in their order, errors among them."""
    connection.send(
        b"".join(
            [
                request("POST", PREDICT, b'{"instances": [1]}'),
                request("GET", MODEL),
                request("POST", PREDICT, b"{"),
                request("POST", "/v1/models/slow:predict", b'{"instances": [1]}'),
                request("POST", PREDICT, b'{"instances": [2]}'),
            ]
        )
    )
    answers = [connection.response() for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 400, 200, 200]
    assert [answers[index].json for index in (0, 3, 4)] == [{"predictions": [value]} for value in (3.5, 1.0, 4.0)]


@pytest.mark.parametrize("size", [1, 7, len(BODY)])
def test_chunked_body(connection: RawConnection, size: int) -> None:
    """A body in chunks is put together; an extension of a chunk and a trailer are passed over."""
    pieces = [BODY[start : start + size] for start in range(0, len(BODY), size)]
    chunks = b"".join(b"%x;name=value\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    connection.send(request("POST", PREDICT, None, "Transfer-Encoding: chunked"), chunks, b"0\r\nTrailer: x\r\n\r\n")
    assert connection.response().json == EXPECTED


def test_expect_100_continue(connection: RawConnection) -> None:
    """The client is told to go on before it has sent its body."""
    head, _, body = request("POST", PREDICT, BODY, "Expect: 100-continue").partition(b"\r\n\r\n")
    connection.send(head + b"\r\n\r\n")
    assert connection.response().status == 100
    connection.send(body)
    assert connection.response().json == EXPECTED


def test_http_1_0(connection: RawConnection) -> None:
    """The answer ends with the connection, and has neither length nor date."""
    connection.send(request("POST", PREDICT, BODY, version="HTTP/1.0", host=False))
    response = connection.response()
    assert (response.version, response.status, response.json) == ("HTTP/1.0", 200, EXPECTED)
    assert not {"content-length", "date"} & response.headers.keys()


def test_no_host(connection: RawConnection) -> None:
    """A request without Host is served."""
    connection.send(request("POST", PREDICT, BODY, host=False))
    assert connection.response().json == EXPECTED


def test_half_closed_connection(connection: RawConnection) -> None:
    """A client that has said all may end its side: its answer comes, and then the end."""
    connection.send(request("POST", "/v1/models/slow:predict", b'{"instances": [1]}'))
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.rest().startswith(b"HTTP/1.1 200 OK\r\n")


def test_dribbled_request(connection: RawConnection) -> None:
    """A request may come byte by byte."""
    connection.send(*[bytes([byte]) for byte in request("POST", PREDICT, BODY)])
    assert connection.response().json == EXPECTED


def test_dribbled_large_body(connection: RawConnection) -> None:
    """So may one that is read outside the event loop, in pieces of any size."""
    values = [float(number) for number in range(20_000)]
    data = request("POST", PREDICT, json.dumps({"instances": values}).encode())
    connection.send(*[data[start : start + 997] for start in range(0, len(data), 997)])
    assert connection.response().json == {"predictions": [value / 2 + 3 for value in values]}


@pytest.mark.parametrize("coding", ["gzip", "x-gzip"])
def test_gzip(connection: RawConnection, coding: str) -> None:
    """A compressed body is inflated; the answer is plain."""
    connection.send(request("POST", PREDICT, gzip.compress(BODY), f"Content-Encoding: {coding}"))
    response = connection.response()
    assert response.json == EXPECTED
    assert "content-encoding" not in response.headers


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(BODY, id="not compressed"),
        pytest.param(gzip.compress(BODY)[:-9], id="cut"),
        pytest.param(gzip.compress(BODY)[:-8] + b"\x00" * 8, id="wrong checksum"),
        pytest.param(gzip.compress(BODY) * 2, id="two members"),
        pytest.param(gzip.compress(bytes(101 * 2**20)), id="bomb"),
    ],
)
def test_corrupt_gzip(connection: RawConnection, body: bytes) -> None:
    """What cannot be inflated counts as an empty body; the connection stays."""
    connection.send(request("POST", PREDICT, body, "Content-Encoding: gzip"), request("GET", MODEL))
    response = connection.response()
    assert (response.status, response.json) == (400, {"error": "JSON Parse error: The document is empty"})
    assert connection.response().status == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 501, id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="HTTP/2"),
        pytest.param(b"how do you do?\r\n\r\n", 501, id="words"),
        pytest.param(b"GET /v1/models/half_plus_three HTTP/9.9\r\n\r\n", 400, id="version"),
        pytest.param(b"GET /v1/models/half_plus_three HTTP/1.1\r\nno header\r\n\r\n", 400, id="header"),
        pytest.param(b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, id="negative length"),
        pytest.param(b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: ten\r\n\r\n", 400, id="no length"),
        pytest.param(
            b"POST /v1/models/m:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, id="chunk size"
        ),
        pytest.param(b"GET /v1/models/a b HTTP/1.1\r\n\r\n", 400, id="blank in the target"),
        pytest.param(b"GET /v1/models/%zz HTTP/1.1\r\n\r\n", 400, id="percent"),
        pytest.param(b"GET /v1/models/\xff HTTP/1.1\r\n\r\n", 400, id="not ASCII"),
        pytest.param(b"GET * HTTP/1.1\r\n\r\n", 404, id="asterisk"),
        pytest.param(b"GET models HTTP/1.1\r\n\r\n", 404, id="no slash"),
        pytest.param(b"POST v1/models/m:predict HTTP/1.1\r\n\r\n", 404, id="no slash in front"),
        pytest.param(b"GET ?x HTTP/1.1\r\n\r\n", 404, id="query alone"),
        pytest.param(b"GET foo:bar HTTP/1.1\r\n\r\n", 404, id="scheme"),
        pytest.param(b"GET 1:2 HTTP/1.1\r\n\r\n", 400, id="colon"),
        pytest.param(b"GET a b HTTP/1.1\r\n\r\n", 400, id="blank and no slash"),
        pytest.param(b"GET /v1/models/" + b"a" * 2**21 + b" HTTP/1.1\r\n\r\n", 431, id="long line"),
        pytest.param(b"GET /v1/models/m HTTP/1.1\r\nX: " + b"a" * 2**21 + b"\r\n\r\n", 431, id="long header"),
    ],
)
def test_what_is_no_request_gets_a_page(connection: RawConnection, data: bytes, status: int) -> None:
    """TensorFlow Serving's little page with the status, and the end of the connection."""
    connection.send(data)
    response = connection.response()
    assert (response.status, response.headers["content-type"]) == (status, "text/html")
    assert response.body.startswith(b"<HTML><HEAD>\n<TITLE>%d " % status)
    assert connection.rest() == b""


def test_long_target_that_is_a_name(connection: RawConnection) -> None:
    """Up to the bound on heads a name is a name, though an unknown one."""
    connection.send(request("GET", "/v1/models/" + "a" * 65_000))
    response = connection.response()
    assert (response.status, list(response.json)) == (404, ["error"])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"POST", id="half a line"),
        pytest.param(b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\n", id="headers without end"),
        pytest.param(request("POST", PREDICT, BODY)[:-1], id="body without its last byte"),
        pytest.param(request("POST", PREDICT, None, "Transfer-Encoding: chunked") + b"5\r\nab", id="half a chunk"),
    ],
)
def test_client_that_stops_in_the_middle(connection: RawConnection, data: bytes) -> None:
    """No answer is owed, and nobody else notices."""
    connection.send(data)
    connection.socket.shutdown(socket.SHUT_WR)
    assert b"200 OK" not in connection.rest()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("http://any.host" + MODEL, 200, id="absolute"),
        pytest.param("//any.host" + MODEL, 200, id="authority alone"),
        pytest.param(MODEL.upper().replace("HALF_PLUS_THREE", "half_plus_three"), 200, id="upper case"),
        pytest.param("/v1/models/half%5Fplus%5Fthree", 200, id="encoded name"),
        pytest.param(MODEL + "?x=1", 404, id="query"),
        pytest.param(MODEL + "/versions/1", 200, id="version"),
        pytest.param(MODEL + "/versions/99999999999999999999", 400, id="version of more than 64 bits"),
        pytest.param("/", 404, id="root"),
        pytest.param("/v2/health", 404, id="other API"),
    ],
)
def test_targets(connection: RawConnection, target: str, expected: int) -> None:
    """The target is matched as it was sent, query included."""
    connection.send(request("GET", target))
    assert connection.response().status == expected
