"""Waiting times: against what is known exactly, and against queues played through."""

import math
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.client.planning.waiting import Station, erlang_c, mean_wait
from tests.support import queue_simulation

SECONDS = 0.02
EVEN = (np.arange(4000) + 0.5) / 4000
EXPONENTIAL = tuple(-SECONDS * np.log(1 - EVEN))
CONSTANT = (SECONDS,)
SKEWED = (SECONDS,) * 99 + (10 * SECONDS,)
UNIFORM = tuple(2 * SECONDS * EVEN)
LOADS = (0.3, 0.5, 0.7, 0.9)


@pytest.mark.parametrize(
    ("servers", "offered", "expected"),
    [
        pytest.param(1, 0.7, 0.7, id="one"),
        pytest.param(2, 1.0, 1 / 3, id="two"),
        pytest.param(10, 8.0, 0.40918, id="ten"),
        pytest.param(3, 0.0, 0.0, id="nothing"),
        pytest.param(3, 3.0, 1.0, id="full"),
    ],
)
def test_erlang_c(servers: int, offered: float, expected: float) -> None:
    """As tables of it have it."""
    assert erlang_c(servers, offered) == pytest.approx(expected, rel=1e-4)


def test_many_servers_do_not_overflow() -> None:
    """Sums of factorials would."""
    assert 0 < erlang_c(2000, 1990.0) < 1


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("servers", [1, 2, 8, 32])
def test_exponential_service_is_exact(servers: int, load: float) -> None:
    """M/M/c: a wait is over t with probability C e**-(c mu - rate)t."""
    station = Station(servers, EXPONENTIAL)
    rate = load * servers / SECONDS
    decay = servers / SECONDS - rate
    times = np.array([0.0, 0.5, 1.0, 3.0]) / decay
    expected = erlang_c(servers, load * servers) * np.exp(-decay * times)
    assert station.waiting(rate).beyond(times) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("load", LOADS)
def test_one_exponential_server_is_exact(load: float) -> None:
    """M/M/1: the time from arrival to answer is exponential, too."""
    rate = load / SECONDS
    found = Station(1, EXPONENTIAL).quantile(rate, 0.99)
    assert found == pytest.approx(math.log(100) / (1 / SECONDS - rate), rel=0.02)


def erlangs_wait(rate: float, seconds: float, limit: float) -> float:
    """P(W <= limit) in M/D/1, by Erlang's sum of 1909."""
    total = 0.0
    for count in range(int(limit / seconds) + 1):
        part = rate * (count * seconds - limit)
        total += part**count / math.factorial(count) * math.exp(-part)
    return (1 - rate * seconds) * total


@pytest.mark.parametrize("load", [0.3, 0.5, 0.7])  # beyond, the sum's terms are too large for floats
@pytest.mark.parametrize("share", [0.9, 0.99])
def test_one_server_of_constant_time(load: float, share: float) -> None:
    """M/D/1: the quantile is where Erlang's exact distribution has it, within a twentieth of the answer's time."""
    rate = load / SECONDS
    low, high = 0.0, 14 * SECONDS
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if erlangs_wait(rate, SECONDS, middle) >= share else (middle, high)
    assert Station(1, CONSTANT).quantile(rate, share) == pytest.approx(high + SECONDS, rel=0.05)


@given(st.floats(0.01, 0.99), st.lists(st.floats(0.001, 1.0), min_size=2, max_size=20))
def test_the_mean_of_one_server_is_pollaczeks_and_khinchines(load: float, seconds: list[float]) -> None:
    """Exact for any distribution, and the distribution of the wait has that mean."""
    mean = float(np.mean(seconds))
    rate = load / mean
    expected = rate * float(np.mean(np.square(seconds))) / (2 * (1 - load))
    assert mean_wait(1, rate, mean, float(np.var(seconds)) / mean**2) == pytest.approx(expected, rel=1e-6)
    waiting = Station(1, seconds).waiting(rate)
    assert waiting.tail / waiting.decay + waiting.rest / waiting.fast == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("load", [0.5, 0.8])
@pytest.mark.parametrize("servers", [1, 8])
@pytest.mark.parametrize(
    ("seconds", "tolerance"),
    [
        pytest.param(CONSTANT, 0.13, id="constant"),
        pytest.param(UNIFORM, 0.1, id="uniform"),
        pytest.param(EXPONENTIAL, 0.1, id="exponential"),
        pytest.param(SKEWED, 0.3, id="one of a hundred ten times as long"),
    ],
)
def test_queues_played_through(seconds: tuple[float, ...], tolerance: float, servers: int, load: float) -> None:
    """p50 and p99 are those of a simulation: within so much, of which a part is chance."""
    station, random = Station(servers, seconds), Random(17)
    rate = load * station.capacity
    played = queue_simulation.answered(
        queue_simulation.arrivals(random, rate, 100_000), servers, lambda: random.choice(seconds)
    )
    # The p99 of "skewed" is a step from one to ten: next to it the answer is either.
    shares = (0.5, 0.95) if seconds is SKEWED else (0.5, 0.99)
    found = [station.quantile(rate, share) for share in shares]
    assert found == pytest.approx([queue_simulation.percentile(played, share) for share in shares], rel=tolerance)


@given(
    st.integers(1, 40),
    st.lists(st.floats(0.001, 1.0), min_size=1, max_size=20),
    st.lists(st.floats(0.0, 0.99), min_size=2, max_size=4),
)
def test_more_load_is_never_faster(servers: int, seconds: list[float], loads: list[float]) -> None:
    """Nor is any answer faster than the service."""
    station = Station(servers, seconds)
    found = [station.quantile(load * station.capacity, 0.99) for load in sorted(loads)]
    assert found[0] >= np.quantile(seconds, 0.99, method="inverted_cdf") * (1 - 1e-6)
    assert all(later >= earlier * (1 - 0.01) for earlier, later in pairwise(found))


@given(st.integers(1, 40), st.lists(st.floats(0.001, 1.0), min_size=1, max_size=20), st.floats(0.0, 0.999))
def test_waits_are_a_distribution(servers: int, seconds: list[float], load: float) -> None:
    """Probabilities from one to zero; certain before there is time to wait."""
    station = Station(servers, seconds)
    times = np.linspace(-1, 50 * max(seconds), 200)
    shares = station.waiting(load * station.capacity).beyond(times)
    assert shares[0] == 1
    assert ((shares >= 0) & (shares <= 1)).all()
    assert (np.diff(shares) <= 0.05).all()


def test_beyond_the_capacity_there_is_no_answer() -> None:
    """A queue that grows for ever has no p99; without requests nothing waits."""
    with pytest.raises(ValueError, match="100 requests per second are not below the capacity, 100"):
        Station(2, CONSTANT).quantile(100, 0.5)
    assert Station(2, CONSTANT).quantile(0, 0.99) == pytest.approx(SECONDS)
    assert mean_wait(2, 100, SECONDS, 0) == math.inf
