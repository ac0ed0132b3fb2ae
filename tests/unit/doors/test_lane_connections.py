"""Connections on the lane, on a transport in memory: clients that go or do not read, and how a connection ends."""

import pytest

from serving.rest.connection.lane import Lane
from tests.support import TIMEOUT_SECONDS
from tests.support.raw import request as written
from tests.unit.doors.lane_bench import BODY, PLAIN, PREDICT, SLOW, Bench, benched
from tests.unit.doors.lanes import Line

IDLE_SECONDS = 3630


def test_client_that_goes_cancels_its_wait(bench: Bench) -> None:
    """What has not begun is not begun for a client that has gone; it counts as cancelled."""
    bench.service.slow.gate.clear()
    first, second = bench.connect(), bench.connect()
    bench.feed(first, written("POST", SLOW, BODY))
    bench.feed(second, written("POST", SLOW, BODY))
    second.protocol.connection_lost(None)
    bench.turn()
    assert bench.service.slow.given_up.wait(TIMEOUT_SECONDS)
    bench.service.slow.gate.set()
    assert bench.sent(first, 1) == [b"200 OK"]
    assert b'request_count{model_name="slow",status="CANCELLED"} 1' in bench.service.metrics.page()


def test_client_that_does_not_read_is_not_answered_on(bench: Bench) -> None:
    """While an answer is unsent nothing more is begun; then it goes on, and may leave for the road."""
    line = bench.connect()
    line.choked = True
    bench.feed(line, PLAIN, PLAIN + written("GET", "/v1/models/none"))
    bench.turn(10)
    assert (bench.service.app.on_lane, bench.service.app.on_road) == (1, 0)
    line.flow()
    assert bench.sent(line, 3) == [b"200 OK", b"200 OK", b"404 Not Found"]


def test_what_is_held_is_bounded(bench: Bench) -> None:
    """A client that sends on and on behind a slow request has to wait; it can go on when that is answered."""
    line = bench.connect()
    bench.service.slow.gate.clear()
    large = written("POST", PREDICT, b" " * 40_000 + BODY)
    bench.feed(line, written("POST", SLOW, BODY), *[large] * 6)
    assert line.asked == []
    bench.feed(line, large)
    assert line.asked == ["pause"]
    bench.service.slow.gate.set()
    assert bench.sent(line, 8) == [b"200 OK"] * 8
    assert line.asked == ["pause", "resume"]


def test_unsent_answers_are_bounded(bench: Bench) -> None:
    """A client that asks for much in one piece and does not read costs the server some answers, not all of them."""
    numbers = b", ".join([b"1.0"] * 4000)
    line = bench.connect()
    line.choked = True
    bench.feed(line, written("POST", PREDICT, b'{"instances": [%b]}' % numbers) * 16)
    answer = line.unsent // bench.service.app.on_lane
    assert answer > len(numbers)
    assert line.unsent < 2**16 + answer
    line.flow()
    assert bench.sent(line, 16) == [b"200 OK"] * 16


def test_close_is_granted(bench: Bench) -> None:
    """A client that asks for it gets the end of the connection, and nothing behind it is answered."""
    line = bench.connect()
    bench.feed(line, written("POST", PREDICT, BODY, "Connection: close") + PLAIN, PLAIN)
    assert (line.sent.count(b" 200 OK"), b"\r\nConnection: close\r\n" in line.sent, line.closed) == (1, True, True)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(written("POST", SLOW, BODY), id="awaited"),
        pytest.param(PLAIN[:-1], id="body without its last byte"),
    ],
)
def test_drain_waits_for_what_is_under_way(bench: Bench, data: bytes) -> None:
    """It ends once that is answered, and the answer is the last one of its connection."""
    line = bench.connect()
    bench.service.slow.gate.clear()
    bench.feed(line, data)
    drain = bench.loop.create_task(bench.door.drain(0.3, IDLE_SECONDS))
    bench.turn()
    _stop_listening(bench)
    bench.service.slow.gate.set()
    if data == PLAIN[:-1]:
        assert not drain.done()
        bench.feed(line, PLAIN[-1:])
    bench.turn_until(lambda: line.half_closed)
    assert (line.closed, drain.done()) == (False, False)
    line.protocol.connection_lost(None)
    bench.turn_until(drain.done)
    assert b"\r\nConnection: close\r\n" in line.sent


def _stop_listening(bench: Bench) -> None:
    """Let the time pass for new connections, and for handshakes."""
    for _ in range(2):
        bench.clock.advance(1)
        bench.turn(10)


def test_drain_waits_until_answers_have_left(bench: Bench) -> None:
    """An answer that the client has not taken yet is still under way."""
    line = bench.connect()
    line.choked = True
    bench.feed(line, PLAIN)
    drain = bench.loop.create_task(bench.door.drain(0.3, IDLE_SECONDS))
    bench.turn()
    _stop_listening(bench)
    assert not drain.done()
    line.flow()
    line.protocol.connection_lost(None)
    bench.turn_until(drain.done)


