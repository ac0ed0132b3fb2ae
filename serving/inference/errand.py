"""Something a call asks for that takes long and is no model run, such as a reload: done on a thread of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

Gone = Callable[[], bool]
"""Whether the caller has gone away and waits no more."""


@dataclass(frozen=True, slots=True)
class Errand:
    """``do`` gives the answer's body, blocking; it may ask whether there is still somebody who waits for it."""

    do: Callable[[Gone], bytes]

    def here(self, gone: Gone) -> bytes:
        """Do it in this thread. Raises ServingError."""
        return self.do(gone)

    def elsewhere(self) -> Future[bytes]:
        """Start it on a thread of its own. Cancelling the answer is how its caller goes away."""
        answer: Future[bytes] = Future()
        threading.Thread(target=self._settle, args=(answer,), name="errand", daemon=True).start()
        return answer

    def _settle(self, answer: Future[bytes]) -> None:
        try:
            body = self.do(answer.cancelled)
        except Exception as error:  # noqa: BLE001 - whatever comes of it is the answer
            if answer.set_running_or_notify_cancel():
                answer.set_exception(error)
            return
        if answer.set_running_or_notify_cancel():
            answer.set_result(body)
