"""What was measured, as values, and the arithmetic on it: ratios by round, medians, targets. No I/O."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from statistics import median


class BenchError(Exception):
    """A measurement that cannot be made or would mean nothing; the text says why."""


class NothingAnsweredError(BenchError):
    """The load was too short for a single answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One load on one server. Latencies in milliseconds; ``model_ms`` is the server's own mean time in the model."""

    throughput: float
    mean_ms: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    model_ms: float | None = None


class Quantity(Enum):
    """What of a measurement is looked at; the value is its unit."""

    THROUGHPUT = "req/s"
    P50 = "ms (p50)"
    OVERHEAD = "ms over the model's own time (mean)"

    def of(self, measurement: Measurement) -> float:
        """The figure, in the unit. BenchError for an overhead without the time in the model."""
        match self:
            case Quantity.THROUGHPUT:
                return measurement.throughput
            case Quantity.P50:
                return measurement.p50_ms
            case Quantity.OVERHEAD:
                if measurement.model_ms is None:
                    raise BenchError("the server did not say how long the model took")
                return measurement.mean_ms - measurement.model_ms


class Figure(Enum):
    """How ours is set against the baseline; the value is a format."""

    RATIO = "{:.2f}"
    DIFFERENCE = "{:+.2f}"
    VALUE = "{:,.2f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bound on a figure."""

    bound: float
    at_least: bool = True

    def met(self, value: float) -> bool:
        """Whether ``value`` is on the right side of the bound, or on it."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. ``value`` is the figure's median over the rounds; ``low`` and ``high`` its extremes."""

    scenario: str
    load: str
    unit: str
    ours_name: str
    ours: float
    baseline_name: str = ""
    baseline: float | None = None
    figure: Figure
    value: float
    low: float
    high: float
    target: Target | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target was met; None if there is none."""
        return None if self.target is None else self.target.met(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Something that could not be measured, and why."""

    scenario: str
    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Figures that are no comparison with a baseline. ``met`` has an entry for each that has a bar."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    met: tuple[bool, ...] = ()


Key = tuple[str, int]
"""A contender's name and a level of concurrency."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came out of a scenario; ``measurements`` has one for each round, ``ratios`` model, load and median."""

    measurements: dict[Key, list[Measurement]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    ratios: list[tuple[str, str, float]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def compare(ours: Sequence[float], baseline: Sequence[float], figure: Figure) -> list[float]:
    """The figure of each round; round by round, so that what slows the machine for a while slows both."""
    match figure:
        case Figure.RATIO:
            return [mine / other for mine, other in zip(ours, baseline, strict=True)]
        case Figure.DIFFERENCE:
            return [mine - other for mine, other in zip(ours, baseline, strict=True)]
        case Figure.VALUE:
            return list(ours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a row is about."""

    scenario: str
    load: str
    unit: str
    ours: str
    baseline: str = ""


def row(names: Names, ours: Sequence[float], baseline: Sequence[float], figure: Figure, target: Target | None) -> Row:
    """The row of figures by round. ``baseline`` is empty for a figure that stands alone."""
    values = compare(ours, baseline, figure)
    return Row(
        scenario=names.scenario,
        load=names.load,
        unit=names.unit,
        ours_name=names.ours,
        ours=median(ours),
        baseline_name=names.baseline,
        baseline=median(baseline) if baseline else None,
        figure=figure,
        value=median(values),
        low=min(values),
        high=max(values),
        target=target,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of ``values`` that at least ``share`` of them do not exceed; NothingAnsweredError without any."""
    if not values:
        raise NothingAnsweredError("no request was answered")
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]
