"""Which histograms have a traced request as their exemplar."""

from collections.abc import Mapping
from typing import Any

from serving.telemetry.exemplars import Exemplars
from serving.telemetry.metrics import Family, Histogram
from serving.telemetry.serving_metrics import ServingMetrics
from serving.telemetry.version_metrics import Known, VersionMetrics
from tests.unit.tracing.records import ARRIVED, headers, record


def shown(family: Family[Histogram]) -> Mapping[tuple[str, ...], list[tuple[str, float, float]]]:
    """Ids of traces, values and times by label values."""
    return {
        labels: [(each.trace_id, each.value, each.when) for each in histogram.exemplars.values()]
        for labels, histogram in family.points()
    }


def answered(**values: Any) -> Any:
    """A Predict that has waited, and ran for half a second after that."""
    stages = {"waited_seconds": 0.125, "queue_seconds": 0.25, "run_seconds": 0.5, "latency_seconds": 0.75}
    return record(headers(), **{"model": "m", "version": 1, **stages, **values})


def test_what_has_counted_a_request_shows_it() -> None:
    """Of TensorFlow Serving's the latency, and the run with its wait for a thread, in microseconds."""
    metrics = ServingMetrics()
    Exemplars(metrics, None)(answered(), "trace", "span")
    assert shown(metrics.request_latency) == {("m", "Predict", "GRPC"): [("trace", 0.75e6, ARRIVED + 1)]}
    assert shown(metrics.runtime_latency) == {("m", "Predict", "TF1"): [("trace", 0.625e6, ARRIVED + 1)]}


def test_what_was_not_counted_shows_nothing() -> None:
    """A request that failed, and one of a kind that has no latency there: not even a point without a value."""
    metrics = ServingMetrics()
    exemplars = Exemplars(metrics, None)
    exemplars(answered(latency_seconds=0.0), "trace", "span")
    exemplars(answered(api=""), "trace", "span")
    assert (shown(metrics.request_latency), shown(metrics.runtime_latency)) == ({}, {})


def test_metrics_by_version_show_it_too() -> None:
    """In seconds, and only where they have counted it."""
    metrics = ServingMetrics()
    versions = VersionMetrics(metrics.registry, Known(lambda model: True, lambda model, version: ("",)))
    exemplars = Exemplars(metrics, versions)
    exemplars(answered(), "early", "span")
    versions.observed(answered())
    exemplars(answered(), "trace", "span")
    families = {family.name: family for family in metrics.registry.families()}
    for name, value in (("/serving/request_seconds", 1.0), ("/serving/run_seconds", 0.5)):
        ((seen,),) = shown(families[name]).values()  # type: ignore[arg-type]  # both are histograms
        assert seen == ("trace", value, ARRIVED + 1)
