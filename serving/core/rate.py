"""So many per second, with bursts of as many as a second has: a bucket of tokens, without a clock."""

import math


class Rate:
    """``per_second`` may be taken. Not thread-safe."""

    __slots__ = ("_at", "_tokens", "per_second")

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._tokens = self.most(per_second)
        self._at = -math.inf

    @staticmethod
    def most(per_second: float) -> float:
        """How many there are at once at most."""
        return max(per_second, 1.0)

    def take(self, now: float) -> float:
        """0 if there was one at ``now``; else the seconds until there is one."""
        self._tokens = min(self.most(self.per_second), self._tokens + max(now - self._at, 0.0) * self.per_second)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self.per_second
