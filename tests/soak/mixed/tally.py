"""What became of calls, from many threads: counts and times by kind, and every answer that nobody expected."""

import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

_MOST_KEPT = 20
"""Texts of unexpected answers; all are counted."""


@dataclass(slots=True)
class Tally:
    """``seconds`` has the times of calls by kind, those that were refused for a limit apart."""

    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)
    texts: list[str] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _recent: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, began: float, trouble: str, *, refused: bool = False) -> None:
        """One call more, which began at that ``time.perf_counter``; ``trouble`` is empty for what was expected."""
        took = time.perf_counter() - began
        with self._lock:
            self.done[kind] += 1
            if refused:
                self.refused[kind] += 1
                return
            self.seconds[kind].append(took)
            self._recent.append(took)
            if trouble:
                self.unexpected[kind] += 1
                if len(self.texts) < _MOST_KEPT:
                    self.texts.append(f"{kind}: {trouble[:300]}")

    def recent(self) -> list[float]:
        """The times of calls since this was asked for the last time."""
        with self._lock:
            recent, self._recent = self._recent, []
        return recent


def quantile(seconds: list[float], part: float) -> float:
    """Of the times, in milliseconds; 0 if there are none."""
    return 1000 * sorted(seconds)[int(part * (len(seconds) - 1))] if seconds else 0.0
