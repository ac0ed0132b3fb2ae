"""One connection on the lane, byte by byte on a transport in memory: what stays, what leaves, what is waited for."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from serving.rest.transports import RestDoor
from tests.doors.lanes import MAX_REQUEST_BYTES, Line, Service
from tests.doors.raw import request as written
from tests.support import TIMEOUT_SECONDS, ManualClock

PREDICT = "/v1/models/m:predict"
SLOW = "/v1/models/slow:predict"
BODY = b'{"instances": [1.0]}'
PLAIN = written("POST", PREDICT, BODY)
IDLE_SECONDS = 3630
MOST_TURNS = 5000
BURST = 32


class ManualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when told to."""

    def __init__(self, clock: ManualClock) -> None:
        self._manual = clock
        super().__init__()

    def time(self) -> float:
        return self._manual()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A door on a manual loop; ``connect`` makes connections to it."""

    loop: ManualLoop
    clock: ManualClock
    service: Service
    door: RestDoor

    def connect(self) -> Line:
        assert self.door.server is not None
        line = Line(self.door.server())
        self.turn()
        return line

    def feed(self, line: Line, *pieces: bytes) -> None:
        """Pieces as they arrive, in one turn of the loop."""

        async def receive() -> None:
            for piece in pieces:
                line.protocol.data_received(piece)

        self.loop.run_until_complete(receive())

    def turn(self, times: int = 3) -> None:
        """Let the loop do what is due."""
        for _ in range(times):
            self.loop.run_until_complete(asyncio.sleep(0))

    def turn_until(self, predicate: Callable[[], bool]) -> None:
        """Let the loop run until ``predicate`` holds; what threads do wakes it."""

        async def wait() -> None:
            for _ in range(MOST_TURNS):
                if predicate():
                    return
                await asyncio.to_thread(lambda: None)
            pytest.fail("it does not come")

        self.loop.run_until_complete(wait())

    def sent(self, line: Line, responses: int) -> list[bytes]:
        """The status lines that were sent, once there are so many."""
        self.turn_until(lambda: line.sent.count(b"HTTP/1.1 ") >= responses)
        return [part.partition(b"\r\n")[0] for part in line.sent.split(b"HTTP/1.1 ")[1:]]


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A door that answers; with the parameter False, one whose models are not there yet."""
    clock = ManualClock()
    loop = ManualLoop(clock)
    with ThreadPoolExecutor(1) as executor:
        service = Service(executor)
        if getattr(request, "param", True):
            service.app.open()
        door = RestDoor(service.app, 0, MAX_REQUEST_BYTES)
        loop.run_until_complete(door.start())
        yield Bench(loop=loop, clock=clock, service=service, door=door)
        service.slow.gate.set()
        loop.run_until_complete(door.drain(0))
        loop.run_until_complete(door.stop())
        loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


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
    drain = bench.loop.create_task(bench.door.drain(IDLE_SECONDS))
    bench.turn()
    bench.clock.advance(1)  # the time for what was on its way is over
    bench.turn(10)
    bench.service.slow.gate.set()
    if data == PLAIN[:-1]:
        assert not drain.done()
        bench.feed(line, PLAIN[-1:])
    bench.turn_until(lambda: line.closed)
    line.protocol.connection_lost(None)
    bench.turn_until(drain.done)
    assert b"\r\nConnection: close\r\n" in line.sent


def test_drain_waits_until_answers_have_left(bench: Bench) -> None:
    """An answer that the client has not taken yet is still under way."""
    line = bench.connect()
    line.choked = True
    bench.feed(line, PLAIN)
    drain = bench.loop.create_task(bench.door.drain(IDLE_SECONDS))
    bench.turn()
    bench.clock.advance(1)
    bench.turn(10)
    assert not drain.done()
    line.flow()
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


@pytest.mark.parametrize("bench", [False], indirect=True)
def test_before_the_models_are_there(bench: Bench) -> None:
    """The lane says why it does not answer, and answers when it can."""
    line = bench.connect()
    bench.feed(line, PLAIN)
    bench.service.app.open()
    bench.feed(line, PLAIN)
    assert bench.sent(line, 2) == [b"503 Service Unavailable", b"200 OK"]
    assert bench.service.app.on_lane == 2
