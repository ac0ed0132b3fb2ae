"""What is counted and read at one moment, as plain values that another process may be sent, and back again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from serving.telemetry.metrics import Counter, Distribution, Exemplar, Gauge, Histogram, Kind, Labels, Registry
from serving.telemetry.readings import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a histogram has seen, with the newest exemplar of each bucket that has one, by its position."""

    distribution: Distribution
    exemplars: Mapping[int, Exemplar] = field(default_factory=dict)

    def plus(self, other: "Seen") -> "Seen":
        """Both together; ``other`` has the same bounds."""
        (counts, total), (more, further) = self.distribution, other.distribution
        newest = dict(self.exemplars)
        for position, each in other.exemplars.items():
            newest[position] = max(newest.get(position, each), each, key=lambda exemplar: exemplar.when)
        summed = tuple(one + another for one, another in zip(counts, more, strict=True))
        return Seen(distribution=Distribution(summed, total + further), exemplars=newest)


Value = float | Seen
"""A counter's is a whole number, a reading's any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric by label values; ``is_read`` says that nobody counts it. Otherwise as ``Family`` and ``Reading``."""

    name: str
    kind: Kind
    labels: Labels
    points: Mapping[Labels, Value]
    bounds: tuple[float, ...] = ()
    exact: bool = False
    is_read: bool = False


Snapshot = Mapping[str, Metric]
"""Metrics by name."""


def snapshot(registry: Registry, readings: Iterable[Reading]) -> Snapshot:
    """What there is now."""
    counted = {
        family.name: Metric(
            name=family.name,
            kind=family.kind,
            labels=family.labels,
            points={labels: _value(point) for labels, point in family.points()},
            bounds=tuple(family.bounds),
            exact=family.exact,
        )
        for family in registry.families()
    }
    read = {
        each.name: Metric(name=each.name, kind=each.kind, labels=each.labels, points=dict(each.points), is_read=True)
        for each in readings
    }
    return counted | read


def restored(metrics: Snapshot) -> tuple[Registry, list[Reading]]:
    """A registry and readings with these values."""
    registry, readings = Registry(), []
    for metric in metrics.values():
        if metric.is_read:
            points = [(labels, value) for labels, value in metric.points.items() if not isinstance(value, Seen)]
            readings.append(Reading(name=metric.name, kind=metric.kind, labels=metric.labels, points=points))
        else:
            _restore(registry, metric)
    return registry, readings


def _value(point: Counter | Gauge | Histogram) -> Value:
    if isinstance(point, Histogram):
        exemplars = point.exemplars  # before the counts: what comes meanwhile is counted already
        return Seen(distribution=point.value, exemplars=dict(exemplars))
    return point.value


def _restore(registry: Registry, metric: Metric) -> None:
    match metric.kind:
        case Kind.COUNTER:
            counters = registry.counter(metric.name, *metric.labels)
            for labels, value in metric.points.items():
                counters.child(*labels).add(_whole(value))
        case Kind.GAUGE:
            gauges = registry.gauge(metric.name, *metric.labels)
            for labels, value in metric.points.items():
                gauges.child(*labels).set(_whole(value))
        case Kind.HISTOGRAM:
            histograms = registry.histogram(metric.name, metric.bounds, *metric.labels, exact=metric.exact)
            for labels, value in metric.points.items():
                if isinstance(value, Seen):
                    histograms.child(*labels).add(value.distribution, value.exemplars)


def _whole(value: Value) -> int:
    return 0 if isinstance(value, Seen) else int(value)
