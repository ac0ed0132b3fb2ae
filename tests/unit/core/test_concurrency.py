"""Who may be in flight, who waits, who is turned away; and that no place is ever lost or given twice."""

from hypothesis import given
from hypothesis import strategies as st

from serving.core.concurrency import ADAPTIVE, ALL, MODEL, OWNER, Concurrency, Limits, Refused, Request


def entered(state: Concurrency, *requests: Request, now: float = 0.0) -> list[Refused | Request | None]:
    return [state.enter(request, now) for request in requests]


def test_without_limits_everybody_enters() -> None:
    """A thousand requests, and nobody waits."""
    state = Concurrency(Limits())
    assert entered(state, *(Request("m") for _ in range(1000))) == [None] * 1000
    assert (state.in_flight, state.waiting) == (1000, 0)


def test_the_next_in_line_gets_the_place() -> None:
    """Two may be in flight: the third waits, the fourth is refused, and the third has the place that comes free."""
    state = Concurrency(Limits(in_flight=2, most_waiting=1))
    first, second, third = Request("m"), Request("m"), Request("m")
    assert entered(state, first, second, third) == [None] * 3
    assert third.waits
    assert state.enter(Request("m"), 0.0) == Refused(ALL, 2, 1)
    assert state.leave(first, 1.0, succeeded=True) == [third]
    assert (state.in_flight, state.waiting) == (2, 0)


def test_a_higher_priority_comes_first_and_takes_the_last_ones_wait() -> None:
    """The queue is in the order of priorities; with no room in it the last of a lower one is turned away."""
    state = Concurrency(Limits(in_flight=1, most_waiting=2))
    running, low, usual, high = (Request("m", priority=priority) for priority in (0, 9, 5, 1))
    assert entered(state, running, low, usual, high) == [None, None, None, low]
    assert not low.waits
    assert state.enter(Request("m", priority=5), 0.0) == Refused(ALL, 1, 2)
    assert state.leave(running, 1.0, succeeded=True) == [high]
    assert state.leave(high, 1.0, succeeded=True) == [usual]


def test_one_models_limit_holds_up_no_other_model() -> None:
    """Who waits for a place of its model is passed by those of another."""
    state = Concurrency(Limits(in_flight=2, in_flight_per_model=1, most_waiting=5))
    slow, waiting, other, last = Request("slow"), Request("slow"), Request("other"), Request("third")
    assert entered(state, slow, waiting, other, last) == [None] * 4
    assert (waiting.waits, other.waits, last.waits) == (True, False, True)
    assert state.leave(other, 1.0, succeeded=True) == [last]
    assert state.by_model()["slow"] == (1, 1, 1)
    assert Concurrency(Limits(in_flight_per_model=1)).enter(Request("m"), 0.0) is None


def test_what_is_used_up_is_said() -> None:
    """A refusal names the limit: of all, of the model, measured, or of the owner."""
    limits = {
        ALL: Limits(in_flight=1, in_flight_per_model=1),
        MODEL: Limits(in_flight_per_model=1),
        OWNER: Limits(),
    }
    for name, each in limits.items():
        state = Concurrency(each)
        one, two = Request("m", owner="o", owner_limit=1), Request("m", owner="o", owner_limit=1)
        assert entered(state, one, two) == [None, Refused(name, 1, 0)]
    measured = Concurrency(Limits(adaptive=True, in_flight_per_model=1))
    assert entered(measured, Request("m"), Request("m")) == [None, Refused(ADAPTIVE, 1, 0)]


def test_names_that_nobody_uses_take_no_memory() -> None:
    """Names come from clients: after the last request of a model, or of an owner, nothing is kept of it."""
    state = Concurrency(Limits(in_flight_per_model=1, most_waiting=1))
    for number in range(100):
        request, waits = Request(f"m{number}", owner=f"o{number}"), Request(f"m{number}", owner=f"o{number}")
        entered(state, request, waits)
        state.give_up(waits)
        state.leave(request, 0.0, succeeded=True)
    assert state.by_model() == {}
    assert state._owners == {}


