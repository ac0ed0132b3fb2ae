"""What the metrics have counted, as the page draws it: requests, errors and times of each model; rows of batches."""

from collections.abc import Hashable, Mapping
from typing import TypedDict, TypeVar

from serving.errors import Code
from serving.telemetry import model_counts
from serving.telemetry.metrics import Counter, Family, Histogram, Labels
from serving.telemetry.model_counts import Key
from serving.telemetry.serving_metrics import ServingMetrics
from serving.ui.values import Counts, HistogramView, ModelCounts

_OK = Code.OK.name
_MICROS = 1e6
_DIGITS = 9
_BATCH_SIZES = "/tensorflow/serving/batching_session/processed_batch_size"

KeyT = TypeVar("KeyT", bound=Hashable)


class _Counted(TypedDict):
    requests: int
    errors: int
    seconds: HistogramView


def models(metrics: ServingMetrics) -> Mapping[str, ModelCounts]:
    """Every model that was asked to run, by name: requests that call it, and all that failed."""
    answered = _added(metrics.request_latency, lambda labels: labels[0] if labels[1] else None)
    failed = model_counts.counted(metrics.request_count, lambda labels: labels[0] if labels[1] != _OK else None)
    bounds = tuple(round(each / _MICROS, _DIGITS) for each in metrics.request_latency.bounds)
    versions = _versions(metrics)
    return {
        name: ModelCounts(
            **_counts(bounds, answered.get(name), failed.get(name, 0)),
            versions={version: counts for (model, version), counts in versions.items() if model == name},
        )
        for name in sorted(answered.keys() | failed.keys())
        if name
    }


def batch_sizes(metrics: ServingMetrics) -> HistogramView | None:
    """Rows of the batches that were run; None if none was."""
    metrics.batching.update()
    family = metrics.registry.family(_BATCH_SIZES, Histogram)
    if family is None:
        return None
    return HistogramView(bounds=tuple(family.bounds), counts=_sum([each.value.counts for _, each in family.points()]))


def _versions(metrics: ServingMetrics) -> Mapping[tuple[str, str], Counts]:
    requests = metrics.registry.family("/serving/requests", Counter)
    latency = metrics.registry.family("/serving/request_seconds", Histogram)
    if requests is None or latency is None:
        return {}

    def of(labels: Labels) -> tuple[str, str] | None:
        return (labels[0], labels[1]) if labels[1] and labels[3] else None

    answered = _added(latency, lambda labels: of(labels) if labels[-1] == _OK else None)
    failed = model_counts.counted(requests, lambda labels: of(labels) if labels[-1] != _OK else None)
    bounds = tuple(latency.bounds)
    return {
        key: Counts(**_counts(bounds, answered.get(key), failed.get(key, 0)))
        for key in sorted(answered.keys() | failed.keys())
    }


def _counts(bounds: tuple[float, ...], answered: tuple[int, ...] | None, failed: int) -> _Counted:
    counts = answered or (0,) * (len(bounds) + 1)
    return {"requests": sum(counts) + failed, "errors": failed, "seconds": HistogramView(bounds=bounds, counts=counts)}


def _added(family: Family[Histogram], key: Key[KeyT]) -> dict[KeyT, tuple[int, ...]]:
    found: dict[KeyT, tuple[int, ...]] = {}
    for labels, histogram in family.points():
        name = key(labels)
        if name is not None:
            counts = histogram.value.counts
            found[name] = _sum([found[name], counts]) if name in found else counts
    return found


def _sum(counts: list[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*counts, strict=True)))
