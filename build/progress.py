"""Bazel's output, understood: how far it is, how long it will take, what is slowest. Pure; the time is an argument.

Written for ``--curses=no --color=no``, where each report is a line of its own.
"""

import re
from collections import deque
from dataclasses import dataclass

# [4,425 / 4,540] 302 / 343 tests; Compiling a/b.cc; 9s linux-sandbox ... (16 actions, 15 running)
# [5 / 9] 2 actions running; Compiling a/b.cc; 9s local
_REPORT = re.compile(r"^(?:\(\d\d:\d\d:\d\d\) )?\[([\d,]+) / ([\d,]+)\] ?(.*)$")
_ACTION = re.compile(r"(?:^|; )([^;]+); (\d+)s\b")
_COUNTS = re.compile(r"^(?:\d+ / \d+ tests|\d+ actions?(?:, \d+)?(?: running)?)(?:, [^;]*)?; ")

# Long enough for one large file not to spoil the rate, short enough to forget the quick beginning: actions that come
# from the cache take no time, and after them come those that do.
WINDOW_SECONDS = 600.0

_MINUTE = 60
_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One line of Bazel's: actions done and known so far, and the one that runs longest ("", 0 if none is named)."""

    done: int
    total: int
    action: str
    seconds: int


def parse(line: str) -> Report | None:
    """What a line reports; None for any other line."""
    found = _REPORT.match(line)
    if not found:
        return None
    done, total = (int(number.replace(",", "")) for number in found.groups()[:2])
    action = _ACTION.search(_COUNTS.sub("", found[3]))
    if not action:
        return Report(done=done, total=total, action="", seconds=0)
    return Report(done=done, total=total, action=action[1].strip(), seconds=int(action[2]))


def duration(seconds: float) -> str:
    """``45 s``, ``12 min`` or ``3 h 05 min``."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    minutes = round(seconds / _MINUTE)
    return f"{minutes // _MINUTE} h {minutes % _MINUTE:02d} min"


class Progress:
    """Bazel's reports over time. ``now`` is seconds of any clock that does not go back."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._latest = Report(done=0, total=0, action="", seconds=0)
        self._seen: deque[tuple[float, int]] = deque()
        self.slowest = ("", 0)

    def feed(self, line: str, now: float) -> bool:
        """Take in a line; whether it was a report."""
        report = parse(line)
        if report is None:
            return False
        self._latest = report
        if report.seconds > self.slowest[1]:
            self.slowest = (report.action, report.seconds)
        self._seen.append((now, report.done))
        # One sample from before the window stays, so that the window is covered whole.
        while len(self._seen) > 1 and now - self._seen[1][0] >= WINDOW_SECONDS:
            self._seen.popleft()
        return True

    def seconds_left(self) -> float | None:
        """What remains at the rate of the window; None when nothing can be said yet."""
        if not self._seen:
            return None
        (then, before), (now, done) = self._seen[0], self._seen[-1]
        if done <= before or now <= then:
            return None
        return (self._latest.total - done) * (now - then) / (done - before)

    def text(self, now: float) -> str:
        """As ``1,234/5,678 (21 %), 4 min so far, about 41 min left, longest now: Compiling a.cc, 2 min``."""
        latest = self._latest
        so_far = f"{duration(now - self._began)} so far"
        if not latest.total:
            return f"starting, {so_far}"
        words = [f"{latest.done:,}/{latest.total:,} ({100 * latest.done // latest.total} %)", so_far]
        left = self.seconds_left()
        words += [f"about {duration(left)} left"] if left is not None else []
        words += [f"longest now: {latest.action}, {duration(latest.seconds)}"] if latest.action else []
        return ", ".join(words)
