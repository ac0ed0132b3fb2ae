"""What the probes saw, as values, the bar, and the tables. No I/O.

All waits are in milliseconds, all memory in units of 10^6 bytes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

from tests.bench.report import amount
from tests.bench.results import Table, percentile

P99_MS, WORST_MS = 50.0, 250.0
"""How much longer than in the quiet others may wait, less what an idle process waited."""

MEMORY_RATIO = 1.2

Span = tuple[float, float]
"""From when to when, in seconds by the monotonic clock; the end is not in it."""


class Sample(NamedTuple):
    """A request of a probe: when it was due, how long it then took, in seconds, and whether the answer was good."""

    due: float
    wait: float
    good: bool


def read_samples(log: str) -> list[Sample]:
    """The lines of a probe's log."""
    rows = (line.split() for line in log.splitlines())
    return [Sample(float(due), float(wait), good == "1") for due, wait, good in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """What a probe waited in one span; ``failed`` of its requests had no good answer."""

    p50: float
    p99: float
    worst: float
    failed: int = 0


def waits(samples: Iterable[Sample], span: Span, pace: float) -> Waits:
    """The waits of all that was due in ``span``, at a pace of ``pace`` seconds.

    While a request waits, those that were due behind it wait too: they were not sent, and count with the rest of its
    wait. Otherwise a server that stands still for ten seconds would look like one slow answer. NothingAnsweredError if
    nothing was due.
    """
    began, ended = span
    found: list[float] = []
    failed = 0
    for due, wait, good in samples:
        steps = range(int(wait / pace) + 1)
        found += [wait - step * pace for step in steps if began <= due + step * pace < ended]
        failed += not good and due < ended and due + wait >= began
    return Waits(
        p50=percentile(found, 0.5) * 1e3, p99=percentile(found, 0.99) * 1e3, worst=max(found) * 1e3, failed=failed
    )


def waits_under_load(samples: Sequence[Sample], sending: Span, last: float, pace: float) -> Waits:
    """The waits while the load was sent; the worst and the failed ones until its last answer came, at ``last``.

    What is on its way when the sending ends stalls others as well, but there is less and less of it.
    """
    whole = waits(samples, (sending[0], max(last, sending[1])), pace)
    return replace(waits(samples, sending, pace), worst=whole.worst, failed=whole.failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident memory of a server with its children: before the load, at most in it, and some seconds after it."""

    before: float
    peak: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One kind of costly requests on one server. ``quiet`` and ``loaded`` have the waits of each probe.

    ``control`` is the worst wait of an idle process under the same load, ``loop`` the longest of the event loop, and
    ``events`` that of the thread which reads native's events. ``ended`` counts the costly requests by status.
    """

    quiet: Mapping[str, Waits]
    loaded: Mapping[str, Waits]
    control: float
    loop: float
    events: float
    ended: Mapping[str, int]
    memory: Memory


class Over(NamedTuple):
    """How much longer a probe waited than in the quiet, less the idle process's worst wait; medians of the rounds."""

    p99: float
    worst: float
    failed: int

    @property
    def met(self) -> bool:
        """Whether both are within the bar, and every answer was good."""
        return self.p99 <= P99_MS and self.worst <= WORST_MS and not self.failed


def over(rounds: Sequence[Round], probe: str) -> Over:
    """What is held against the bar."""
    pairs = [(each.loaded[probe], each.quiet[probe], each.control) for each in rounds]
    return Over(
        p99=median(loaded.p99 - quiet.p99 - control for loaded, quiet, control in pairs),
        worst=median(loaded.worst - quiet.worst - control for loaded, quiet, control in pairs),
        failed=sum(loaded.failed for loaded, _, _ in pairs),
    )


def growth(rounds: Sequence[Round]) -> float:
    """Which part of the memory before the load is there after it: the median of the rounds."""
    return median(each.memory.after / each.memory.before for each in rounds)


def tables(found: Mapping[str, Sequence[Round]], seconds: float) -> tuple[Table, Table]:
    """Of rounds by the title of their kind: what others waited, and what became of the requests and of the server."""
    load = f"16 connections, {seconds:g} s a round"
    return (
        Table(
            title=f"Waits beside costly requests: {load}; p50 / p99 / worst, ms",
            columns=(
                "costly requests",
                "probe",
                "quiet",
                "under load",
                "idle process",
                "p99 over",
                "worst over",
                "met",
            ),
            lines=tuple(line for title, rounds in found.items() for line in _wait_lines(title, rounds)),
            met=tuple(over(rounds, probe).met for rounds in found.values() for probe in rounds[0].loaded),
        ),
        Table(
            title=f"The server beside costly requests: {load}; waits in ms, resident memory in MB",
            columns=("costly requests", "ended", "loop", "events", "before / peak / after", "after to before", "met"),
            lines=tuple(_server_line(title, rounds) for title, rounds in found.items()),
            met=tuple(growth(rounds) <= MEMORY_RATIO for rounds in found.values()),
        ),
    )


def _wait_lines(title: str, rounds: Sequence[Round]) -> Iterator[tuple[str, ...]]:
    for probe in rounds[0].loaded:
        found = over(rounds, probe)
        yield (
            title,
            probe,
            _waits([each.quiet[probe] for each in rounds]),
            _waits([each.loaded[probe] for each in rounds]),
            amount(median(each.control for each in rounds)),
            f"{amount(found.p99)} of {P99_MS:g}",
            f"{amount(found.worst)} of {WORST_MS:g}",
            _met(found.met) + (f", {found.failed} failed" if found.failed else ""),
        )


def _waits(found: Sequence[Waits]) -> str:
    medians = (median(w.p50 for w in found), median(w.p99 for w in found), median(w.worst for w in found))
    return " / ".join(map(amount, medians))


def _server_line(title: str, rounds: Sequence[Round]) -> tuple[str, ...]:
    ended = sum((Counter(each.ended) for each in rounds), Counter[str]())
    sizes = [each.memory for each in rounds]
    medians = (median(s.before for s in sizes), median(s.peak for s in sizes), median(s.after for s in sizes))
    return (
        title,
        ", ".join(f"{status}: {count:,}" for status, count in sorted(ended.items())) or "none",
        amount(median(each.loop for each in rounds)),
        amount(median(each.events for each in rounds)),
        " / ".join(map(amount, medians)),
        f"{growth(rounds):.2f} of {MEMORY_RATIO:g}",
        _met(growth(rounds) <= MEMORY_RATIO),
    )


def _met(met: bool) -> str:
    return "met" if met else "missed"
