"""A request that takes long before, or without, the run of a model: a reload, or one that is large to read."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol
from weakref import ref

from serving.errors import Code, ServingError, without_frames
from serving.telemetry.series import UNCOUNTED

_LOOK_SECONDS = 0.25

Gone = Callable[[], bool]
"""Whether the caller has gone away and waits no more."""


def client_gone() -> ServingError:
    """The error of a request for which nobody waits; a new one each time, for raised errors gather frames."""
    return ServingError(Code.CANCELLED, "The client has gone")


class Submits(Protocol):
    """Has work done elsewhere, within bounds of its own."""

    def submit(self, do: Callable[["Future[bytes]"], None]) -> "Future[bytes]":
        """What ``do`` is going to settle. Raises ServingError if there is no room."""
        ...


@dataclass(frozen=True, slots=True)
class LongCall:
    """``do`` gives the answer's body, or its future, blocking; it may ask whether there is still somebody who waits.

    It is done by one of ``workers``, or on a thread of its own without them. ``failed`` counts what is never begun.
    """

    do: Callable[[Gone], "bytes | Future[bytes]"]
    workers: Submits | None = None
    failed: Callable[[BaseException], None] = UNCOUNTED.failed

    @property
    def bounded(self) -> bool:
        """Whether it waits in a queue that has bounds of its own."""
        return self.workers is not None

    def here(self, gone: Gone) -> bytes:
        """Do it in this thread. Raises ServingError."""
        body = self.do(gone)
        return body if isinstance(body, bytes) else waited_for(body, gone)

    def elsewhere(self) -> "Future[bytes]":
        """Start it on another thread. Cancelling the answer is how its caller goes away. Raises ServingError."""
        if self.workers is None:
            answer: Future[bytes] = Future()
            threading.Thread(target=self._settle, args=(answer,), name="long-call", daemon=True).start()
            return answer
        try:
            return self.workers.submit(self._settle)
        except BaseException as error:
            self.give_up(error)
            raise

    def give_up(self, error: BaseException) -> None:
        """It is not done: count why."""
        self.failed(error)

    def refuse(self, error: BaseException) -> None:
        """The same, for too many others run."""
        self.give_up(error)

    def _settle(self, answer: "Future[bytes]") -> None:
        if answer.cancelled():
            self.give_up(client_gone())
            return
        try:
            body = self.do(answer.cancelled)
        except Exception as error:  # noqa: BLE001 - whatever comes of it is the answer
            if answer.set_running_or_notify_cancel():
                answer.set_exception(without_frames(error))
            return
        if isinstance(body, Future):
            follow(answer, body)
        elif answer.set_running_or_notify_cancel():
            answer.set_result(body)


def waited_for(body: "Future[bytes]", gone: Gone) -> bytes:
    """What comes of ``body``; a run that goes on for nobody is given up, so that others have its place."""
    while True:
        try:
            return body.result(_LOOK_SECONDS)
        except TimeoutError:  # of this wait, or the answer itself
            if body.done():
                return body.result()
            if gone():
                body.cancel()
                raise client_gone() from None


def follow(answer: "Future[bytes]", other: "Future[bytes]") -> None:
    """Let ``answer`` become what ``other`` does, and cancel that with it."""

    def settle(done: "Future[bytes]") -> None:
        if done.cancelled():
            answer.cancel()
        elif answer.set_running_or_notify_cancel():
            error = done.exception()
            if error is None:
                answer.set_result(done.result())
            else:
                answer.set_exception(error)

    other.add_done_callback(settle)
    begun = ref(other)  # each would hold the other, and with it the body, until the next garbage collection
    answer.add_done_callback(lambda given: given.cancelled() and (it := begun()) is not None and it.cancel())