@pytest.mark.parametrize("data", [b"", PLAIN[:30], PLAIN], ids=["nothing", "beginning of a head", "request"])
def test_idle_connection_is_closed(bench: Bench, data: bytes) -> None:
    """After the time that aiohttp gives it on the road, counted from its last answer."""
    line = bench.connect()
    bench.clock.advance(10)
    if data:
        bench.feed(line, data)
    bench.clock.advance(IDLE_SECONDS - 10)
    bench.turn()
    assert line.closed == (data != PLAIN)
    bench.clock.advance(10)
    bench.turn()
    assert line.closed


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e300], ids=["zero", "negative", "huge"])
def test_idle_connection_without_a_limit(seconds: float) -> None:
    """It is there after a year."""
    with benched(opened=True, keepalive_seconds=seconds) as bench:
        line = bench.connect()
        bench.feed(line, PLAIN)
        bench.clock.advance(366 * 24 * 3600)
        bench.turn()
        assert not line.closed


@pytest.mark.parametrize("data", [written("POST", SLOW, BODY), PLAIN[:-1]], ids=["awaited", "body"])
def test_busy_connection_is_not_idle(bench: Bench, data: bytes) -> None:
    """A request that takes longer than that is answered; then the time begins."""
    line = bench.connect()
    bench.service.slow.gate.clear()
    bench.feed(line, data)
    bench.clock.advance(IDLE_SECONDS)
    bench.turn()
    assert not line.closed
    bench.service.slow.gate.set()
    if data == PLAIN[:-1]:
        bench.feed(line, PLAIN[-1:])
    assert bench.sent(line, 1) == [b"200 OK"]
    bench.clock.advance(IDLE_SECONDS)
    bench.turn()
    assert line.closed


def test_time_goes_on_when_a_connection_leaves(bench: Bench) -> None:
    """The road closes a connection that the lane would have closed, and at the same time."""
    line = bench.connect()
    bench.clock.advance(10)
    bench.feed(line, PLAIN)
    bench.clock.advance(IDLE_SECONDS - 1)
    bench.feed(line, b"GET /v1/models/m HTTP/1.1\r\n")
    bench.turn()
    assert not line.closed
    bench.clock.advance(1)
    bench.turn()
    assert line.closed


def test_connection_that_breaks_does_not_leave(bench: Bench) -> None:
    """When an answer cannot be written, what is behind it is for nobody."""
    line = bench.connect()
    line.closed = True
    bench.feed(line, PLAIN + written("GET", "/v1/models/m"))
    assert isinstance(line.protocol, Lane)
    line.protocol.connection_lost(None)
    bench.turn(10)
    assert (bench.service.app.on_lane, bench.service.app.on_road) == (1, 0)
    assert bench.traffic.connections == set()


@pytest.mark.parametrize("data", [b"", PLAIN, written("GET", "/v1/models/m")], ids=["new", "lane", "road"])
def test_stop_closes_every_connection(bench: Bench, data: bytes) -> None:
    """Those on the lane and those that have left it are known to the door, until they end."""
    line = bench.connect()
    if data:
        bench.feed(line, data)
        bench.sent(line, 1)
    bench.loop.run_until_complete(bench.door.stop())
    assert line.closed


@pytest.mark.parametrize("data", [b"", PLAIN, written("GET", "/v1/models/m")], ids=["new", "lane", "road"])
def test_nothing_is_left_of_a_connection(bench: Bench, data: bytes) -> None:
    """When it has ended, no timer holds it, and the door has forgotten it."""
    line = bench.connect()
    if data:
        bench.feed(line, data)
        bench.sent(line, 1)
    line.protocol.connection_lost(None)
    bench.turn()
    assert bench.loop.timers
    assert all(timer.cancelled() for timer in bench.loop.timers)
    assert bench.traffic.connections == set()


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        pytest.param(("::ffff:192.0.2.7", 5000, 0, 0), "192.0.2.7", id="IPv4"),
        pytest.param(("2001:db8::7", 5000, 0, 0), "2001:db8::7", id="IPv6"),
        pytest.param("", "", id="UNIX socket"),
        pytest.param(None, "", id="gone"),
    ],
)
def test_peer(bench: Bench, name: object, peer: str) -> None:
    """A connection knows the address of its client, without the port."""
    assert bench.door.connection is not None
    lane = Line(bench.door.connection(), {"peername": name}).protocol
    assert isinstance(lane, Lane)
    assert (lane.peer, lane.peer) == (peer, peer)


def test_stop_drops_what_is_under_way(bench: Bench) -> None:
    """Connections end at once; what comes afterwards is not looked at."""
    line = bench.connect()
    bench.service.slow.gate.clear()
    bench.feed(line, written("POST", SLOW, BODY))
    bench.loop.run_until_complete(bench.door.stop())
    bench.feed(line, PLAIN)
    assert (line.closed, bench.service.fast.begun) == (True, 0)
    line.protocol.connection_lost(None)
    bench.service.slow.gate.set()
    bench.turn(10)
    assert line.sent == b""
