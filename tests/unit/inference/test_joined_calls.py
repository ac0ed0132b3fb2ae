"""Calls that are made together: everybody is answered once, whatever goes together, waits or fails."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.core.plans import Plan
from serving.core.servable import Fed, JoiningRun, Outcome
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.inference.call import Call
from serving.inference.context import RequestContext
from serving.inference.joined_calls import JoinedCalls
from serving.inference.placement import Workers
from serving.inference.record import RequestRecord, TraceHeaders
from serving.telemetry.serving_metrics import ServingMetrics
from tests.support import FakeServable, servable_id
from tests.unit.inference.test_call import CountingLease, ManualRun, leased, text

BAD, TOO_LARGE, UNENCODABLE, BROKEN = 97, 98, 99, 100
REFUSAL = ServingError(Code.INVALID_ARGUMENT, "bad")
DEFECT = ZeroDivisionError("bug")


class Doubler(JoiningRun):
    """Doubles, ``most`` calls at a time; refuses BAD, leaves TOO_LARGE to its queue, fails altogether on BROKEN.

    ``batches`` has what was run together. While ``busy`` nothing is run.
    """

    inline = True

    def __init__(self, most: int = 100, *, busy: bool = False) -> None:
        self.busy = busy
        self.batches: list[list[int]] = []
        self._most = most

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        raise AssertionError("would wait")

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        raise AssertionError("the door's to do")

    def alone(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor] | None:
        for outcome in self.together([Fed(tensors, timeout_ms)]):
            if isinstance(outcome, Exception):
                raise outcome
            return outcome
        return None

    def together(self, calls: Sequence[Fed]) -> Sequence[Outcome]:
        given = [int(call.tensors[0].array) for call in calls][: self._most]
        fitting = given[: given.index(TOO_LARGE)] if TOO_LARGE in given else given
        if self.busy or not fitting:
            return ()
        if BROKEN in fitting:
            raise DEFECT
        self.batches.append(fitting)
        return [REFUSAL if value == BAD else [integer(value * 2)] for value in fitting]


def integer(value: int) -> Tensor:
    return Tensor(DataType.INT32, np.array(value, np.int32))


def encode(outputs: Mapping[Any, Tensor]) -> bytes:
    """The values as text; twice UNENCODABLE is refused."""
    if int(outputs["y"].array) == 2 * UNENCODABLE:
        raise REFUSAL
    return text(outputs)


class Door:
    """Adds calls and remembers, in the order of its callers, how often and with what each was settled."""

    def __init__(self) -> None:
        self.joined = JoinedCalls()
        self.metrics = ServingMetrics()
        self.workers = Workers(1)
        self.lease = CountingLease(servable_id(1), FakeServable(), lambda: None)
        self.settled: list[list[bytes | Call | Exception]] = []
        self.order: list[int] = []

    def add(self, run: JoiningRun, value: int) -> Call:
        handle = self.lease.take()
        assert handle is not None
        plan, series = Plan(run, ("x",), (), ("y",)), self.metrics.series("GRPC", "Predict", "m")
        call = Call(plan, [integer(value)], encode, handle, 30, series, series.clock(), self.workers)
        index = len(self.settled)
        self.settled.append([])

        def settle(outcome: bytes | Call | Exception) -> None:
            self.settled[index].append(outcome)
            self.order.append(index)

        self.joined.add(call, settle)
        return call

    def counts(self) -> dict[str, int]:
        """Requests by status."""
        return {labels[1]: counter.value for labels, counter in self.metrics.request_count.points()}


def test_calls_are_made_together() -> None:
    """Those of one run are made as one, and everybody gets its own answer."""
    door, run = Door(), Doubler()
    for value in (1, 2, 3):
        door.add(run, value)
    door.joined.flush()
    assert (run.batches, door.settled) == ([[1, 2, 3]], [[b"2"], [b"4"], [b"6"]])
    assert (door.lease.returned, door.counts()) == (3, {"OK": 3})


def test_runs_are_not_mixed() -> None:
    """Calls of another run are made apart."""
    door, first, second = Door(), Doubler(), Doubler()
    for run, value in ((first, 1), (second, 2), (first, 3)):
        door.add(run, value)
    door.joined.flush()
    assert (first.batches, second.batches) == ([[1, 3]], [[2]])


def test_what_was_made_is_not_made_again() -> None:
    """After a flush nothing is left, and with nothing there a flush does nothing."""
    door, run = Door(), Doubler()
    door.joined.flush()
    door.add(run, 1)
    door.joined.flush()
    door.joined.flush()
    assert (run.batches, door.settled) == ([[1]], [[b"2"]])


def test_what_has_to_wait_goes_back_to_the_door() -> None:
    """When others come first the call is untouched: its lease is held, and nothing is counted."""
    door, run = Door(), Doubler(busy=True)
    calls = [door.add(run, value) for value in (1, 2)]
    door.joined.flush()
    assert (door.settled, door.lease.returned, door.counts()) == ([[calls[0]], [calls[1]]], 0, {})


def test_defect_leaves_nobody_waiting() -> None:
    """A run that fails altogether fails its callers, and no others."""
    door = Door()
    for run, value in ((Doubler(), BROKEN), (Doubler(), 1)):
        door.add(run, value)
    door.joined.flush()
    assert (door.settled, door.counts()) == ([[DEFECT], [b"2"]], {"INTERNAL": 1, "OK": 1})


def test_answers_are_told_to_the_log() -> None:
    """A request that was drawn for the log is kept with its answer, others are not."""
    door, run = Door(), Doubler()
    told: list[bytes] = []
    door.add(run, 1).log = lambda tensors, body: told.append(body)
    door.add(run, 2)
    door.add(run, BAD).log = lambda tensors, body: told.append(body)
    door.joined.flush()
    assert told == [b"2"]


CALLS = st.lists(st.tuples(st.integers(0, 1), st.one_of(st.integers(0, 5), st.sampled_from((BAD, TOO_LARGE, 99)))))


@given(CALLS, st.integers(1, 4), st.booleans())
def test_everybody_is_settled_once_in_order(calls: list[tuple[int, int]], most: int, busy: bool) -> None:
    """Nobody is lost, settled twice or told another's outcome, and each run settles its callers in their order."""
    door, runs = Door(), (Doubler(most), Doubler(most, busy=busy))
    added = [door.add(runs[index], value) for index, value in calls]
    door.joined.flush()
    for (index, value), call, settled in zip(calls, added, door.settled, strict=True):
        waits = value == TOO_LARGE or (index == 1 and busy)
        failed = value in (BAD, UNENCODABLE)
        assert settled == [call if waits else REFUSAL if failed else b"%d" % (2 * value)]
    for index in (0, 1):
        own = [each for each in door.order if calls[each][0] == index]
        assert own == sorted(own)
    assert door.lease.returned == sum(not isinstance(settled[0], Call) for settled in door.settled)


