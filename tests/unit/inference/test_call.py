"""A request's call: its answer, giving up the wait, and the lease, which is released exactly once on every path."""

import gc
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

import numpy as np
import pytest

from serving.core.handle import Lease
from serving.core.plans import Plan
from serving.core.servable import Run
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.inference.call import Call
from serving.inference.placement import Workers
from serving.telemetry.series import UNCOUNTED, Series
from tests.support import FakeServable, servable_id

INPUT = Tensor(DataType.INT32, np.array(20, np.int32))
FAILURE = ServingError(Code.UNAVAILABLE, "no")
Encoder = Callable[[Mapping[Any, Tensor]], bytes]


class ManualRun:
    """A run that doubles, or fails; a submitted call begins and finishes when the test says so."""

    def __init__(self, *, error: Exception | None = None, refuses: bool = False, inline: bool = False) -> None:
        self.inline = inline
        self.timeouts: list[int] = []
        self._error = error
        self._refuses = refuses
        self._future: Future[list[Tensor]] = Future()
        self._tensors: Sequence[Tensor] = ()

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return self.inline

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        self.timeouts.append(timeout_ms)
        if self._error is not None:
            raise self._error
        return [Tensor(tensor.dtype, tensor.array * 2) for tensor in tensors]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        if self._refuses:
            raise RuntimeError("cannot schedule new futures after shutdown")
        self._tensors = tensors
        self.timeouts.append(timeout_ms)
        return self._future

    def begin(self) -> bool:
        """Begin the submitted call as a thread of a pool does; False if it was cancelled before."""
        return self._future.set_running_or_notify_cancel()

    def finish(self) -> None:
        """End the submitted call that has begun."""
        try:
            self._future.set_result(self(self._tensors, self.timeouts.pop()))
        except ServingError as error:
            self._future.set_exception(error)

    def shut_down(self) -> None:
        """Drop the submitted call, as a pool does that is shut down with its queue."""
        self._future.cancel()


class CountingLease(Lease):
    """Counts how often a handle was given back."""

    returned = 0

    def give_back(self) -> None:
        self.returned += 1
        super().give_back()


def text(outputs: Mapping[Any, Tensor]) -> bytes:
    """An encoder: the values, as text."""
    return b" ".join(str(tensor.array.item()).encode() for tensor in outputs.values())


def unencodable(outputs: Mapping[Any, Tensor]) -> bytes:
    """An encoder that fails."""
    raise FAILURE


@dataclass
class Request:
    """A call on a lease of its own."""

    run: ManualRun
    call: Call
    lease: CountingLease = field(repr=False)


FAILURES = pytest.mark.parametrize(
    ("error", "encode"), [pytest.param(FAILURE, text, id="call"), pytest.param(None, unencodable, id="encoding")]
)


def leased(
    run: Run, tensor: Tensor, encode: Encoder, series: Series = UNCOUNTED, workers: Workers | None = None
) -> tuple[Call, CountingLease]:
    """A call that came at no time, with one input and one output, and the lease that it has."""
    lease = CountingLease(servable_id(1), FakeServable(), lambda: None)
    handle = lease.take()
    assert handle is not None
    plan = Plan(run, ("x",), (), ("y",))
    return Call(plan, [tensor], encode, handle, 30, series, 0.0, workers or Workers(1)), lease


def request(run: ManualRun, encode: Encoder = text) -> Request:
    """A call on 20 with this run and encoder."""
    return Request(run, *leased(run, INPUT, encode))


def test_here_gives_the_body() -> None:
    """The call is made at once, with its time limit, and the lease is released."""
    made = request(ManualRun())
    assert made.call.here() == b"40"
    assert (made.run.timeouts, made.lease.returned) == ([30], 1)


@FAILURES
def test_here_raises_and_releases(error: ServingError | None, encode: Encoder) -> None:
    """A failing call or encoding is raised; the lease is released."""
    made = request(ManualRun(error=error), encode)
    with pytest.raises(ServingError):
        made.call.here()
    assert made.lease.returned == 1


@pytest.mark.parametrize("inline", [False, True])
def test_inline_is_the_runs(inline: bool) -> None:
    """The run knows whether it is short."""
    assert request(ManualRun(inline=inline)).call.inline is inline


