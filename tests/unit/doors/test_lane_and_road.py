"""The small-request lane cannot be told from the road: the same bytes to the client, the same counts of requests."""

import gzip
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.rest.cors import Everybody, Listed
from tests.support.raw import request
from tests.unit.doors.lanes import MAX_REQUEST_BYTES, NO_CORS, Running, running

Pair = tuple[Running, Running]
Step = tuple[list[bytes], int]

PREDICT = "/v1/models/m:predict"
BODY = b'{"instances": [1.0, 2.0]}'


CORS = {
    "plain": NO_CORS,
    "every site": Everybody(credentials=True),
    "listed sites": Listed(("https://a.example", "https://b.example")),
}


@pytest.fixture(scope="module", params=CORS.values(), ids=[*CORS])
def doors(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A door with the lane and one without."""
    with running(lane=True, cors=request.param) as lane, running(lane=False, cors=request.param) as road:
        yield lane, road
        assert lane.service.app.on_lane > 50 < lane.service.app.on_road
        assert not road.service.app.on_lane


TARGETS = st.sampled_from(
    (
        *(PREDICT,) * 40,
        *("/v1/models/slow:predict",) * 10,
        "/v1/models/m/versions/1:predict",
        "/v1/models/m/versions/2:predict",
        "/v1/models/m/versions/99999999999999999999:predict",
        "/v1/models/m/labels/l:predict",
        "/v1/models/%6D:predict",
        "/v1/models/unknown:predict",
        "/v1/models/m:classify",
        "/v1/models/m:regress",
        "/v1/models/m:PREDICT",
        "/V1/Models/m:predict",
        "/v1/models/m:predict?x=1",
        "/v1/models/m?y:predict",
        "/v1/models/m",
        "/v1/models/metrics?x",
        "/v1/models/metrics:predict",
        "http://host/v1/models/m:predict",
    )
)
BODIES = st.one_of(
    st.sampled_from(
        (
            *(BODY,) * 4,
            b'{"instances": [3]}',
            b'{"inputs": [0.5, 1e9, null]}',
            b'{"instances": [-1.0]}',
            b'{"instances": [[1, 2], [3]]}',
            b'{"instances": [1], "signature_name": "none"}',
            b"{",
            b"",
            b'{"instances": [%b1]}' % (b"1, " * 3000),
            b'{"instances": [%b1]}' % (b"1, " * (MAX_REQUEST_BYTES // 3)),
        )
    ),
    st.binary(max_size=40),
)
PLAIN_FIELDS = st.sampled_from(
    (
        "Content-Type: application/json",
        "content-type:text/plain",
        "CONTENT-TYPE: application/x-www-form-urlencoded",
        "Accept: */*",
        "accept: text/html, application/json;q=0.5",
        "User-Agent: a b c (d; e)",
        "X-Request-Id: 123",
        "X-Empty:",
        "X_Under_score:  spaces around  ",
        "Accept-Encoding: gzip",
        "Connection: keep-alive",
        "connection:Keep-Alive ",
        "Origin: https://a.example",
        "origin:https://other.example",
    )
)
ODD_FIELDS = st.sampled_from(
    (
        "Expect: 200-ok",
        "Upgrade: websocket",
        "Connection: upgrade",
        "Connection: keep-alive, x",
        "TE: trailers",
        "X-Tab: a\tb",
        "X-Latin: \u00e9",
        "X!#$%&'*+.^_`|~: token",
        "Accept: application/x-npy",
        "Content-Type: application/x-protobuf",
        "Content-Encoding: gzip",
        "Content-Encoding: identity",
        "X-Long: " + "x" * 5000,
    )
)


@st.composite
def framed(draw: st.DrawFn) -> tuple[bytes, int]:
    """A request that HTTP allows, and how many responses it gets."""
    fields = draw(st.lists(PLAIN_FIELDS, unique=True, max_size=3))
    if draw(st.integers(0, 19)) == 0:
        fields.insert(0, draw(ODD_FIELDS))
    if len({field.partition(":")[0].lower() for field in fields}) < len(fields):
        fields = fields[:1]
    kind, target = draw(st.integers(0, 39)), draw(TARGETS)
    if kind == 0:
        return request("GET", target, None, *fields), 1
    if kind == 1:
        body = b"".join(b"%x\r\n%b\r\n" % (len(BODY[at : at + 9]), BODY[at : at + 9]) for at in range(0, len(BODY), 9))
        return request("POST", target, None, "Transfer-Encoding: chunked", *fields) + body + b"0\r\n\r\n", 1
    if kind == 2:
        return request("POST", target, None, *fields), 1
    if kind in (4, 5) and not any("onnection" in field for field in fields):
        return request("POST", target, draw(BODIES), "Connection: keep-alive", *fields, version="HTTP/1.0"), 1
    if kind == 3 and not any("ncoding" in field for field in fields):
        return request("POST", target, gzip.compress(BODY), "Content-Encoding: gzip", *fields), 1
    return request("POST", target, draw(BODIES), *fields), 1


LAST = st.sampled_from(
    (
        request("POST", PREDICT, BODY, "Connection: close"),
        request("POST", "/v1/models/slow:predict", BODY, "connection: CLOSE"),
        request("POST", PREDICT, BODY, version="HTTP/1.0"),
        request("POST", PREDICT, BODY, "Connection: close", version="HTTP/1.0"),
        request("POST", PREDICT, BODY, "connection: Upgrade", version="HTTP/1.0"),
        request("POST", PREDICT, BODY, version="HTTP/1.0", host=False),
        request("POST", PREDICT, b"{", version="HTTP/1.0"),
        request("POST", PREDICT, b'{"instances": [-1.0]}', version="HTTP/1.0"),
        request("POST", "/v1/models/slow:predict", BODY, version="HTTP/1.0"),
        request("POST", "/v1/models/unknown:predict", BODY, version="HTTP/1.0"),
        request("POST", PREDICT, BODY, version="HTTP/9.9"),
        request("POST", PREDICT, BODY, "Content-Length: 3"),
        request("POST", PREDICT, BODY, "Host: twice"),
        request("POST", PREDICT, BODY, "Transfer-Encoding: chunked"),
        request("POST", PREDICT, BODY, "no colon"),
        request("POST", PREDICT, BODY, "Space : before"),
        request("POST", PREDICT, BODY, " folded"),
        request("POST", PREDICT, BODY, "Nul: \0"),
        request("POST", PREDICT, None, "Content-Length: +3"),
        request("POST", PREDICT, None, "Content-Length: 3x"),
        request("POST", PREDICT, None, "Content-Length: 99999999999999999999999"),
        request("POST", "/v1/models/%zz:predict", BODY),
        request("POST", "/v1/models/{m}:predict", BODY),
        request("POST", "/nothing", BODY),
        request("TRACE", PREDICT),
        request("POST", PREDICT, b"x" * (MAX_REQUEST_BYTES + 1)),
        b"POST  /v1/models/m:predict HTTP/1.1\r\n\r\n",
        b"POST /v1/models/m:predict\r\n\r\n",
        b"POST /v1/models/\x80 HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
        b"words\r\n\r\n",
    )
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """``data`` in pieces; a place beyond the end counts from the beginning again."""
    edges = sorted({place % len(data) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(edges)]


PLACES = st.lists(st.integers(0, 10_000), max_size=4)


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Requests behind each other, cut anywhere; then perhaps one that ends the connection.

    What ends it waits for the answers before it: aiohttp forgets requests that arrive together with what is none.
    """
    requests = draw(st.lists(framed(), max_size=8))
    made: list[Step] = []
    if requests:
        data = b"".join(data for data, _ in requests)
        made.append((cut(data, draw(PLACES)), sum(responses for _, responses in requests)))
    if not requests or draw(st.booleans()):
        made.append((cut(draw(LAST), draw(PLACES)), -1))
    return made


def test_no_host_before_a_request_with_one(doors: Pair) -> None:
    """TensorFlow Serving takes a request without Host, and another one may be behind it."""
    data = request("POST", PREDICT, BODY, host=False) + request("POST", PREDICT, BODY)
    for door in doors:
        assert door.exchange([([data], 2)]).count(b"HTTP/1.1 200 OK") == 2


def test_none_behind_the_rest_of_a_body_that_was_not_waited_for(doors: Pair) -> None:
    """A path that there is not is answered before its body is all there; what comes with the rest is answered too."""
    head, rest = request("POST", "/v1/models/m", BODY)[:-5], BODY[-5:]
    for last in (b"words\r\n\r\n", request("POST", PREDICT, BODY, "Transfer-Encoding: chunked")):
        for door in doors:
            answers = door.exchange([([head], 1), ([rest + last], -1)])
            assert (answers.count(b"HTTP/1.1 "), answers.count(b"<HTML>")) == (2, 1)


@settings(max_examples=150)
@given(steps=steps())
def test_same_bytes_and_same_counts(doors: Pair, steps: list[Step]) -> None:
    """Whatever comes, in whatever pieces, both doors answer the same and count the same."""
    lane, road = doors
    assert lane.exchange(steps) == road.exchange(steps)
    assert lane.service.counts() == road.service.counts()