def lone(run: JoiningRun | ManualRun, value: int) -> tuple[Call, CountingLease]:
    """One call, for itself."""
    return leased(run, integer(value), encode)


@pytest.mark.parametrize(
    ("run", "joins"), [pytest.param(Doubler(), True, id="joining"), pytest.param(ManualRun(), False, id="plain")]
)
def test_lone_call_is_done_at_once(run: JoiningRun | ManualRun, joins: bool) -> None:
    """With nobody in the way the body is there at once, and the lease is released."""
    call, lease = lone(run, 4)
    assert (call.joins, call.at_once(), lease.returned) == (joins, b"8", 1)


def test_lone_call_that_has_to_wait() -> None:
    """When others come first nothing was done, and the lease is held."""
    call, lease = lone(Doubler(busy=True), 4)
    assert (call.at_once(), lease.returned) == (None, 0)


@pytest.mark.parametrize("value", [pytest.param(BAD, id="call"), pytest.param(UNENCODABLE, id="encoding")])
def test_lone_call_that_fails(value: int) -> None:
    """A failure is raised, and the lease is released."""
    call, lease = lone(Doubler(), value)
    with pytest.raises(ServingError):
        call.at_once()
    assert lease.returned == 1


def test_calls_that_were_made_together_know_it_where_they_are_traced() -> None:
    """How many they were and when; one that was made alone, or of which no traces are wanted, knows nothing."""

    def recorded(call: Call, *, traced: bool = True) -> RequestRecord:
        trace = TraceHeaders("", "", "", "") if traced else None
        record = RequestRecord("GRPC", "", "", "tfs", "", 1000.0, call.series.clock(), trace=trace)
        call.context = RequestContext("GRPC", record=record)
        return record

    door, run = Door(), Doubler()
    together = [recorded(door.add(run, value)) for value in (1, 2, 3)]
    door.joined.flush()
    alone = recorded(door.add(run, 1))
    door.joined.flush()
    untraced = [recorded(door.add(run, value), traced=False) for value in (1, 2)]
    door.joined.flush()
    assert [record.batches for record in [alone, *untraced]] == [()] * 3
    ((batch,), *others) = [record.batches for record in together]
    assert others == [(batch,)] * 2
    assert batch.members == 3
    assert 1000.0 <= batch.began <= batch.ended < 1000.0 + 60