def test_elsewhere_gives_the_body() -> None:
    """The answer comes when the submitted call has finished; the lease is held until then."""
    made = request(ManualRun())
    answer = made.call.elsewhere()
    assert made.run.begin()
    assert (answer.done(), made.lease.returned) == (False, 0)
    made.run.finish()
    assert (answer.result(0), made.run.timeouts, made.lease.returned) == (b"40", [30], 1)


def test_elsewhere_may_be_finished_at_once() -> None:
    """A call that is done before anybody waits is answered all the same."""
    made = request(ManualRun())
    made.run.submit([INPUT], 30)
    made.run.begin()
    made.run.finish()
    assert made.call.elsewhere().result(0) == b"40"
    assert made.lease.returned == 1


@FAILURES
def test_elsewhere_carries_errors(error: ServingError | None, encode: Encoder) -> None:
    """A failing call or encoding is the answer; the lease is released."""
    made = request(ManualRun(error=error), encode)
    answer = made.call.elsewhere()
    made.run.begin()
    made.run.finish()
    assert (answer.exception(0), made.lease.returned) == (FAILURE, 1)


def test_refused_submission_releases() -> None:
    """A pool that takes no more work raises, and the lease does not stay behind."""
    made = request(ManualRun(refuses=True))
    with pytest.raises(RuntimeError):
        made.call.elsewhere()
    assert made.lease.returned == 1


def test_cancel_before_the_call_began() -> None:
    """The call is never made, and the lease is released at once."""
    made = request(ManualRun())
    answer = made.call.elsewhere()
    assert answer.cancel()
    assert (made.lease.returned, made.run.begin()) == (1, False)


def test_cancel_while_the_call_runs() -> None:
    """The waiter is let go at once; the call finishes and holds its lease until then."""
    made = request(ManualRun())
    answer = made.call.elsewhere()
    made.run.begin()
    assert answer.cancel()
    assert (answer.cancelled(), made.lease.returned) == (True, 0)
    made.run.finish()
    assert (answer.cancelled(), made.lease.returned) == (True, 1)


def test_cancelled_call_that_fails_is_nobodys() -> None:
    """An error of a call that nobody waits for goes nowhere, and the lease is released."""
    made = request(ManualRun(error=FAILURE))
    answer = made.call.elsewhere()
    made.run.begin()
    answer.cancel()
    made.run.finish()
    assert (answer.cancelled(), made.lease.returned) == (True, 1)


def test_cancel_after_the_answer_is_too_late() -> None:
    """An answer that is there stays."""
    made = request(ManualRun())
    answer = made.call.elsewhere()
    made.run.begin()
    made.run.finish()
    assert not answer.cancel()
    assert (answer.result(0), made.lease.returned) == (b"40", 1)


def test_dropped_call_ends_the_wait() -> None:
    """When the pool drops its queue nobody goes on waiting for it."""
    made = request(ManualRun())
    answer = made.call.elsewhere()
    made.run.shut_down()
    with pytest.raises(CancelledError):
        answer.result(0)
    assert made.lease.returned == 1


class ForgetfulRun(ManualRun):
    """A run that keeps nothing of a call once it is over, unlike the one above."""

    def finish(self) -> None:
        super().finish()
        self._future = Future()


def test_answered_call_is_not_left_to_the_garbage_collector() -> None:
    """Its tensors may be large, and collections are rare."""
    made = request(ForgetfulRun())
    answer = made.call.elsewhere()
    made.run.begin()
    made.run.finish()
    kept = ref(answer)
    collecting = gc.isenabled()
    gc.disable()
    try:
        del made, answer
        assert kept() is None
    finally:
        if collecting:
            gc.enable()


def test_outputs_are_named_by_the_plan() -> None:
    """The encoder has them by their aliases, in the order of the plan."""
    made = request(
        ManualRun(), lambda outputs: repr({alias: int(each.array) for alias, each in outputs.items()}).encode()
    )
    assert made.call.here() == b"{'y': 40}"


def test_outputs_and_aliases_of_different_numbers_are_a_defect() -> None:
    """An output is never left out in silence."""
    made = request(ManualRun())
    made.call.tensors.append(INPUT)
    with pytest.raises(ValueError, match="longer"):
        made.call.here()
    assert made.lease.returned == 1


def test_giving_up_releases() -> None:
    """A call that is never made does not keep its version."""
    made = request(ManualRun())
    made.call.give_up(FAILURE)
    assert (made.run.timeouts, made.lease.returned) == ([], 1)
