"""Outputs that are long to write: they leave the event thread, and the call ends on a worker, once, as any other."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from serving.core.servable import Fed, JoiningRun, Outcome, Run
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.inference.call import Call
from serving.inference.joined_calls import JoinedCalls
from serving.inference.placement import Workers
from serving.telemetry.serving_metrics import ServingMetrics
from tests.support import TIMEOUT_SECONDS, ManualClock
from tests.unit.inference.test_call import INPUT, Encoder, ManualRun, leased, unencodable

MANY = 200_000


class Filler(ManualRun):
    """A run that gives so many numbers, in half a second."""

    def __init__(self, clock: ManualClock, size: int = MANY) -> None:
        super().__init__(inline=True)
        self._clock = clock
        self._size = size

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        self._clock.advance(0.5)
        return [Tensor(DataType.FLOAT, np.zeros(self._size, np.float32))]


class JoiningFiller(JoiningRun):
    """The same, for several callers."""

    inline = True

    def __init__(self, clock: ManualClock, size: int = MANY) -> None:
        self._run = Filler(clock, size)

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        return self._run(tensors, timeout_ms)

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        raise AssertionError("it has run already")

    def alone(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        return self._run(tensors, timeout_ms)

    def together(self, calls: Sequence[Fed]) -> Sequence[Outcome]:
        return [self._run(call.tensors, call.timeout_ms) for call in calls]


def written(outputs: Mapping[Any, Tensor]) -> bytes:
    """How many numbers there are, and in which thread they were written."""
    return b"%d by %b" % (outputs["y"].array.size, threading.current_thread().name.partition("_")[0].encode())


class House:
    """A call whose outputs are long to write, with what counts it and who writes it."""

    def __init__(self, run: Callable[[ManualClock], Run], encode: Encoder = written, most: int = 8) -> None:
        self.clock = ManualClock(0.0)
        self.metrics = ServingMetrics(self.clock)
        self.workers = Workers(1, most)
        self.told: list[bytes] = []
        series = self.metrics.series("GRPC", "Predict", "m")
        self.call, self.lease = leased(run(self.clock), INPUT, encode, series, self.workers)
        self.call.log = lambda outputs, body: self.told.append(body)

    def counts(self) -> dict[str, int]:
        """Requests by status."""
        return {labels[1]: counter.value for labels, counter in self.metrics.request_count.points()}


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opened at the end, so that no thread is left behind."""
    event = threading.Event()
    yield event
    event.set()


def at_once(house: House) -> bytes | None:
    """The call for itself, in an event thread."""
    return house.call.at_once()


def joined(house: House) -> bytes | None:
    """The call with those of the same turn, in an event thread."""
    calls, settled = JoinedCalls(), list[bytes | Call | Exception]()
    calls.add(house.call, settled.append)
    calls.flush()
    (outcome,) = settled
    assert not isinstance(outcome, Exception)
    assert isinstance(outcome, bytes) or outcome is house.call
    return outcome if isinstance(outcome, bytes) else None


WAYS = pytest.mark.parametrize(
    ("way", "run"),
    [
        pytest.param(at_once, Filler, id="plain"),
        pytest.param(at_once, JoiningFiller, id="lone"),
        pytest.param(joined, JoiningFiller, id="joined"),
    ],
)
Way = Callable[[House], bytes | None]


@WAYS
def test_long_outputs_are_written_by_a_worker(way: Way, run: type[Filler]) -> None:
    """The event thread has no body; a worker has, and until then the lease is held and nothing counted."""
    house = House(run)
    assert way(house) is None
    assert (house.lease.returned, house.counts(), house.told) == (0, {}, [])
    assert house.call.bounded
    assert house.call.elsewhere().result(TIMEOUT_SECONDS) == b"%d by worker" % MANY
    assert (house.lease.returned, house.counts(), house.told) == (1, {"OK": 1}, [b"%d by worker" % MANY])


@WAYS
def test_short_outputs_are_written_at_once(way: Way, run: Callable[[ManualClock, int], Run]) -> None:
    """A thread would cost more."""
    house = House(lambda clock: run(clock, 10))
    assert way(house) == b"10 by MainThread"
    assert (house.lease.returned, house.counts()) == (1, {"OK": 1})


@WAYS
def test_waiting_for_a_worker_is_no_run(way: Way, run: type[Filler]) -> None:
    """The model took half a second, however long the request waited to be written."""
    house = House(run)
    way(house)
    house.clock.advance(10)
    house.call.elsewhere().result(TIMEOUT_SECONDS)
    assert [each.value.sum for _, each in house.metrics.runtime_latency.points()] == [0.5e6]
    assert [each.value.sum for _, each in house.metrics.request_latency.points()] == [10.5e6]


@WAYS
def test_what_a_worker_cannot_write_is_the_answer(way: Way, run: type[Filler]) -> None:
    """An error is counted once, the lease is released, and nothing is logged."""
    house = House(run, unencodable)
    way(house)
    assert isinstance(house.call.elsewhere().exception(TIMEOUT_SECONDS), ServingError)
    assert (house.lease.returned, house.counts(), house.told) == (1, {"UNAVAILABLE": 1}, [])


@WAYS
def test_full_workers_refuse(way: Way, run: type[Filler]) -> None:
    """The request has run in vain; it is counted, and the lease is released."""
    house = House(run, most=0)
    way(house)
    with pytest.raises(ServingError) as raised:
        house.call.elsewhere()
    assert raised.value.code is Code.RESOURCE_EXHAUSTED
    assert (house.lease.returned, house.counts()) == (1, {"RESOURCE_EXHAUSTED": 1})


@WAYS
def test_cancelled_while_it_waits_for_a_worker(way: Way, run: type[Filler], gate: threading.Event) -> None:
    """Nobody waits for it: it is never written, counted as cancelled, and the lease is released."""
    house = House(run)
    way(house)
    other = house.workers.submit(lambda answer: answer.set_result(b"x" * gate.wait(TIMEOUT_SECONDS)))
    assert house.call.elsewhere().cancel()
    gate.set()
    other.result(TIMEOUT_SECONDS)
    house.workers.submit(lambda answer: answer.set_result(b"")).result(TIMEOUT_SECONDS)
    assert (house.lease.returned, house.counts(), house.told) == (1, {"CANCELLED": 1}, [])


@WAYS
def test_dropped_with_the_workers(way: Way, run: type[Filler], gate: threading.Event) -> None:
    """Workers that are closed leave no lease behind."""
    house = House(run)
    way(house)
    begun = threading.Event()

    def hold(answer: Future[bytes]) -> None:
        begun.set()
        answer.set_result(b"x" * gate.wait(TIMEOUT_SECONDS))

    house.workers.submit(hold)
    assert begun.wait(TIMEOUT_SECONDS)
    answer = house.call.elsewhere()
    house.workers.close()
    assert (answer.cancelled(), house.lease.returned, house.counts()) == (True, 1, {"CANCELLED": 1})


def test_given_up_before_it_is_written() -> None:
    """A door that cannot wait for a worker lets the version go."""
    house = House(Filler)
    at_once(house)
    house.call.give_up(ServingError(Code.UNAVAILABLE, "no"))
    assert (house.lease.returned, house.counts()) == (1, {"UNAVAILABLE": 1})
