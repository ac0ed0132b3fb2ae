"""Batches: against queues played through, and where the answer is plain."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.client.planning.batches import BatchStation
from tests.support import queue_simulation

RUN = 0.04


def constant(rows: float) -> tuple[float]:
    return (RUN,)


@pytest.mark.parametrize("load", [0.1, 0.5, 0.85])
@pytest.mark.parametrize(
    ("threads", "largest", "timeout", "tolerance"),
    [
        pytest.param(1, 8, 0.0, (0.03, 0.07), id="one thread, no timeout"),
        pytest.param(1, 8, 0.02, (0.03, 0.07), id="one thread"),
        pytest.param(2, 8, 0.005, (0.06, 0.12), id="two threads"),
        pytest.param(2, 8, 0.02, (0.1, 0.15), id="two threads, a long timeout"),
        pytest.param(4, 32, 0.005, (0.08, 0.15), id="four threads"),
    ],
)
def test_queues_played_through(
    threads: int, largest: int, timeout: float, tolerance: tuple[float, float], load: float
) -> None:
    """p50 and p99 are those of a simulation, within so much."""
    station, random = BatchStation(threads, largest, timeout, constant), Random(17)
    rate = load * station.capacity
    times = queue_simulation.arrivals(random, rate, 60_000)
    played = queue_simulation.batched(times, threads, largest, timeout, lambda rows: RUN)
    for share, within in zip((0.5, 0.99), tolerance, strict=True):
        assert station.quantile(rate, share) == pytest.approx(queue_simulation.percentile(played, share), rel=within)


def test_runs_that_take_longer_with_more_rows() -> None:
    """The size of batches and the time of their runs are found together."""
    station = BatchStation(1, 32, 0.0, lambda rows: (0.01 + 0.001 * rows,))
    rate, random = 0.6 * station.capacity, Random(17)
    times = queue_simulation.arrivals(random, rate, 60_000)
    played = queue_simulation.batched(times, 1, 32, 0.0, lambda rows: 0.01 + 0.001 * rows)
    assert station.quantile(rate, 0.5) == pytest.approx(queue_simulation.percentile(played, 0.5), rel=0.1)


@pytest.mark.parametrize("timeout", [0.0, 0.01, 0.1])
def test_a_request_that_is_alone(timeout: float) -> None:
    """It waits for the whole timeout, and then for its run."""
    assert BatchStation(2, 8, timeout, constant).quantile(0.01, 0.5) == pytest.approx(timeout + RUN, rel=0.01)


def test_a_batch_that_fills_up_does_not_wait() -> None:
    """With a timeout of a minute nobody waits for a minute."""
    assert BatchStation(2, 4, 60.0, constant).quantile(150, 0.99) < 0.2


def test_batches_of_one_are_none() -> None:
    """Capacity is that of the threads, and with full batches so much more."""
    assert BatchStation(2, 1, 0.0, constant).capacity == pytest.approx(50)
    assert BatchStation(2, 8, 0.0, constant).capacity == pytest.approx(400)
    with pytest.raises(ValueError, match="400 requests per second are not below the capacity, 400"):
        BatchStation(2, 8, 0.0, constant).quantile(400, 0.5)


@settings(max_examples=10)
@given(st.integers(1, 4), st.integers(1, 32), st.floats(0, 0.05), st.floats(0.02, 0.95))
def test_no_answer_comes_before_its_run_ends(threads: int, largest: int, timeout: float, load: float) -> None:
    """And a p99 is no less than a p50."""
    station = BatchStation(threads, largest, timeout, constant)
    rate = load * station.capacity
    half, most = station.quantile(rate, 0.5), station.quantile(rate, 0.99)
    assert RUN * (1 - 1e-6) <= half <= most * (1 + 1e-6)
    assert 1 <= station.size(rate) <= largest
