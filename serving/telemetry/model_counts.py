"""What the metrics know of each model, or version, summed up for those who ask for it by name and not by page."""

from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple, TypeVar

from serving.errors import Code
from serving.telemetry.metrics import Counter, Family, Histogram, Labels, Registry
from serving.telemetry.serving_metrics import ServingMetrics

_OK = Code.OK.name
_NANOS_OF_MICROS, _NANOS_OF_SECONDS = 1_000, 1_000_000_000


class Sum(NamedTuple):
    """How many there were, and the nanoseconds that they took together."""

    times: int = 0
    nanoseconds: int = 0


class ModelCounts(NamedTuple):
    """Requests that were answered, those that were not, and the runs of the model among the former."""

    answered: Sum = Sum()
    failed: int = 0
    ran: Sum = Sum()


KeyT = TypeVar("KeyT", bound=Hashable)
Key = Callable[[Labels], KeyT | None]
"""What the points with these labels are summed up by; None for those that do not count."""


def by_model(metrics: ServingMetrics) -> Mapping[str, ModelCounts]:
    """Requests that call a model, of all versions; of those that failed also the others. One pass over the points."""
    failed = counted(metrics.request_count, lambda labels: labels[0] if labels[1] != _OK else None)
    answered = _summed(metrics.request_latency, lambda labels: labels[0] if labels[1] else None, _NANOS_OF_MICROS)
    ran = _summed(metrics.runtime_latency, lambda labels: labels[0], _NANOS_OF_MICROS)
    return _together(answered, failed, ran)


def by_version(registry: Registry) -> Mapping[tuple[str, str], ModelCounts] | None:
    """The same by model and version; None without --metrics_per_version."""
    requests = registry.family("/serving/requests", Counter)
    latency = registry.family("/serving/request_seconds", Histogram)
    runs = registry.family("/serving/run_seconds", Histogram)
    if requests is None or latency is None or runs is None:
        return None
    failed = counted(requests, lambda labels: labels[:2] if labels[-1] != _OK else None)
    answered = _summed(
        latency, lambda labels: labels[:2] if labels[-1] == _OK and labels[3] else None, _NANOS_OF_SECONDS
    )
    found = _together(answered, failed, _summed(runs, lambda labels: labels[:2], _NANOS_OF_SECONDS))
    return {(model, version): counts for (model, version), counts in found.items()}


def counted(family: Family[Counter], key: Key[KeyT]) -> dict[KeyT, int]:
    """The sums of a counter's points, by what ``key`` makes of their labels."""
    found: dict[KeyT, int] = {}
    for labels, counter in family.points():
        name = key(labels)
        if name is not None:
            found[name] = found.get(name, 0) + counter.value
    return found


def _summed(family: Family[Histogram], key: Key[KeyT], unit: int) -> dict[KeyT, Sum]:
    found: dict[KeyT, Sum] = {}
    for labels, histogram in family.points():
        name = key(labels)
        if name is not None:
            seen, before = histogram.value, found.get(name, Sum())
            found[name] = Sum(before.times + sum(seen.counts), before.nanoseconds + int(seen.sum * unit))
    return found


def _together(
    answered: Mapping[KeyT, Sum], failed: Mapping[KeyT, int], ran: Mapping[KeyT, Sum]
) -> dict[KeyT, ModelCounts]:
    names = answered.keys() | failed.keys() | ran.keys()
    return {name: ModelCounts(answered.get(name, Sum()), failed.get(name, 0), ran.get(name, Sum())) for name in names}
