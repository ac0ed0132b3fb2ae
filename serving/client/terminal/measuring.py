"""Calls as fast as they are answered, so many at once, for some time or some number: latencies, and what failed."""

import itertools
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from serving.client.terminal.progress import Progress

_DRAW_SECONDS = 0.1
PERCENTILES = (50, 90, 99)


@dataclass(slots=True)
class Measured:
    """What came of it: the milliseconds of the calls that were answered, the errors by their text, the whole time."""

    milliseconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return len(self.milliseconds) / self.seconds if self.seconds else 0.0

    def latencies(self) -> dict[str, float]:
        """p50, p90, p99 and max of the answered calls, in milliseconds; nothing without any."""
        if not self.milliseconds:
            return {}
        # The smallest that so many percent are not over: one that was measured, not one between two.
        values = np.percentile(self.milliseconds, PERCENTILES, method="inverted_cdf")
        return {
            **{f"p{percent}": float(value) for percent, value in zip(PERCENTILES, values, strict=True)},
            "max": max(self.milliseconds),
        }


class Load:
    """``call`` again and again on ``concurrency`` threads, until so many seconds or requests are over."""

    def __init__(
        self, call: Callable[[], str], *, concurrency: int, seconds: float | None, requests: int | None
    ) -> None:
        self._call = call
        self._concurrency = concurrency
        self._seconds, self._requests = seconds or math.inf, requests or math.inf
        self._tickets = itertools.count()
        self._stop = threading.Event()
        self._begun = 0.0

    def run(self, progress: Progress) -> Measured:
        """Measure. ``call`` gives the text of its error, or "". An interruption ends it early, with what there is."""
        parts = [Measured() for _ in range(self._concurrency)]
        threads = [threading.Thread(target=self._work, args=(part,), daemon=True) for part in parts]
        self._begun = time.perf_counter()
        for thread in threads:
            thread.start()
        try:
            self._wait(threads, parts, progress)
        except KeyboardInterrupt:
            self._stop.set()
            for thread in threads:
                thread.join()
        whole = Measured(seconds=time.perf_counter() - self._begun)
        for part in parts:
            whole.milliseconds += part.milliseconds
            whole.errors += part.errors
        return whole

    def _work(self, part: Measured) -> None:
        until = self._begun + self._seconds
        while not self._stop.is_set() and next(self._tickets) < self._requests:
            begun = time.perf_counter()
            if begun >= until:
                return
            error = self._call()
            if error:
                part.errors[error] += 1
            else:
                part.milliseconds.append((time.perf_counter() - begun) * 1000)

    def _wait(self, threads: list[threading.Thread], parts: list[Measured], progress: Progress) -> None:
        for thread in threads:
            while thread.is_alive():
                thread.join(_DRAW_SECONDS)
                done = sum(len(part.milliseconds) for part in parts)
                share = max((time.perf_counter() - self._begun) / self._seconds, done / self._requests)
                progress.show(share, f"{done} requests")
