"""The same metrics in the OpenMetrics text format, which has exemplars; TensorFlow Serving has no such page.

Samples have the names that they have on the other page. A counter is one here only if that ends in ``_total``.
"""

from collections.abc import Iterable, Iterator

from serving.telemetry.exposition import labels_text, metric_name, number
from serving.telemetry.metrics import AnyFamily, Counter, Exemplar, Gauge, Histogram, Kind, Registry
from serving.telemetry.readings import Reading

_TOTAL = "_total"


def page(registry: Registry, readings: Iterable[Reading] = ()) -> str:
    """Every metric by name: its type, then its points by label values, and at last that this is the end."""
    metrics: list[AnyFamily | Reading] = sorted([*registry.families(), *readings], key=lambda metric: metric.name)
    return "\n".join([*(line for metric in metrics for line in _lines(metric)), "# EOF"]) + "\n"


def _lines(metric: AnyFamily | Reading) -> Iterator[str]:
    name = metric_name(metric.name)
    yield _type(name, metric.kind)
    if isinstance(metric, Reading):
        for values, value in sorted(metric.points):
            yield f"{name}{_braces(labels_text(metric.labels, values))} {value!r}"
        return
    bounds = [*(_canonical(bound) for bound in metric.bounds), "+Inf"]
    for values, point in metric.points():
        labels = labels_text(metric.labels, values)
        if isinstance(point, Counter | Gauge):
            yield f"{name}{_braces(labels)} {point.value}"
        else:
            yield from _histogram(name, labels, bounds, point)


def _type(name: str, kind: Kind) -> str:
    if kind is not Kind.COUNTER:
        return f"# TYPE {name} {kind.value}"
    is_total = name.endswith(_TOTAL)
    return f"# TYPE {name.removesuffix(_TOTAL)} {'counter' if is_total else 'unknown'}"


def _histogram(name: str, labels: str, bounds: list[str], histogram: Histogram) -> Iterator[str]:
    exemplars = histogram.exemplars  # before the counts: what comes meanwhile is counted already
    seen = histogram.value
    prefix = f"{name}_bucket{{{labels}," if labels else f"{name}_bucket{{"
    total = 0
    for position, (bound, count) in enumerate(zip(bounds, seen.counts, strict=True)):
        total += count
        exemplar = exemplars.get(position) if count else None
        yield f'{prefix}le="{bound}"}} {total}{_shown(exemplar)}'
    yield f"{name}_sum{_braces(labels)} {seen.sum!r}"
    yield f"{name}_count{_braces(labels)} {total}"


def _shown(exemplar: Exemplar | None) -> str:
    if exemplar is None:
        return ""
    trace, span, value, when = exemplar
    return f' # {{trace_id="{trace}",span_id="{span}"}} {value!r} {when:.3f}'


def _braces(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


def _canonical(bound: float) -> str:
    """A bound as on the other page; whole ones with a zero behind the point, as the format asks for and Prometheus 3
    writes them itself."""
    text = number(bound)
    return f"{text}.0" if text.isdecimal() else text
