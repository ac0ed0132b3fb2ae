"""What a mixed soak saw of the server over time, its bounds, and both as a table and as a plot."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.soak.mixed.tally import Tally, quantile

MORE_MEBI = 64
MORE_THREADS = 8
MORE_DESCRIPTORS = 8
"""What may be there more at the end than after the first part: the bounds of a soak of ten minutes.

Of memory, what was seen to grow in five minutes (docs/reliability.md) and a margin: a leak that matters is faster.
"""

_SETTLED, _END = 0.2, 0.8
"""The parts of the time between which the first figure is taken, and from which on the last one is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the server, ``seconds`` after the beginning; rates and times are since the look before."""

    seconds: float
    calls_per_second: float
    p50_ms: float
    p99_ms: float
    mebi: int
    threads: int
    descriptors: int


Read = Callable[[Sample], float]

_BOUNDS: tuple[tuple[str, Read, int], ...] = (
    ("MiB of memory", lambda sample: sample.mebi, MORE_MEBI),
    ("threads", lambda sample: sample.threads, MORE_THREADS),
    ("descriptors", lambda sample: sample.descriptors, MORE_DESCRIPTORS),
)


def grown(samples: list[Sample]) -> Iterator[tuple[str, float, float, int]]:
    """What is bounded, its median after the first part and at the end, and by how much it may grow."""
    end = samples[-1].seconds
    first = [each for each in samples if _SETTLED * end <= each.seconds < 2 * _SETTLED * end] or samples[:1]
    last = [each for each in samples if each.seconds >= _END * end]
    for name, read, bound in _BOUNDS:
        yield name, median(map(read, first)), median(map(read, last)), bound


def wrong(tally: Tally, samples: list[Sample]) -> list[str]:
    """What makes the soak fail, in words."""
    found = [f"{sum(tally.unexpected.values())} calls ended as nobody expected"] if tally.unexpected else []
    for name, first, last, bound in grown(samples):
        if last > first + bound:
            found.append(f"{name} grew from {first:.0f} to {last:.0f}, by more than {bound}")
    return found + tally.texts


def table(tally: Tally, samples: list[Sample]) -> str:
    """Calls by kind, then what was held."""
    rows = [["calls", "done", "refused by a limit", "unexpected", "p50 ms", "p99 ms"]]
    for kind in sorted(tally.done):
        times = [f"{quantile(tally.seconds[kind], part):.1f}" for part in (0.5, 0.99)]
        counts = (tally.done[kind], tally.refused[kind], tally.unexpected[kind])
        rows.append([kind, *map(str, counts), *times])
    totals = [str(sum(counter.values())) for counter in (tally.done, tally.refused, tally.unexpected)]
    every = [second for seconds in tally.seconds.values() for second in seconds]
    rows.append(["all", *totals, *(f"{quantile(every, part):.1f}" for part in (0.5, 0.99))])
    held = [["held", "after a fifth", "at the end", "may grow by"]]
    held += [[name, f"{first:.0f}", f"{last:.0f}", str(bound)] for name, first, last, bound in grown(samples)]
    return f"{_aligned(rows)}\n\n{_aligned(held)}"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def draw(samples: list[Sample], path: Path) -> None:
    """Write the plot as SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 9.0), layout="constrained")
    axes = figure.subplots(4, 1, sharex=True)
    seconds = [each.seconds for each in samples]

    def plot(place: int, label: str, **lines: Read) -> None:
        for name, read in lines.items():
            axes[place].plot(seconds, [read(each) for each in samples], label=name)
        _label(axes[place], label)

    plot(0, "calls per second", calls=lambda each: each.calls_per_second)
    plot(1, "milliseconds", p50=lambda each: each.p50_ms, p99=lambda each: each.p99_ms)
    plot(2, "MiB", memory=lambda each: each.mebi)
    plot(3, "held", threads=lambda each: each.threads, descriptors=lambda each: each.descriptors)
    axes[1].set_yscale("log")
    axes[3].set_xlabel("seconds")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _label(axes: Any, label: str) -> None:
    axes.set_ylabel(label)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="upper right")
    axes.set_ylim(bottom=0)