@given(
    st.lists(st.tuples(st.sampled_from("elg"), st.sampled_from("abc"), st.integers(1, 3)), max_size=60),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_no_place_is_lost_or_given_twice(steps: list[tuple[str, str, int]], in_flight: int, of_model: int) -> None:
    """Whatever comes, goes and gives up: limits hold, counts are true, and nobody waits while there is room."""
    state = Concurrency(Limits(in_flight=in_flight, in_flight_per_model=of_model, most_waiting=3))
    running: list[Request] = []
    waiting: list[Request] = []
    for step, model, priority in steps:
        if step == "e":
            request = Request(model, owner=f"o{model}", owner_limit=2, priority=priority)
            outcome = state.enter(request, 0.0)
            if isinstance(outcome, Request):
                waiting.remove(outcome)
            if not isinstance(outcome, Refused):
                (waiting if request.waits else running).append(request)
        elif step == "l" and running:
            for each in state.leave(running.pop(0), 0.0, succeeded=True):
                waiting.remove(each)
                running.append(each)
        elif step == "g" and waiting:
            assert state.give_up(waiting.pop())
        assert (state.in_flight, state.waiting) == (len(running), len(waiting))
        assert not in_flight or len(running) <= in_flight
        for name in "abc":
            of = [each for each in running if each.model == name]
            assert not of_model or len(of) <= of_model
            assert len(of) <= 2
        for each in waiting:
            same = sum(other.model == each.model for other in running)
            full = bool(in_flight) and len(running) >= in_flight
            assert full or (of_model and same >= of_model) or same >= 2


class Both:
    """Two processes for which the same limits hold: each has a state, and sees the counts of the other."""

    def __init__(self, limits: Limits) -> None:
        self._counts: list[dict[tuple[str, str], int]] = [{}, {}]
        self.states = [Concurrency(limits, _Other(self._counts[at], self._counts[1 - at])) for at in range(2)]

    @property
    def in_flight(self) -> int:
        """In all."""
        return sum(state.in_flight for state in self.states)


class _Other:
    def __init__(self, mine: dict[tuple[str, str], int], theirs: dict[tuple[str, str], int]) -> None:
        self._mine, self._theirs = mine, theirs

    def put(self, kind: str, name: str, count: int) -> None:
        """It is seen by the other."""
        self._mine[kind, name] = count

    def of_others(self, kind: str, name: str) -> int:
        """What the other has put."""
        return self._theirs.get((kind, name), 0)


def test_places_of_another_process_count() -> None:
    """In all, of a model and of an owner; what waits there counts as waiting."""
    both = Both(Limits(in_flight=3, in_flight_per_model=2, most_waiting=1))
    one, other = both.states
    first = Request("m", owner="o", owner_limit=1)
    assert entered(one, first, Request("m")) == [None, None]
    waiting = Request("m")
    assert entered(one, waiting) == [None]
    assert waiting.waits
    assert other.enter(Request("m"), 0.0) == Refused(MODEL, 2, 1)
    assert other.enter(Request("n", owner="o", owner_limit=1), 0.0) == Refused(OWNER, 1, 1)
    assert other.enter(Request("n"), 0.0) is None
    assert other.enter(Request("k"), 0.0) == Refused(ALL, 3, 1)


def test_who_waits_enters_when_another_process_has_given_its_place_back() -> None:
    """As soon as its own is asked to look."""
    both = Both(Limits(in_flight=1, most_waiting=1))
    one, other = both.states
    held, waiting = Request("m"), Request("m")
    assert entered(one, held) == [None]
    assert entered(other, waiting) == [None]
    assert other.admitted(1.0) == []
    assert one.leave(held, 2.0, succeeded=True) == []
    assert other.admitted(2.0) == [waiting]
    assert both.in_flight == 1
