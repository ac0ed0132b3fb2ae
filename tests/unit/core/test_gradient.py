"""The measured limit: it grows while requests take no longer, and shrinks when they do."""

from collections import deque

from serving.core.gradient import Gradient
from serving.core.rate import Rate


def served(gradient: Gradient, *, threads: int, seconds: float, rounds: int) -> list[int]:
    """The limits over time, with always as many in flight as may be and ``threads`` that serve them in turn."""
    now, limits = 0.0, []
    free = [0.0] * threads
    in_flight: deque[tuple[float, float]] = deque()
    for _ in range(rounds):
        while len(in_flight) < gradient.limit:
            free.sort()
            start = max(free[0], now)
            free[0] = start + seconds
            in_flight.append((now, free[0]))
        came, ends = in_flight.popleft()
        now = max(now, ends)
        gradient.observe(now - came, now, len(in_flight) + 1)
        limits.append(gradient.limit)
    return limits


def test_it_settles_a_little_above_what_can_be_served() -> None:
    """Eight threads: more than eight are let in, so that none is idle, and not so many that each waits for long."""
    limits = served(Gradient(), threads=8, seconds=0.05, rounds=3000)
    settled = limits[1500:2000]
    assert 8 <= min(settled) <= max(settled) <= 20


def test_few_are_in_flight_while_it_measures() -> None:
    """The first fifty requests are measured with three in flight, and so are fifty after each minute."""
    gradient = Gradient()
    gradient.observe(0.1, 0.0, 3)
    assert gradient.limit == 3
    for number in range(50):
        gradient.observe(0.1, float(number), 3)
    assert gradient.limit == 16
    gradient.observe(0.1, 49.0 + 60.0, 16)
    assert gradient.limit == 3


def test_a_slower_model_is_given_fewer_and_comes_back() -> None:
    """When requests take ten times as long fewer may be in flight, and as many as before when they do not."""
    gradient = Gradient()
    for number in range(51):
        gradient.observe(0.1, number * 0.01, 16)
    for number in range(200):
        gradient.observe(1.0, 1 + number * 0.05, gradient.limit)
    slow = gradient.limit
    for number in range(200):
        gradient.observe(0.1, 20 + number * 0.05, gradient.limit)
    assert slow == 3
    assert gradient.limit > 16


def test_a_limit_that_nobody_reaches_does_not_grow() -> None:
    """Few requests say nothing about many: a burst must not find a limit that was never tried."""
    gradient = Gradient()
    for number in range(500):
        gradient.observe(0.1, number * 0.05, 2)
    assert gradient.limit == 16


def test_a_rate_allows_bursts_of_a_second() -> None:
    """Ten per second: ten at once, then one every tenth; and one that is slower than one a second allows one."""
    rate = Rate(10)
    assert [rate.take(5.0) for _ in range(10)] == [0.0] * 10
    assert round(rate.take(5.0), 6) == 0.1
    assert rate.take(5.2) == 0.0
    slow = Rate(0.5)
    assert slow.take(0.0) == 0.0
    assert slow.take(0.0) == 2.0
    assert slow.take(2.0) == 0.0
