"""A request between its decoding and its answer: the call to make, what to make of its results, the lease it holds.

Both doors get this from their handlers and differ only in how they wait for it.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from weakref import ref

from serving.core.handle import Handle
from serving.core.predict_plan import Prediction
from serving.core.servable import JoiningRun, Outcome
from serving.core.tensor import Tensor
from serving.errors import ServingError
from serving.telemetry.serving_metrics import UNCOUNTED, Call

Answered = Callable[[list[Tensor], bytes], None]
"""Takes the output tensors and the body of a request that was answered; never raises."""


@dataclass(slots=True)
class Work:
    """``encode`` turns the output tensors into the answer's body.

    Exactly one of ``here``, ``elsewhere`` and, for who makes the call without this, ``finish`` is used. ``call`` counts
    how it ends. ``log`` keeps the request once it is answered, if it was drawn for that.
    """

    prediction: Prediction
    encode: Callable[[list[Tensor]], bytes]
    handle: Handle
    timeout_ms: int
    call: Call = UNCOUNTED
    log: Answered | None = None

    @property
    def inline(self) -> bool:
        """Whether ``here`` is expected to take less than a thread hop is worth."""
        return self.prediction.run.inline_for(self.prediction.tensors)

    @property
    def joins(self) -> bool:
        """Whether the call is batched.

        If it is ``inline`` a ``Turn`` may make it with others; if not, it waits in a queue that has bounds of its own.
        """
        return isinstance(self.prediction.run, JoiningRun)

    def at_once(self) -> bytes | None:
        """``here``, unless the call joins and others come first: then None, and the work is still to be done."""
        run = self.prediction.run
        if not isinstance(run, JoiningRun):
            return self.here()
        began = self.call.now()
        with self.call, self.handle.released_on_error():
            tensors = run.alone(self.prediction.tensors, self.timeout_ms)
        return None if tensors is None else self.finish(tensors, began)

    def here(self) -> bytes:
        """Make the call in this thread and give the body. Raises ServingError."""
        call = self.call
        try:
            began = call.now()
            return self._answer(self.prediction.run(self.prediction.tensors, self.timeout_ms), began)
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            self.handle.release()

    def finish(self, outcome: Outcome, began: float) -> bytes:
        """The body of a call that somebody else has made since ``began``: the rest of ``here``. Raises ServingError."""
        try:
            if isinstance(outcome, Exception):
                raise outcome
            return self._answer(outcome, began)
        except BaseException as error:
            self.call.failed(error)
            raise
        finally:
            del outcome  # an error would hold itself through this frame, and with it the tensors
            self.handle.release()

    def _answer(self, tensors: list[Tensor], began: float) -> bytes:
        """The body of a call that succeeded, counted and logged."""
        call = self.call
        call.ran(began)
        body = self.encode(tensors)
        call.answered()
        if self.log is not None:
            self.log(tensors, body)
        return body

    def elsewhere(self) -> Future[bytes]:
        """Start the call on its servable's threads; the body is encoded there too.

        Cancelling the answer gives up the wait. A call that has begun finishes, and holds its lease until then.
        """
        answer: Future[bytes] = Future()
        began = self.call.now()
        try:
            with self.call:
                run = self.prediction.run.submit(self.prediction.tensors, self.timeout_ms)
        except BaseException:
            self.handle.release()
            raise
        run.add_done_callback(lambda done: self._settle(done, answer, began))
        begun = ref(run)  # each would hold the other, and with it the tensors, until the next garbage collection
        answer.add_done_callback(lambda given: given.cancelled() and (it := begun()) is not None and it.cancel())
        return answer

    def _settle(self, done: Future[list[Tensor]], answer: Future[bytes], began: float) -> None:
        try:
            if done.cancelled():
                answer.cancel()  # the threads were shut down before the call began: nobody may wait for it
            if answer.cancelled() or not answer.set_running_or_notify_cancel():
                self.call.cancelled()
                return
            with self.call:
                tensors = done.result()
                self.call.ran(began)
                body = self.encode(tensors)
            self.call.answered()
            answer.set_result(body)
            if self.log is not None:  # after the answer: nobody waits for it
                self.log(tensors, body)
        except BaseException as error:  # noqa: BLE001 - whatever running or encoding raises is this request's answer
            if isinstance(error, ServingError):
                error.__traceback__ = None  # its frames hold the futures that hold it, until the next collection
            answer.set_exception(error)
        finally:
            self.handle.release()


Reply = bytes | Work
"""What a handler gives a door: the body at once, or work to be done for it."""
