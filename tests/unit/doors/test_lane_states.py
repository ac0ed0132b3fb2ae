"""The table of the lane's states by itself, and connections that are driven through every row of it."""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import Code, ServingError
from serving.rest.connection.lane import Lane
from serving.rest.connection.lane_states import BUSY, TRANSITIONS, Event, State
from tests.support.raw import request as written
from tests.unit.doors.lane_bench import BODY, PLAIN, PREDICT, SLOW, Bench, benched
from tests.unit.doors.lanes import Line

IDLE_SECONDS = 3630
GET = written("GET", "/v1/models/none")
AWAITED = written("POST", SLOW, BODY)
BURST = PLAIN * 33
PADDED = written("POST", PREDICT, b" " * 49_000 + BODY)

UNSENT = {State.UNSENT, State.AWAITING_UNSENT, State.DEFERRED_UNSENT}
AWAITING = {State.AWAITING, State.AWAITING_UNSENT}

Step = Callable[[Bench, Line], None]
Row = tuple[State, Event]


@given(events=st.lists(st.sampled_from(Event)))
def test_table_moves_to_a_legal_state_or_raises(events: list[Event]) -> None:
    """Whatever happens, in whatever order: what is unsent and what is awaited can be told from the state alone."""
    state, unsent, awaited = State.READING, False, False
    for event in events:
        if (state, event) not in TRANSITIONS:
            with pytest.raises(ServingError, match=f"{state.name} cannot take the event {event.name}") as caught:
                TRANSITIONS[state, event]
            assert caught.value.code is Code.INTERNAL
            continue
        before, state = state, TRANSITIONS[state, event]
        unsent = {Event.PAUSED: True, Event.TAKEN: False}.get(event, unsent)
        awaited = {Event.AWAIT: True, Event.SETTLED: False}.get(event, awaited)
        assert before is not State.LEFT
        assert before is not State.CLOSED or state is State.CLOSED
        if state is State.LEFT:
            assert not unsent
            assert not awaited
        elif state is not State.CLOSED:
            assert (state in UNSENT, state in AWAITING) == (unsent, awaited)
            assert state in BUSY or not unsent


class Watched(Lane):
    """A lane that notes which rows of the table it takes."""

    def __init__(self, rows: set[Row], *options: object) -> None:
        super().__init__(*options)  # type: ignore[arg-type] # as the door gives them
        self.rows = rows

    def take(self, event: Event) -> State:
        self.rows.add((self.state, event))
        return super().take(event)


def watched(bench: Bench, rows: set[Row]) -> Line:
    """A connection to the bench's door."""
    assert isinstance(bench.door.connection, partial)
    return Line(Watched(rows, *bench.door.connection.args))


def send(data: bytes) -> Step:
    """Some bytes arrive."""
    return lambda bench, line: bench.feed(line, data)


def burst(_bench: Bench, line: Line) -> None:
    """More arrives than is answered in one turn, and the turn is not over."""
    line.protocol.data_received(BURST)


def choke(_bench: Bench, line: Line) -> None:
    """The client takes nothing of what is written from now on."""
    line.choked = True


def pause(_bench: Bench, line: Line) -> None:
    """The transport has something of its own to send, as TLS may, and the client takes nothing."""
    line.pause()


def flow(bench: Bench, line: Line) -> None:
    """The client takes everything."""

    async def resume() -> None:
        line.flow()

    bench.loop.run_until_complete(resume())


def recover(_bench: Bench, line: Line) -> None:
    """The client takes everything before anything else happens."""
    line.flow()


def hold(bench: Bench, _line: Line) -> None:
    """Slow calls take long."""
    bench.service.slow.gate.clear()


def settle(bench: Bench, line: Line) -> None:
    """They end."""
    bench.service.slow.gate.set()
    lane = line.protocol
    assert isinstance(lane, Watched)
    bench.turn_until(lambda: lane.state not in AWAITING)


def both(bench: Bench, line: Line) -> None:
    """They end, and the connection with them, in one turn of the loop."""
    lane = line.protocol
    assert isinstance(lane, Watched)
    awaited = lane._awaited
    assert awaited is not None
    awaited.set_result(b"{}")
    lane.connection_lost(None)
    bench.turn()


