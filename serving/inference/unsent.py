"""Bytes of large answers that clients have not taken: one count for all doors, and the limit --max_unsent_bytes."""

import threading
from collections.abc import Callable

from serving.errors import LimitError

LARGE_BYTES = 64 * 2**10
"""Answers up to this size are never refused: to look would cost more than they do."""

_WORTH_RETURNING_BYTES = 64 * 2**20


class UnsentBytes:
    """How many there are; ``limit`` is no limit if it is not positive. Thread-safe.

    When the last of many is taken, free memory goes back to the system, on a thread of its own: nobody waits for it.
    """

    def __init__(
        self,
        limit: int = 0,
        give_back: Callable[[], None] = lambda: None,
        count_refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._limit = limit
        self._count_refused = count_refused
        self._give_back = give_back
        self._lock = threading.Lock()
        self._bytes = self._most = 0

    @property
    def bytes(self) -> int:
        """How many are counted now."""
        return self._bytes

    def check(self, size: int) -> None:
        """Raise ServingError, RESOURCE_EXHAUSTED, if there is no room for an answer beside others."""
        waiting = self._bytes
        if waiting and 0 < self._limit < waiting + size:
            self._count_refused("max_unsent_bytes")
            raise LimitError(
                "max_unsent_bytes",
                f"The answer has {size} bytes, and clients have not taken {waiting} bytes of others yet; "
                f"--max_unsent_bytes={self._limit} is the limit",
            )

    def count(self, size: int) -> None:
        """So many wait."""
        with self._lock:
            self._bytes += size
            self._most = max(self._most, self._bytes)

    def replace(self, before: int, after: int) -> None:
        """``after`` wait where ``before`` did."""
        if after:
            self.count(after)
        if before:
            self.remove(before)

    def add(self, size: int) -> None:
        """Count an answer in. Raises ServingError if there is no room for it."""
        with self._lock:  # between the two nobody else is let in
            self.check(size)
            self._bytes += size
            self._most = max(self._most, self._bytes)

    def remove(self, size: int) -> None:
        """So many were taken, or are for nobody any more."""
        with self._lock:
            self._bytes -= size
            give_back = not self._bytes and self._most >= _WORTH_RETURNING_BYTES
            if not self._bytes:
                self._most = 0
        if give_back:
            threading.Thread(target=self._give_back, name="free-pages", daemon=True).start()
