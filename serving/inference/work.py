"""A request between its decoding and its answer: the call to make, what to make of its results, the lease it holds.

Both doors get this from their handlers and differ only in how they wait for it.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from serving.core.handle import Handle
from serving.core.tensor import Tensor
from serving.inference.predict import Prediction


@dataclass(slots=True)
class Work:
    """``encode`` turns the output tensors into the answer's body. Exactly one of ``here`` and ``elsewhere`` is used."""

    prediction: Prediction
    encode: Callable[[list[Tensor]], bytes]
    handle: Handle
    timeout_ms: int

    @property
    def inline(self) -> bool:
        """Whether ``here`` is expected to take less than a thread hop is worth."""
        return self.prediction.run.inline

    def here(self) -> bytes:
        """Make the call in this thread and give the body. Raises ServingError."""
        try:
            return self.encode(self.prediction.run(self.prediction.tensors, self.timeout_ms))
        finally:
            self.handle.release()

    def elsewhere(self) -> Future[bytes]:
        """Start the call on its servable's threads; the body is encoded there too.

        Cancelling the answer gives up the wait. A call that has begun finishes, and holds its lease until then.
        """
        answer: Future[bytes] = Future()
        try:
            call = self.prediction.run.submit(self.prediction.tensors, self.timeout_ms)
        except BaseException:
            self.handle.release()
            raise
        call.add_done_callback(lambda done: self._settle(done, answer))
        answer.add_done_callback(lambda given: given.cancelled() and call.cancel())
        return answer

    def _settle(self, done: Future[list[Tensor]], answer: Future[bytes]) -> None:
        try:
            if done.cancelled():
                answer.cancel()  # the threads were shut down before the call began: nobody may wait for it
                return
            if not answer.set_running_or_notify_cancel():
                return
            error = done.exception()
            if error is None:
                answer.set_result(self.encode(done.result()))
            else:
                answer.set_exception(error)
        except Exception as error:  # noqa: BLE001 - whatever encoding raises is the answer to this request
            answer.set_exception(error)
        finally:
            self.handle.release()


Reply = bytes | Work
"""What a handler gives a door: the body at once, or work to be done for it."""
