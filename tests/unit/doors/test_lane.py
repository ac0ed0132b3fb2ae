"""Requests on the lane, byte by byte on a transport in memory: what stays, what leaves, in which order answers come."""

import pytest

from tests.support.raw import request as written
from tests.unit.doors.lane_bench import BODY, PLAIN, PREDICT, SLOW, Bench
from tests.unit.doors.lanes import MAX_REQUEST_BYTES

BURST = 32


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PLAIN, id="plain"),
        pytest.param(written("POST", PREDICT, BODY, "Content-Type: text/plain", "Accept: */*"), id="any JSON"),
        pytest.param(written("POST", PREDICT, BODY, "cONNECTION:  Keep-Alive "), id="keep-alive"),
        pytest.param(written("POST", PREDICT, BODY, "X-Any_thing:"), id="empty field"),
        pytest.param(written("POST", PREDICT, b"{"), id="bad body"),
        pytest.param(written("POST", PREDICT, b""), id="no body"),
        pytest.param(written("POST", "/v1/models/none%20such/labels/x:classify", BODY), id="unknown model"),
        pytest.param(written("POST", SLOW, BODY), id="slow"),
    ],
)
def test_plain_requests_stay(bench: Bench, data: bytes) -> None:
    """What is plain is answered on the lane, errors too, and so is what follows it."""
    line = bench.connect()
    bench.feed(line, data, PLAIN)
    bench.sent(line, 2)
    assert (bench.service.app.on_lane, bench.service.app.on_road) == (2, 0)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(written("GET", "/v1/models/m"), id="GET"),
        pytest.param(written("POST", "/v1/models/m:predict?x=1", BODY), id="query"),
        pytest.param(written("POST", "/v1/models/m:explain", BODY), id="no route"),
        pytest.param(written("POST", "/V1/models/m:predict", BODY), id="upper case"),
        pytest.param(written("POST", "/v1/models/metrics", BODY), id="metrics"),
        pytest.param(written("POST", PREDICT, None), id="no length"),
        pytest.param(written("POST", PREDICT, None, "Content-Length: 01") + b"{", id="leading zero"),
        pytest.param(written("POST", PREDICT, BODY, host=False), id="no host"),
        pytest.param(written("POST", PREDICT, BODY, "Accept: application/x-protobuf"), id="protobuf"),
        pytest.param(written("POST", PREDICT, b"", "Content-Encoding: gzip"), id="gzip"),
        pytest.param(written("POST", PREDICT, BODY, "Expect: 100-continue"), id="expect"),
        pytest.param(written("POST", PREDICT, BODY, "X: \u00e9"), id="not ASCII"),
        pytest.param(written("POST", PREDICT, BODY, "X: a", "x: b"), id="field twice"),
        pytest.param(written("POST", PREDICT, BODY, "X: " + "x" * 5000), id="long head"),
        pytest.param(written("POST", PREDICT, b" " * MAX_REQUEST_BYTES + BODY), id="too large"),
        pytest.param(b"\r\n" + PLAIN, id="empty line"),
        pytest.param(written("POST", PREDICT, BODY).replace(b"\r\n", b"\n"), id="bare line feeds"),
    ],
)
def test_anything_else_takes_the_road_for_good(bench: Bench, data: bytes) -> None:
    """The connection leaves with the first request that is not plain, and does not come back."""
    line = bench.connect()
    bench.feed(line, PLAIN, data)
    bench.sent(line, 2)
    bench.feed(line, PLAIN)
    bench.turn(10)
    assert bench.service.app.on_lane == 1


@pytest.mark.parametrize("size", [1, 7, 50, len(PLAIN) - 1])
def test_pieces_of_a_request(bench: Bench, size: int) -> None:
    """A request may come in pieces; it is answered once."""
    line = bench.connect()
    bench.feed(line, *[PLAIN[start : start + size] for start in range(0, len(PLAIN), size)])
    assert bench.sent(line, 1) == [b"200 OK"]


def test_head_in_many_pieces_leaves(bench: Bench) -> None:
    """A head is not looked at from its beginning again and again."""
    line = bench.connect()
    bench.feed(line, *[bytes([byte]) for byte in PLAIN])
    bench.sent(line, 1)
    assert (bench.service.app.on_lane, bench.service.app.on_road) == (0, 1)


def test_requests_in_one_piece_are_answered_in_one(bench: Bench) -> None:
    """Pipelined requests cost one write."""
    line = bench.connect()
    bench.feed(line, PLAIN * 5)
    assert (line.sent.count(b" 200 OK"), line.writes) == (5, 1)


def test_others_have_their_turn(bench: Bench) -> None:
    """A long pipeline of one client is not answered in one go."""
    greedy, modest = bench.connect(), bench.connect()

    async def receive() -> list[int]:
        greedy.protocol.data_received(PLAIN * (2 * BURST + 1))
        modest.protocol.data_received(PLAIN)
        return [line.sent.count(b" 200 OK") for line in (greedy, modest)]

    assert bench.loop.run_until_complete(receive()) == [BURST, 1]
    assert len(bench.sent(greedy, 2 * BURST + 1)) == 2 * BURST + 1


def test_answers_keep_their_order(bench: Bench) -> None:
    """What is behind a slow request waits, also what takes the road."""
    line = bench.connect()
    bench.service.slow.gate.clear()
    bench.feed(line, written("POST", SLOW, BODY) + PLAIN, PLAIN + written("GET", "/v1/models/none"))
    bench.turn(10)
    assert (line.sent, bench.service.fast.begun) == (b"", 0)
    bench.service.slow.gate.set()
    assert bench.sent(line, 4) == [b"200 OK"] * 3 + [b"404 Not Found"]


@pytest.mark.parametrize("bench", [False], indirect=True)
def test_before_the_models_are_there(bench: Bench) -> None:
    """The lane says why it does not answer, and answers when it can."""
    line = bench.connect()
    bench.feed(line, PLAIN)
    bench.service.app.open()
    bench.feed(line, PLAIN)
    assert bench.sent(line, 2) == [b"503 Service Unavailable", b"200 OK"]
    assert bench.service.app.on_road == 0
