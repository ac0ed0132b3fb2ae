"""Large answers that the native front was given: it says how many calls have ended, not which."""

import bisect
import threading
from collections.abc import Callable, Mapping
from typing import Any

from serving.inference.unsent import LARGE_BYTES, UnsentBytes

LOOK_SECONDS = 0.5


class LargeAnswers:
    """Which sizes may still be on their way: of those handed over, as many of the largest as have not ended.

    So a door counts too much rather than too little, and exactly when all have ended. Thread-safe.
    """

    def __init__(self, unsent: UnsentBytes, metrics: Callable[[], Mapping[str, Any]]) -> None:
        self._unsent = unsent
        self._metrics = metrics
        self._lock = threading.Lock()
        self._handed = 0
        self.sizes: list[int] = []
        """Ascending; empty when nothing is on its way."""

    def hand_over(self, size: int, respond: Callable[[], bool | None]) -> None:
        """Give an answer to the front by ``respond``. Raises ServingError if there is no room for it."""
        self.look()
        self._unsent.add(size)
        with self._lock:
            self._handed += 1
            bisect.insort(self.sizes, size)
        if respond() is False:  # the call was cancelled, and the front does not count its answer
            with self._lock:
                self._handed -= 1
            self.look()

    def look(self) -> None:
        """See how many have ended."""
        if not self.sizes:
            return
        ended = _large_ended(self._metrics())
        with self._lock:
            gone = self.sizes[: max(len(self.sizes) - max(self._handed - ended, 0), 0)]
            del self.sizes[: len(gone)]
        if gone:
            self._unsent.remove(sum(gone))


def _large_ended(metrics: Mapping[str, Any]) -> int:
    """How many calls have ended whose answer was large, whatever became of it."""
    first = metrics["size_bounds"].index(LARGE_BYTES) + 1
    return sum(
        sum(status["sent"]["buckets"][first:])
        for method in metrics["methods"].values()
        for status in method["status"].values()
    )
