"""A version whose engines change while it is called: every call is answered, nothing is used once it is closed."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.errors import ServingError
from tests.support import TIMEOUT_SECONDS
from tests.support.models import NO_LIMIT, floats
from tests.support.server_process import wait_until
from tests.unit.optimizing.changing import GIVEN, STEP, Bound, Graph, House, Meeting, Other


@pytest.fixture
def house() -> Iterator[House]:
    with ThreadPoolExecutor(16) as pool:
        yield House(pool)


def test_the_graph_as_saved_serves_first(house: House) -> None:
    """Until another engine has been found."""
    assert house.call() == 0


def test_a_run_follows_the_change(house: House) -> None:
    """What was resolved before the change is answered by the new engines after it."""
    other = Other(1)
    assert house.call() == 0
    assert house.servable.adopt(other.engines(house.plain))
    assert house.call() == 1
    assert house.servable.resolve(*STEP) is house.run
    assert house.plain.closed == 0


def test_calls_in_flight_finish_where_they_began(house: House) -> None:
    """The former engines are closed when the last call has left them; what comes meanwhile goes to the new ones."""
    former, new = Other(1), Other(2)
    house.servable.adopt(former.engines(house.plain))
    former.gate = threading.Event()
    calls = [house.begin(house.call) for _ in range(3)]
    wait_until("three calls are inside", lambda: former.inside == 3)
    replaced = house.servable.engines
    adopting = house.begin(lambda: house.servable.adopt(new.engines(house.plain)))
    wait_until("calls go to the new engines", lambda: house.servable.engines is not replaced)
    assert house.call() == 2
    assert (former.closed, adopting.done()) == (0, False)
    former.gate.set()
    assert [each.result(TIMEOUT_SECONDS) for each in calls] == [1, 1, 1]
    assert adopting.result(TIMEOUT_SECONDS) is True
    assert (former.closed, new.closed, house.plain.closed) == (1, 0, 0)


def test_a_call_that_does_not_end_holds_nobody_up(house: House) -> None:
    """The change is over for who made it; what the call is in is closed when it ends at last."""
    former, new = Other(1), Other(2)
    house.servable.adopt(former.engines(house.plain))
    former.gate = threading.Event()
    endless = house.begin(house.call)
    wait_until("the call is inside", lambda: former.inside == 1)
    assert house.servable.adopt(new.engines(house.plain), patience_seconds=0)
    assert (house.call(), former.closed) == (2, 0)
    former.gate.set()
    assert endless.result(TIMEOUT_SECONDS) == 1
    wait_until("the former engines are closed", lambda: former.closed == 1)


def test_a_call_that_meets_the_change_goes_to_the_new_ones(house: House) -> None:
    """It does not come into what is being closed."""
    new = Other(2)
    former = Meeting(house.plain.saved)
    house.servable.adopt(former)

    def meet() -> None:
        former.meet = lambda: None  # type: ignore[method-assign]
        house.servable.adopt(new.engines(house.plain))

    former.meet = meet  # type: ignore[method-assign]
    assert house.call() == 2


def test_tensors_are_looked_up_in_what_is_open(house: House) -> None:
    """A new run, and an old one after the change, keep the graph open while they ask it."""
    engines = Bound(house.plain)
    house.servable.adopt(engines)
    house.call()
    house.servable.resolve(("a:0",), ("y:0",))
    assert engines.inside == [1, 1]
    with pytest.raises(ServingError):
        house.servable.resolve(("a:0",), ("nothing:0",))
    assert house.servable.adopt(Other(1).engines(house.plain))


def test_a_call_after_the_close_is_a_mistake(house: House) -> None:
    """Of the server: it is told instead of crashing it."""
    house.servable.close()
    with pytest.raises(AssertionError, match="after the close"):
        house.call()
    with pytest.raises(AssertionError, match="after the close"):
        house.servable.resolve(("a:0",), ("y:0",))


def test_a_call_knows_how_many_there_are(house: House) -> None:
    """Which engine runs it may depend on the calls beside it."""
    other = Other(1)
    house.servable.adopt(other.engines(house.plain))
    house.call()
    house.call()
    other.gate = threading.Event()
    calls = [house.begin(house.call) for _ in range(2)]
    wait_until("two calls are inside", lambda: other.inside == 2)
    other.gate.set()
    for each in calls:
        each.result(TIMEOUT_SECONDS)
    assert sorted(other.calls_at_once) == [1, 1, 1, 2]


def test_tensorflow_answers_for_the_other_engine(house: House) -> None:
    """What that may not answer, or cannot, goes on to TensorFlow within the same call."""
    optimized = Graph(7)
    house.servable.adopt(Other(1, answering=False).engines(house.plain))
    assert house.call() == 0
    house.servable.adopt(Other(1, answering=False).engines(None, optimized))
    assert house.call() == 7


def test_the_graph_as_saved_goes_when_it_is_not_needed(house: House) -> None:
    """Its weights are freed once; the optimised graph says what is asked for that nobody has."""
    optimized = Graph(7)
    house.servable.adopt(Other(1).engines(None, optimized))
    assert house.plain.closed == 1
    with pytest.raises(ServingError, match="not in graph 7"):
        house.servable.resolve(("a:0",), ("nothing:0",))
    house.servable.close()
    assert (house.plain.closed, optimized.closed) == (1, 1)


def test_inputs_and_outputs_in_another_order(house: House) -> None:
    """A run may take the inputs in another order and give a part of the outputs."""
    house.servable.adopt(Other(1).engines(house.plain))
    (answer,) = house.servable.resolve(("b:0", "a:0"), ("z:0",))([floats(2), floats(1)], NO_LIMIT)
    assert answer.array.tolist() == [1, 2]


def test_other_tensors_are_the_graphs_as_saved(house: House) -> None:
    """What is fed or fetched beside the steps is not another engine's."""
    house.servable.adopt(Other(1).engines(house.plain))
    (answer, *_) = house.servable.resolve(("inner:0",), ("y:0",))([floats(5)], NO_LIMIT)
    assert answer.array.tolist() == [0]
    with pytest.raises(ServingError, match="not in graph 0"):
        house.servable.resolve(("a:0",), ("nothing:0",))


