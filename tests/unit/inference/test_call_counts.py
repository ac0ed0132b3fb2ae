"""A call is counted exactly once, however it ends."""

from collections.abc import Callable

import pytest

from serving.errors import ServingError
from serving.telemetry.serving_metrics import ServingMetrics
from tests.unit.inference.test_call import FAILURE, INPUT, Encoder, ManualRun, leased, text, unencodable


class Counted:
    """A call of a run, and the counts of the model it belongs to."""

    def __init__(self, run: ManualRun, encode: Encoder = text) -> None:
        self.run = run
        self.metrics = ServingMetrics()
        self.call, _ = leased(run, INPUT, encode, self.metrics.series("GRPC", "Predict", "m"))

    def counts(self) -> tuple[dict[str, int], int, int]:
        """Requests by status, latencies of requests, latencies of runs."""
        requests = {labels[1]: counter.value for labels, counter in self.metrics.request_count.points()}
        latencies = sum(sum(each.value.counts) for _, each in self.metrics.request_latency.points())
        runs = sum(sum(each.value.counts) for _, each in self.metrics.runtime_latency.points())
        return requests, latencies, runs


def here(made: Counted) -> None:
    """The call in this thread."""
    made.call.here()


def at_once(made: Counted) -> None:
    """The call in an event thread."""
    made.call.at_once()


def elsewhere(made: Counted) -> None:
    """The call on its servable's threads, to its end."""
    answer = made.call.elsewhere()
    made.run.begin()
    made.run.finish()
    answer.result(0)


WAYS = pytest.mark.parametrize(
    "way",
    [
        pytest.param(here, id="here"),
        pytest.param(at_once, id="at once"),
        pytest.param(elsewhere, id="elsewhere"),
    ],
)


@WAYS
def test_answer(way: Callable[[Counted], None]) -> None:
    """An answer counts as a request and as a run."""
    made = Counted(ManualRun())
    way(made)
    assert made.counts() == ({"OK": 1}, 1, 1)


@WAYS
def test_failing_run(way: Callable[[Counted], None]) -> None:
    """A run that fails counts as a request alone."""
    made = Counted(ManualRun(error=FAILURE))
    with pytest.raises(ServingError):
        way(made)
    assert made.counts() == ({"UNAVAILABLE": 1}, 0, 0)


@WAYS
def test_failing_encoding(way: Callable[[Counted], None]) -> None:
    """A run whose result cannot be written has run all the same."""
    made = Counted(ManualRun(), unencodable)
    with pytest.raises(ServingError):
        way(made)
    assert made.counts() == ({"UNAVAILABLE": 1}, 0, 1)


def test_refused_submission() -> None:
    """A pool that takes no more work is a defect to the client."""
    made = Counted(ManualRun(refuses=True))
    with pytest.raises(RuntimeError):
        made.call.elsewhere()
    assert made.counts() == ({"INTERNAL": 1}, 0, 0)


def test_cancelled_before_the_call_began() -> None:
    """A caller that leaves early is counted, and no run is."""
    made = Counted(ManualRun())
    made.call.elsewhere().cancel()
    assert made.counts() == ({"CANCELLED": 1}, 0, 0)


def test_cancelled_while_the_call_runs() -> None:
    """A caller that leaves late is counted once, when the call ends."""
    made = Counted(ManualRun())
    answer = made.call.elsewhere()
    made.run.begin()
    answer.cancel()
    made.run.finish()
    assert made.counts() == ({"CANCELLED": 1}, 0, 0)


def test_dropped_call() -> None:
    """A call that a pool drops is counted as cancelled."""
    made = Counted(ManualRun())
    made.call.elsewhere()
    made.run.shut_down()
    assert made.counts() == ({"CANCELLED": 1}, 0, 0)


def test_given_up() -> None:
    """A call that is never made is counted by the reason."""
    made = Counted(ManualRun())
    made.call.give_up(FAILURE)
    assert made.counts() == ({"UNAVAILABLE": 1}, 0, 0)
