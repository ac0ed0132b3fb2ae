"""A request between its decoding and its answer: the call to make, how its results are written, the lease it holds.

Every way in gets this from the service, and differs only in how it waits for it.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from weakref import ref

from serving.core.handle import Handle
from serving.core.plans import Encode, Plan
from serving.core.servable import JoiningRun, Outcome, ServableId
from serving.core.tensor import Tensor
from serving.errors import ServingError, without_frames
from serving.inference.context import RequestContext
from serving.inference.long_call import LongCall, client_gone
from serving.inference.placement import Workers, is_long_to_write
from serving.inference.run_watch import Watched
from serving.telemetry.series import Series

Answered = Callable[[list[Tensor], bytes], None]
"""Takes the output tensors and the body of a request that was answered; never raises."""


@dataclass(slots=True)
class Call:
    """``plan`` called with ``tensors``, written by ``encode``.

    Exactly one of ``here``, ``at_once`` (and after it, if that gives None, ``elsewhere``), ``elsewhere`` and, for who
    makes the call without this, ``finish`` is used; or ``give_up``. ``series`` counts how it ends, ``began`` is when
    the request came. ``log`` keeps the request once it is answered, if it was drawn for that. With ``outputs`` the
    model has run, and what is left, for ``elsewhere``, is to write them.
    """

    plan: Plan
    tensors: list[Tensor]
    encode: Encode
    handle: Handle
    timeout_ms: int
    series: Series
    began: float
    workers: Workers
    context: RequestContext | None = None
    log: Answered | None = None
    outputs: list[Tensor] | None = None

    @property
    def inline(self) -> bool:
        """Whether the model is expected to take less than a thread hop is worth, and has not run yet."""
        return self.outputs is None and self.plan.run.inline_for(self.tensors)

    @property
    def servable_id(self) -> ServableId:
        """The version that answers."""
        return self.handle.id

    @property
    def joins(self) -> bool:
        """Whether the call is batched.

        If it is ``inline`` ``JoinedCalls`` may make it with others; if not, it waits in a queue with bounds of its own.
        """
        return self.plan.joins

    @property
    def bounded(self) -> bool:
        """Whether it waits in a queue that has bounds of its own: of its batch, or of the workers."""
        return self.joins or self.outputs is not None

    def at_once(self) -> bytes | None:
        """The body, in an event thread. Raises ServingError.

        None if the rest is for ``elsewhere``: others come first, or there is much to write.
        """
        run, series = self.plan.run, self.series
        began = series.clock()
        try:
            if isinstance(run, JoiningRun):
                tensors = run.alone(self.tensors, self.timeout_ms)
                if tensors is None:
                    return None
            else:
                tensors = run(self.tensors, self.timeout_ms)
        except BaseException as error:
            self.give_up(error)
            raise
        return self.finish(tensors, began)

    def here(self) -> bytes:
        """The body, in a thread that may block. Raises ServingError."""
        began = self.series.clock()
        watched = self.workers.watch.add(self, None, None)
        try:
            outcome: Outcome = self._run_and_wait()
        except BaseException as error:
            self.give_up(error)
            raise
        finally:
            watched.over()
        return self._finish(outcome, began, may_block=True)

    def _run_and_wait(self) -> list[Tensor]:
        """The outputs; one that is batched and recorded waits for its future, which knows how long it waited."""
        record = None if self.context is None else self.context.record
        if record is None or not self.joins:
            return self.plan.run(self.tensors, self.timeout_ms)
        run = self.plan.run.submit(self.tensors, self.timeout_ms)
        try:
            return run.result()
        finally:
            record.placed(run)

    def finish(self, outcome: Outcome, began: float) -> bytes | None:
        """The body of a call made since ``began``; None as for ``at_once``. Raises ServingError."""
        if isinstance(outcome, list) and is_long_to_write(outcome):
            self._ran(began)
            self.outputs = outcome
            return None
        return self._finish(outcome, began)

    def _ran(self, began: float) -> None:
        self.series.ran(self.series.clock() - began)

    def _finish(self, outcome: Outcome, began: float | None, *, may_block: bool = False) -> bytes:
        series = self.series
        try:
            if isinstance(outcome, BaseException):
                raise outcome
            if began is not None:  # else that was counted when the model had run
                series.ran(series.clock() - began)
            named = self.plan.named(outcome)
            if may_block and is_long_to_write(outcome):
                with self.workers.interpreter:
                    body = self.encode(named)
            else:
                body = self.encode(named)
            series.answered(series.clock() - self.began)
            if self.log is not None:
                self.log(outcome, body)
            return body
        except BaseException as error:
            series.failed(error)
            raise
        finally:
            del outcome  # an error would hold itself through this frame, and with it the tensors
            self.handle.release()

    def elsewhere(self) -> Future[bytes]:
        """Start the call on its servable's threads; the body is encoded there too, or on the workers.

        Cancelling the answer gives up the wait. A call that has begun finishes, and holds its lease until then. One
        whose time is over is answered though it goes on.
        """
        try:
            if self.outputs is not None:
                written = self.workers.submit(self._write)
                written.add_done_callback(lambda given: self.give_up(client_gone()) if given.cancelled() else None)
                return written
            began = self.series.clock()
            run = self.plan.run.submit(self.tensors, self.timeout_ms)
        except BaseException as error:
            self.give_up(error)
            raise
        answer: Future[bytes] = Future()
        watched = self.workers.watch.add(self, run, answer)
        run.add_done_callback(lambda done: self._settle(done, answer, began, watched))
        begun = ref(run)  # each would hold the other, and with it the tensors, until the next garbage collection
        answer.add_done_callback(lambda given: given.cancelled() and (it := begun()) is not None and it.cancel())
        return answer

    def give_up(self, error: BaseException) -> None:
        """The call is not made, or failed: count why, let go of the version."""
        self.series.failed(error)
        self.handle.release()

    def refuse(self, error: BaseException) -> None:
        """The same, for too many others run."""
        self.workers.watch.refused()
        self.give_up(error)

    def expired(self, error: ServingError) -> None:
        """The caller is answered with ``error``; the version is still in use."""
        self.series.failed(error)

    def let_go(self) -> None:
        """Nobody waits for it any more, though it goes on: give its place in flight to others."""
        place = None if self.context is None else self.context.place
        if place is not None:
            place.leave(succeeded=False)

    def _write(self, answer: Future[bytes]) -> None:
        outputs, self.outputs = self.outputs, None
        if outputs is None or not answer.set_running_or_notify_cancel():
            return
        try:
            answer.set_result(self._finish(outputs, None, may_block=True))
        except BaseException as error:  # noqa: BLE001 - whatever encoding raises is this request's answer
            answer.set_exception(without_frames(error))

    def _settle(self, done: Future[list[Tensor]], answer: Future[bytes], began: float, watched: Watched) -> None:
        if not watched.over():
            self.handle.release()
            return
        if done.cancelled():
            answer.cancel()  # the threads were shut down before the call began: nobody may wait for it
        if answer.cancelled() or not answer.set_running_or_notify_cancel():
            self.give_up(client_gone())
            return
        try:
            log, self.log = self.log, None
            if self.context is not None and self.context.record is not None:
                self.context.record.placed(done)
            outcome: Any = done.exception() or done.result()
            body = self._finish(outcome, began, may_block=True)
        except BaseException as error:  # noqa: BLE001 - whatever running or encoding raises is this request's answer
            answer.set_exception(without_frames(error))
            return
        answer.set_result(body)
        if log is not None:  # after the answer: nobody waits for it
            log(outcome, body)


Reply = bytes | Call | LongCall
"""What a request comes to: the body at once, or what is still to be done for it."""


def run_at_once(
    plan: Plan, tensors: list[Tensor], encode: Encode, timeout_ms: int, series: Series, began: float
) -> bytes | list[Tensor]:
    """What ``Call.at_once`` does, without a ``Call``: the body, or the outputs if they are long to write.

    Who asks counts failures and holds the version.
    """
    clock = series.clock
    started = clock()
    outputs = plan.run(tensors, timeout_ms)
    ran = clock() - started
    if is_long_to_write(outputs):
        series.ran(ran)
        return outputs
    try:
        body = encode(plan.named(outputs))
    except BaseException:
        series.ran(ran)
        raise
    series.ran_and_answered(ran, clock() - began)
    return body
