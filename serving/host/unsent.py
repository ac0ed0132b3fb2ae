"""How many bytes of answers wait in this process for their clients, at both APIs, and the bound on them."""

from collections.abc import Callable
from threading import Lock, Timer

from serving.errors import Code, ServingError

LARGE_BYTES = 2**16
"""Smaller answers are never refused."""

_MUCH_BYTES = 2**24
_IDLE_SECONDS = 1.0


class Unsent:
    """Bytes that are counted in and out; ``limit`` of them are the most, no bound if that is not positive.

    ``on_empty`` is called a second after there was much and nothing is left. Thread-safe.
    """

    def __init__(self, limit: int = 0, on_empty: Callable[[], None] = lambda: None) -> None:
        self._limit = limit
        self._on_empty = on_empty
        self._lock = Lock()
        self._highest = 0
        self.bytes = 0

    def check(self, size: int) -> None:
        """Raise ServingError, RESOURCE_EXHAUSTED, if an answer of so many bytes is more than may wait."""
        waiting = self.bytes
        if 0 < self._limit < waiting + size and waiting:
            raise ServingError(
                Code.RESOURCE_EXHAUSTED,
                f"{waiting} bytes of answers wait for clients to read them, and this one has {size} more; expected "
                f"{self._limit} at most: read answers sooner, or set --max_unsent_bytes",
            )

    def add(self, size: int) -> None:
        """So many bytes wait."""
        with self._lock:
            self.bytes += size
            self._highest = max(self._highest, self.bytes)

    def remove(self, size: int) -> None:
        """They do not any more."""
        with self._lock:
            self.bytes -= size
            if self.bytes or self._highest < _MUCH_BYTES:
                return
            self._highest = 0
        timer = Timer(_IDLE_SECONDS, self._on_empty)
        timer.daemon = True
        timer.start()