def test_engines_that_come_too_late_are_closed(house: House) -> None:
    """A version may be unloaded while it is tried."""
    late = Other(1)
    house.servable.close()
    assert house.servable.adopt(late.engines(house.plain)) is False
    assert (late.closed, house.plain.closed) == (1, 1)


def test_closing_frees_everything_once(house: House) -> None:
    """What was replaced is closed by then, the rest now."""
    former, other = Other(1), Other(2)
    house.servable.adopt(former.engines(house.plain))
    house.servable.adopt(other.engines(house.plain))
    house.servable.close()
    assert (former.closed, other.closed, house.plain.closed) == (1, 1, 1)


def test_a_close_waits_for_who_compares(house: House) -> None:
    """The graph as saved is not freed while new engines are held against it."""
    with house.servable.kept_open() as there:
        assert there
        closing = house.begin(house.servable.close)
        wait_until("it is closing", lambda: house.servable.closed)
        assert house.plain.closed == 0
    closing.result(TIMEOUT_SECONDS)
    assert house.plain.closed == 1
    with house.servable.kept_open() as there:
        assert not there


def test_what_a_call_raises_leaves_the_engines(house: House) -> None:
    """A failing call is over as well, and a change does not wait for it."""
    with pytest.raises(IndexError):
        house.servable.adopt(Other(1).engines(house.plain)) and house.run([floats(), floats()], NO_LIMIT)
    assert house.servable.adopt(Other(2).engines(house.plain))


def test_no_call_is_lost_over_many_changes(house: House) -> None:
    """Threads that call all the time are answered by engines that are open, however often these change."""
    stop = threading.Event()

    def calling() -> int:
        run, count = house.servable.resolve(*STEP), 0
        while not stop.is_set():
            run(GIVEN, NO_LIMIT)
            run.submit(GIVEN, NO_LIMIT).result(TIMEOUT_SECONDS)
            count += 2
        return count

    callers = [house.begin(calling) for _ in range(4)]
    adopted = [Other(number, answering=number % 3 > 0) for number in range(1, 500)]
    for other in adopted:
        assert house.servable.adopt(other.engines(house.plain))
        assert other.answered.wait(TIMEOUT_SECONDS)
    stop.set()
    assert all(each.result(TIMEOUT_SECONDS) for each in callers)
    house.servable.close()
    assert [other.closed for other in adopted] == [1] * len(adopted)
    assert house.plain.closed == 1
