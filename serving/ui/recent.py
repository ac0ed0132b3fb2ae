"""Looks that several people share: one looks, and the others see what it has seen if that is new enough."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

SeenT = TypeVar("SeenT")


class Recent(Generic[SeenT]):
    """What ``look`` gives, at most ``seconds`` old; the very object of before if it is equal to that. Thread-safe."""

    def __init__(self, look: Callable[[], SeenT], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._seen: SeenT | None = None
        self._until = 0.0

    def now(self) -> SeenT:
        """Look, unless somebody has just done so; blocks meanwhile."""
        with self._lock:
            seen = self._seen
            if seen is None or self._clock() >= self._until:
                new = self._look()
                seen = self._seen = new if seen is None or new != seen else seen
                self._until = self._clock() + self._seconds
            return seen
