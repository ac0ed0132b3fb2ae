"""The metrics of several workers as those of one server: counters and histograms added, gauges by a table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from types import MappingProxyType

from serving.telemetry.metrics import Kind, Labels
from serving.telemetry.snapshot import Metric, Seen, Snapshot, Value


class Rule(Enum):
    """What a gauge of the server is, of those of its workers."""

    SUM = "the sum"
    MOST = "the highest"
    LEAST = "the lowest"
    ONE = "that of the worker that is asked: each has the same"


GAUGES: Mapping[str, Rule] = MappingProxyType(
    {
        "/serving/version_state": Rule.MOST,
        "/serving/version_engine": Rule.MOST,
        "/serving/engine_micros": Rule.MOST,
        "/serving/build_info": Rule.MOST,
        "/serving/model_memory_bytes": Rule.SUM,
        "/serving/long_runs": Rule.SUM,
        "/serving/calls_running": Rule.SUM,
        "/serving/calls_waiting": Rule.SUM,
        "/serving/long_requests": Rule.SUM,
        "/serving/unsent_bytes": Rule.SUM,
        "/serving/batch_queue_rows": Rule.SUM,
        "/serving/batch_queue_batches": Rule.SUM,
        "/serving/requests_in_flight": Rule.SUM,
        "/serving/requests_waiting": Rule.SUM,
        "/serving/model_in_flight": Rule.SUM,
        "/serving/model_waiting": Rule.SUM,
        "/serving/model_in_flight_limit": Rule.MOST,
        "/serving/connections": Rule.ONE,
        "/serving/container_memory_limit_bytes": Rule.ONE,
        "/serving/container_memory_usage_bytes": Rule.ONE,
        "/serving/container_memory_working_set_bytes": Rule.ONE,
        "/tensorflow/serving/mlmd_map": Rule.SUM,
        "/serving/store_fetching_bytes": Rule.MOST,
        "/serving/store_fetching_size_bytes": Rule.MOST,
        "/serving/store_failing": Rule.MOST,
        "process_threads": Rule.SUM,
        "process_virtual_memory_bytes": Rule.SUM,
        "process_resident_memory_bytes": Rule.SUM,
        "process_open_fds": Rule.SUM,
        "process_max_fds": Rule.SUM,
        "process_start_time_seconds": Rule.LEAST,
    }
)
"""Every gauge that there is. Open files and how many may be open are both sums, so that one can be divided by the
other."""

_OF_VERSION = ("model_name", "version")
_OF_PATH = "model_path"


def together(here: Snapshot, others: Sequence[Snapshot], gone: Sequence[Snapshot]) -> Snapshot:
    """The metrics of the server: of the worker that is asked, of the others, and what was counted by some that ended.

    Of versions that no worker has any more nothing is left.
    """
    there = [here, *others]
    known = {of for each in there for metric in each.values() for labels in metric.points for of in _of(metric, labels)}
    ended = [{name: _still(metric, known) for name, metric in counts(each).items()} for each in gone]
    return _merged([*there, *ended])


def counts(metrics: Snapshot) -> Snapshot:
    """What stays of these once their worker has ended: whatever only grows."""
    return {name: metric for name, metric in metrics.items() if metric.kind is not Kind.GAUGE}


def fold(several: Sequence[Snapshot]) -> Snapshot:
    """What several workers had counted that have ended."""
    return _merged([counts(each) for each in several])


def _merged(several: Sequence[Snapshot]) -> Snapshot:
    found: dict[str, Metric] = {}
    for metrics in several:
        for name, metric in metrics.items():
            known = found.get(name)
            found[name] = metric if known is None else replace(known, points=_points(known, metric))
    return found


def _points(known: Metric, more: Metric) -> Mapping[Labels, Value]:
    rule = Rule.SUM if known.kind is not Kind.GAUGE else GAUGES[known.name]
    if rule is Rule.ONE:
        return known.points or more.points
    points = dict(known.points)
    for labels, value in more.points.items():
        points[labels] = _both(points[labels], value, rule) if labels in points else value
    return points


def _both(one: Value, other: Value, rule: Rule) -> Value:
    if isinstance(one, Seen) and isinstance(other, Seen):
        return one.plus(other)
    if isinstance(one, Seen) or isinstance(other, Seen):
        raise TypeError(f"{one} and {other} are not of one metric")
    return {Rule.MOST: max(one, other), Rule.LEAST: min(one, other)}.get(rule, one + other)


def _still(metric: Metric, known: set[Labels]) -> Metric:
    points = {labels: value for labels, value in metric.points.items() if known.issuperset(_of(metric, labels))}
    return replace(metric, points=points)


def _of(metric: Metric, labels: Labels) -> Iterator[Labels]:
    """The version or the path that a point is of; a version is empty where a request came to none."""
    if metric.labels[:2] == _OF_VERSION and labels[1]:
        yield labels[:2]
    if metric.labels[:1] == (_OF_PATH,):
        yield labels[:1]
