"""--grpc_max_threads: how many long calls may run at a time. It counts them; threads are the transports' business."""

import threading

from serving.errors import Code, ServingError
from serving.inference.call import Call
from serving.inference.long_call import CANCELLED, LongCall

HOLD_SECONDS = 1.0
"""How long a call waits for others to end before it is refused. A client with some dozens of calls in flight, or a
burst to a model that is not yet known to be fast, gets its answers; a server that stays too busy says so. Where waiting
takes a thread, ``MOST_HELD`` bounds the burst."""

MOST_HELD = 16
"""How many calls may wait where each takes a thread: more threads make all calls slower, for they share one lock."""


class RunningCalls:
    """Counts calls that are not expected to be over at once; ``most`` of them may run. Thread-safe.

    Short calls are not counted: a burst of them is over before a client could try again.
    """

    def __init__(self, most: int, *, hold_seconds: float = HOLD_SECONDS) -> None:
        self.hold_seconds = hold_seconds
        self._free = threading.Semaphore(most)
        self._places = threading.Semaphore(MOST_HELD)

    def begin(self, call: Call | LongCall) -> None:
        """Count a call in, after a wait of ``hold_seconds`` at most.

        Raises ServingError, and lets go of what the call holds, if there is still no room then, or ``MOST_HELD`` wait.
        """
        if not self.has_begun() and not self._waited():
            raise refused(call)

    def _waited(self) -> bool:
        if not self._places.acquire(blocking=False):
            return False
        try:
            return self._free.acquire(timeout=self.hold_seconds)
        finally:
            self._places.release()

    def has_begun(self) -> bool:
        """Count a call in, unless too many run already."""
        return self._free.acquire(blocking=False)

    def end(self) -> None:
        """A call that was counted in is over."""
        self._free.release()


def refused(call: Call | LongCall) -> ServingError:
    """The error of a call for which there is no room; lets go of what it holds."""
    error = ServingError(Code.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
    call.give_up(error)
    return error


def abandoned(call: Call | LongCall) -> None:
    """The client of a call that has not begun is gone; lets go of what the call holds."""
    call.give_up(CANCELLED)
