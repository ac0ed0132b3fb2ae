"""A version's statistics, as clients of the Open Inference Protocol's statistics extension read them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from serving.core.manager import Manager
from serving.core.servable import ServableId
from serving.errors import Code, ServingError
from serving.inference.status import model_status
from serving.telemetry import model_counts
from serving.telemetry.model_counts import ModelCounts, Sum
from serving.telemetry.serving_metrics import ServingMetrics


class VersionStatistics(NamedTuple):
    """A version and what was counted of it; None where only all versions of its model are counted together."""

    id: ServableId
    counts: ModelCounts | None


def of(manager: Manager, metrics: ServingMetrics, names: Sequence[str], version: int | None) -> list[VersionStatistics]:
    """The versions of these models that can be asked for, highest first, or only the one of this number.

    Without --metrics_per_version the counts of a model are those of its version if it never had another. NOT_FOUND for
    a version that cannot be asked for.
    """
    by_version, by_model = model_counts.by_version(metrics.registry), model_counts.by_model(metrics)

    def counts(servable_id: ServableId) -> ModelCounts | None:
        if by_version is not None:
            return by_version.get((servable_id.name, str(servable_id.version)), ModelCounts())
        alone = len(manager.states(servable_id.name)) == 1
        return by_model.get(servable_id.name, ModelCounts()) if alone else None

    found = [VersionStatistics(each, counts(each)) for name in names for each in _ids(manager, name, version)]
    if version is not None and not found:
        raise ServingError(Code.NOT_FOUND, f"Servable not found for request: Specific({names[0]}, {version})")
    return found


def _ids(manager: Manager, name: str, version: int | None) -> Iterator[ServableId]:
    model_status(manager, name, version)  # NOT_FOUND for what was never seen
    for each in manager.answerable(name):
        if version is None or each == version:
            yield ServableId(name=name, version=each)


def statistics(versions: Iterable[VersionStatistics]) -> dict[str, Any]:
    """The answer to a question for statistics. Numbers are integers, durations nanoseconds.

    What is not measured is 0: queues, reading and writing apart from the rest, what failed requests took, the last
    inference. Rows are not counted: a request is one inference.
    """
    return {"model_stats": [_model_stats(each) for each in versions]}


def _model_stats(version: VersionStatistics) -> dict[str, Any]:
    found: dict[str, Any] = {"name": version.id.name, "version": str(version.id.version)}
    counts = version.counts
    if counts is None:
        return found
    nothing = Sum()
    return found | {
        "last_inference": 0,
        "inference_count": counts.answered.times,
        "execution_count": counts.ran.times,
        "inference_stats": {
            "success": _duration(counts.answered),
            "fail": _duration(Sum(counts.failed, 0)),
            "queue": _duration(nothing),
            "compute_input": _duration(nothing),
            "compute_infer": _duration(counts.ran),
            "compute_output": _duration(nothing),
            "cache_hit": _duration(nothing),
            "cache_miss": _duration(nothing),
        },
        "batch_stats": [],
    }


def _duration(sum_: Sum) -> dict[str, int]:
    return {"count": sum_.times, "ns": sum_.nanoseconds}
