"""How long the calls of one run take on average, and so whether they are worth a thread hop. It reads no clock."""

import math

INLINE_SECONDS = 0.001
"""Below this mean a call is cheaper than the thread hop of 50-100 µs is worth."""

_MEAN_WEIGHT = 0.1
_PLANNING_CALLS = 1
"""The first call of a step prunes and places its graph; its time says nothing about the next one's."""


class Pace:
    """A running mean of call times; a lost update between threads does no harm."""

    __slots__ = ("_calls", "_mean_seconds")

    def __init__(self) -> None:
        self._calls = 0
        self._mean_seconds = math.inf

    @property
    def inline(self) -> bool:
        """Whether the mean is below ``INLINE_SECONDS``; nothing is known before the second call."""
        return self._mean_seconds < INLINE_SECONDS

    def note(self, seconds: float) -> None:
        """Take the time of one more call into account."""
        self._calls += 1
        if self._calls == _PLANNING_CALLS + 1:
            self._mean_seconds = seconds
        elif self._calls > _PLANNING_CALLS:
            self._mean_seconds += (seconds - self._mean_seconds) * _MEAN_WEIGHT
