"""The page that Prometheus reads, to the byte as TensorFlow Serving writes it (docs/metrics.md, "Metrics").

Not the OpenMetrics format: no HELP lines, names of colons, braces without labels, six significant digits.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from serving.telemetry.metrics import AnyFamily, Counter, Distribution, Gauge, Labels, Registry
from serving.telemetry.readings import Reading

_NOT_NAME = re.compile(r"[^a-zA-Z0-9_]")
_NOT_LABEL = re.compile(r"[^a-zA-Z0-9]")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def page(registry: Registry, readings: Iterable[Reading] = ()) -> str:
    """Every metric by name: its type, then its points by label values."""
    metrics: list[AnyFamily | Reading] = sorted([*registry.families(), *readings], key=lambda metric: metric.name)
    return "\n".join(line for metric in metrics for line in _lines(metric)) + "\n"


def _lines(metric: AnyFamily | Reading) -> Iterator[str]:
    return _read(metric) if isinstance(metric, Reading) else _counted(metric)


def _read(reading: Reading) -> Iterator[str]:
    name = metric_name(reading.name)
    yield f"# TYPE {name} {reading.kind.value}"
    for values, value in sorted(reading.points):
        yield f"{name}{{{labels_text(reading.labels, values)}}} {value!r}"


def _counted(family: AnyFamily) -> Iterator[str]:
    name = metric_name(family.name)
    yield f"# TYPE {name} {family.kind.value}"
    bounds = [*(number(bound) for bound in family.bounds), "+Inf"]
    for values, metric in family.points():
        labels = labels_text(family.labels, values)
        if isinstance(metric, Counter | Gauge):
            yield f"{name}{{{labels}}} {metric.value}"
        else:
            yield from _histogram(name, labels, bounds, metric.value, repr if family.exact else number)


def _histogram(
    name: str, labels: str, bounds: list[str], seen: Distribution, written: Callable[[float], str]
) -> Iterator[str]:
    prefix = f"{name}_bucket{{{labels},le=" if labels else f"{name}_bucket{{le="
    total = 0
    for bound, count in zip(bounds, seen.counts, strict=True):
        total += count
        yield f'{prefix}"{bound}"}} {total}'
    yield f"{name}_sum{{{labels}}} {written(seen.sum)}"
    yield f"{name}_count{{{labels}}} {total}"


def number(value: float) -> str:
    """A number with six significant digits: ``18``, ``188.957``, ``1.27482e+06``."""
    return format(value, ".6g")


def metric_name(name: str) -> str:
    """``/tensorflow/serving/request_count`` as Prometheus allows it: ``:tensorflow:serving:request_count``."""
    return _begun_right(_NOT_NAME.sub(":", name))


def label_name(name: str) -> str:
    """A label's name with every other character replaced by an underscore."""
    return _begun_right(_NOT_LABEL.sub("_", name))


def _begun_right(name: str) -> str:
    return f"_{name}" if name[:1].isdecimal() else name


def labels_text(names: Labels, values: Labels) -> str:
    """``name="value"`` of each, with commas between them."""
    return ",".join(f'{label_name(name)}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))


def _escaped(value: str) -> str:
    # Names come from clients, percent-decoded: a line break or bytes that are no text must not break the page.
    text = value.translate(_ESCAPES)
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
