"""--grpc_max_threads: how many long calls may run at a time. It counts them; threads are the transports' business."""

import threading
from collections.abc import Hashable

from serving.core.places import Places
from serving.errors import LimitError, ServingError
from serving.inference.call import Call
from serving.inference.long_call import LongCall, client_gone

HOLD_SECONDS = 1.0
"""How long a call waits for others to end before it is refused. A client with some dozens of calls in flight, or a
burst to a model that is not yet known to be fast, gets its answers; a server that stays too busy says so. Where waiting
takes a thread, ``MOST_HELD`` bounds the burst."""

MOST_HELD = 16
"""How many calls may wait where each takes a thread: more threads make all calls slower, for they share one lock."""


class RunningCalls:
    """Counts calls that are not expected to be over at once; ``most`` of them may run, and one of each version.

    Short calls are not counted: a burst of them is over before a client could try again. Thread-safe.
    """

    def __init__(self, most: int, *, hold_seconds: float = HOLD_SECONDS) -> None:
        self.hold_seconds = hold_seconds
        self._places = Places(most)
        self._changed = threading.Condition()
        self._held = threading.Semaphore(MOST_HELD)

    def begin(self, call: Call | LongCall) -> None:
        """Count a call in, after a wait of ``hold_seconds`` at most.

        Raises ServingError, and lets go of what the call holds, if there is still no room then, or ``MOST_HELD`` wait.
        """
        if not self.has_begun(call) and not self._waited(call):
            raise refused(call)

    def _waited(self, call: Call | LongCall) -> bool:
        if not self._held.acquire(blocking=False):
            return False
        try:
            with self._changed:
                return self._changed.wait_for(lambda: self._places.take(_who(call)), self.hold_seconds)
        finally:
            self._held.release()

    def has_begun(self, call: Call | LongCall) -> bool:
        """Count a call in, unless too many run already."""
        with self._changed:
            return self._places.take(_who(call))

    def end(self, call: Call | LongCall) -> None:
        """A call that was counted in is over."""
        with self._changed:
            self._places.give_back(_who(call))
            self._changed.notify_all()

    def write_off(self, call: Call | LongCall) -> bool:
        """Give its place to others, for its caller has gone; it goes on. False if too many do so already."""
        with self._changed:
            written_off = self._places.write_off(_who(call))
            self._changed.notify_all()
        return written_off

    def found(self) -> None:
        """A call that was written off is over: ``end`` is not for it."""
        with self._changed:
            self._places.found()


def _who(call: Call | LongCall) -> Hashable:
    return call.servable_id if isinstance(call, Call) else LongCall


def refused(call: Call | LongCall) -> ServingError:
    """The error of a call for which there is no room; lets go of what it holds."""
    error = LimitError("grpc_max_threads", "Server Threadpool Exhausted")
    call.refuse(error)
    return error


def abandoned(call: Call | LongCall) -> None:
    """The client of a call that has not begun is gone; lets go of what the call holds."""
    call.give_up(client_gone())