def turn(bench: Bench, _line: Line) -> None:
    """The others have their turn."""
    bench.turn()


def expire(bench: Bench, _line: Line) -> None:
    """Nothing happens for long."""
    bench.clock.advance(IDLE_SECONDS)
    bench.turn()


def stop(_bench: Bench, line: Line) -> None:
    """The server ends."""
    assert isinstance(line.protocol, Lane)
    line.protocol.stop()


SCRIPTS: tuple[tuple[Step, ...], ...] = (
    (send(PLAIN[:9]), send(PLAIN[9:30]), send(PLAIN[30:]), expire),
    (send(PLAIN[:9]), pause, flow, expire),
    (send(PLAIN[:9]), stop),
    (send(PLAIN[:-1]), expire, pause, flow, send(PLAIN[-1:]), stop),
    (send(PLAIN[:-1]), stop),
    (hold, send(AWAITED), expire, pause, expire, flow, settle, send(GET)),
    (hold, send(AWAITED), pause, settle, stop),
    (hold, send(AWAITED), pause, stop),
    (hold, send(AWAITED), stop),
    (hold, send(AWAITED), both),
    (hold, choke, send(PLAIN + AWAITED), flow, settle),
    (burst, turn),
    (burst, pause, turn, flow),
    (burst, pause, recover, turn),
    (burst, pause, stop, turn),
    (burst, stop, pause, flow),
    (choke, burst, stop),
    (choke, send(PLAIN + PLAIN[:9]), expire, flow),
    (choke, send(PLAIN + PLAIN[:-1]), flow),
    (choke, send(PLAIN + GET), flow),
)
"""What clients, the transport, time and the server do; together they lead a connection through the whole table."""


def test_every_row_is_taken() -> None:
    """What a connection can come into is in the table, and nothing else is."""
    rows: set[Row] = set()
    for script in SCRIPTS:
        with benched(opened=True) as bench:
            line = watched(bench, rows)
            for step in script:
                step(bench, line)
    # Who is deferred was answered in this very turn of the loop, so its time is not over; the table need not know that.
    assert set(TRANSITIONS) - rows == {(State.DEFERRED, Event.EXPIRED), (State.DEFERRED_UNSENT, Event.EXPIRED)}


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, int, list[int | Step]]:
    """Requests behind each other, how many they are, and what happens while they arrive: numbers are bytes that do."""
    kinds = draw(st.lists(st.sampled_from((PLAIN, AWAITED, PADDED)), max_size=6)) + draw(
        st.sampled_from(([], [GET], [PLAIN] * 40))
    )
    steps = st.one_of(
        st.sampled_from((1, 9, len(PLAIN), 3 * len(PLAIN) + 5, 300_000)),
        st.sampled_from((choke, pause, flow, turn, hold, release)),
    )
    return b"".join(kinds), len(kinds), draw(st.lists(steps, max_size=12))


def release(bench: Bench, _line: Line) -> None:
    """Slow calls go on, some time."""
    bench.service.slow.gate.set()


@settings(max_examples=200)
@given(conversation=conversations())
def test_every_request_gets_its_answer(conversation: tuple[bytes, int, list[int | Step]]) -> None:
    """Whatever comes between, nothing is lost or answered twice, and a drain waits for just what is under way."""
    data, requests, steps = conversation
    with benched(opened=True) as bench:
        line = watched(bench, set())
        lane = line.protocol
        assert isinstance(lane, Watched)
        for step in (*steps, len(data), release, flow):
            if not isinstance(step, int):
                step(bench, line)
            elif data:
                bench.feed(line, data[:step])
                data = data[step:]
            if lane.state is not State.LEFT:
                assert bench.traffic.in_flight == (lane.state in BUSY)
        assert len(bench.sent(line, requests)) == requests
        bench.turn_until(lambda: not bench.traffic.in_flight)
        assert lane.state in (State.READING, State.LEFT)
        assert line.asked[-1:] != ["pause"]
