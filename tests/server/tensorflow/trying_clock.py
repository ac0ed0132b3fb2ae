"""A clock for the process that tries engines: it decides which of two is faster, for that is nothing for a test."""


class Clock:
    """Seconds that pass at every look: ``first`` at the first, then each time ``factor`` times as many."""

    def __init__(self, factor: float, first: float = 100.0) -> None:
        self._now = 0.0
        self._step = first
        self._factor = factor

    def __call__(self) -> float:
        self._now += self._step
        self._step *= self._factor
        return self._now
