"""Timing two ways to run a call, under a clock that the calls themselves move."""

import threading
from collections.abc import Callable

import pytest

from serving.optimizing.measuring import Pairs, measured, median
from tests.support import TIMEOUT_SECONDS, ManualClock


class Runs:
    """Two ways whose calls take these seconds; ``order`` has which of them was called."""

    def __init__(self, plain: float, other: float) -> None:
        self.clock = ManualClock()
        self.order: list[str] = []
        self._lock = threading.Lock()
        self.plain = self._taking("p", plain)
        self.other = self._taking("o", other)

    def _taking(self, name: str, seconds: float) -> Callable[[], None]:
        def call() -> None:
            with self._lock:
                self.order.append(name)
                self.clock.advance(seconds)

        return call

    def measured(self, calls: int = 1) -> Pairs:
        return measured(self.plain, self.other, calls, self.clock)


def turns(order: list[str]) -> list[str]:
    """Who had the turns, however many calls each had."""
    return [name for index, name in enumerate(order) if index == 0 or order[index - 1] != name]


def test_both_are_timed_in_turn() -> None:
    """One call tells how many a turn has; then they alternate, so that noise hits both."""
    runs = Runs(0.05, 0.02)
    pairs = runs.measured()
    assert turns(runs.order) == ["p", "o"] * len(pairs.plain)
    assert pairs.plain == pytest.approx([0.05] * len(pairs.plain))
    assert pairs.other == pytest.approx([0.02] * len(pairs.plain))


def test_short_calls_have_many_in_a_turn() -> None:
    """A turn is long enough to be timed, and has at most 200 calls."""
    for seconds, count in ((1.0, 1), (0.0009, 22), (1e-6, 200)):
        runs = Runs(seconds, seconds)
        pairs = runs.measured()
        assert runs.order.count("o") == count * len(pairs.plain)


def test_seconds_are_those_of_one_call() -> None:
    """However many a turn has, and however many are made at once."""
    for calls in (1, 3):
        other = Runs(0.003, 0.001).measured(calls).other
        assert other == pytest.approx([0.001] * len(other))


def test_what_is_clear_takes_half_a_second() -> None:
    """A pair that says the same as clearly as one can wish needs no second one."""
    assert len(Runs(0.5, 0.2).measured().plain) == 1
    assert len(Runs(0.5, 0.6).measured().plain) == 1
    assert len(Runs(0.5, 0.45).measured().plain) == 2


@pytest.mark.parametrize(
    ("seconds", "pairs"),
    [
        pytest.param(0.001, 15, id="fifteen of short calls"),
        pytest.param(0.1, 4, id="as many as fit"),
        pytest.param(0.3, 3, id="three at least"),
        pytest.param(2.0, 1, id="one of very long calls"),
    ],
)
def test_it_takes_about_a_second(seconds: float, pairs: int) -> None:
    """Long calls are decided by fewer pairs."""
    assert len(Runs(seconds, seconds).measured().plain) == pairs


def test_calls_at_once_are_at_once() -> None:
    """So many threads call that all of them meet."""
    clock, barrier, calls = ManualClock(), threading.Barrier(3, timeout=TIMEOUT_SECONDS), []

    def meeting() -> None:
        calls.append(threading.get_ident())
        barrier.wait()

    pairs = measured(lambda: clock.advance(1.0), meeting, 3, clock)
    assert len(calls) == 3 * len(pairs.other)


def test_what_fails_in_a_thread_is_raised() -> None:
    """A call that fails beside others is not passed over."""
    calls = [0]

    def failing() -> None:
        calls[0] += 1
        if calls[0] > 1:
            raise ValueError("no")

    clock = ManualClock()
    with pytest.raises(ValueError, match="no"):
        measured(lambda: clock.advance(1.0), failing, 2, clock)


def test_gaining_is_decided_by_the_pairs() -> None:
    """A tenth less is a gain."""
    assert Runs(0.01, 0.0089).measured().other_gains
    assert not Runs(0.01, 0.0095).measured().other_gains


@pytest.mark.parametrize(("seconds", "middle"), [([3.0], 3.0), ([3.0, 1.0], 3.0), ([9.0, 1.0, 2.0], 2.0)])
def test_median(seconds: list[float], middle: float) -> None:
    """The one in the middle; of two the longer."""
    assert median(seconds) == middle
