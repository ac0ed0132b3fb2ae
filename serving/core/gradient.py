"""How many requests a model bears at once, measured: Envoy's gradient, without threads and without a clock.

As long as requests take as long as they do when few are in flight, more may be; as they take longer, fewer. How long
they take when few are is measured anew from time to time, for models change and so does what else the machine does.
"""

import math
from dataclasses import dataclass, field

_FEWEST = 3
_FIRST = 16
_MOST = 1000
_BUFFER = 1.25
"""How much longer than with few in flight they may take before fewer may be: noise is no queue."""

_LARGEST_GRADIENT = 2.0
_WINDOW_SECONDS = 0.1
_WINDOW_REQUESTS = 25
"""A window is over after so long, once it has so many requests."""

_MEASURED_REQUESTS = 50
_MEASURE_SECONDS = 60.0


@dataclass(slots=True)
class Gradient:
    """``limit`` is how many may be in flight."""

    limit: int = _FIRST
    _shortest: float = 0.0
    _until: float = -math.inf
    _measuring: bool = False
    _before: int = _FIRST
    _window: list[float] = field(default_factory=list)
    _began: float = -math.inf
    _most_seen: int = 0

    @property
    def has_samples(self) -> bool:
        """Whether anything was measured."""
        return self._shortest > 0 or bool(self._window)

    def observe(self, seconds: float, now: float, in_flight: int) -> None:
        """A request that has succeeded was in flight for so long, and so many were when it ended."""
        if not self._window:
            self._began, self._most_seen = now, 0
        self._most_seen = max(self._most_seen, in_flight)
        self._window.append(seconds)
        if self._measuring:
            if len(self._window) >= _MEASURED_REQUESTS:
                self._measured(now)
        elif now >= self._until:
            self._measure()
        elif len(self._window) >= _WINDOW_REQUESTS and now - self._began >= _WINDOW_SECONDS:
            self._adapt()

    def _measure(self) -> None:
        """Let few be in flight, and see how long these take; those that came before are not of them."""
        self._measuring, self._before, self.limit = True, max(self.limit, _FEWEST), _FEWEST
        self._window = []

    def _measured(self, now: float) -> None:
        self._shortest = self._middle()
        self._measuring, self._until = False, now + _MEASURE_SECONDS
        self.limit = self._before

    def _adapt(self) -> None:
        gradient = min(self._shortest * _BUFFER / max(self._middle(), 1e-9), _LARGEST_GRADIENT)
        limit = gradient * self.limit
        limit = max(_FEWEST, min(int(limit + math.sqrt(limit)), _MOST))
        if limit <= self.limit or 2 * self._most_seen >= self.limit:  # a limit that nobody reaches says nothing
            self.limit = limit

    def _middle(self) -> float:
        window, self._window = sorted(self._window), []
        return window[len(window) // 2]
