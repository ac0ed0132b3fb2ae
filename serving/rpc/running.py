"""--grpc_max_threads: how many long calls may run at a time. It counts them; threads are the transports' business."""

import threading

from serving.errors import Code, ServingError
from serving.inference.errand import Errand
from serving.inference.work import Work


class RunningCalls:
    """Counts calls that are not expected to be over at once; ``most`` of them may run. Thread-safe.

    Short calls are not counted: a burst of them is over before a client could try again.
    """

    def __init__(self, most: int) -> None:
        self._free = threading.Semaphore(most)

    def begin(self, call: Work | Errand) -> None:
        """Count a call in. Raises ServingError, and lets go of what the call holds, if too many run already."""
        if not self.has_begun():
            raise refused(call)

    def has_begun(self) -> bool:
        """Count a call in, unless too many run already."""
        return self._free.acquire(blocking=False)

    def end(self) -> None:
        """A call that was counted in is over."""
        self._free.release()


def refused(call: Work | Errand) -> ServingError:
    """The error of a call for which there is no room; lets go of what it holds."""
    error = ServingError(Code.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
    if isinstance(call, Work):
        call.call.failed(error)
        call.handle.release()
    return error
