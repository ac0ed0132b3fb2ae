"""The page for Prometheus: its lines to the byte."""

import pytest

from serving.telemetry import exposition
from serving.telemetry.metrics import Registry

PAGE = """\
# TYPE :a:latency histogram
:a:latency_bucket{model="m",API="",le="10"} 1
:a:latency_bucket{model="m",API="",le="188.957"} 1
:a:latency_bucket{model="m",API="",le="+Inf"} 3
:a:latency_sum{model="m",API=""} 1.23457e+06
:a:latency_count{model="m",API=""} 3
# TYPE :b:runs counter
:b:runs{} 2
# TYPE :b:sizes histogram
:b:sizes_bucket{le="1"} 0
:b:sizes_bucket{le="+Inf"} 1
:b:sizes_sum{} 1
:b:sizes_count{} 1
# TYPE :c:state gauge
:c:state{model="m",state="END"} 0
:c:state{model="m",state="START"} 1
# TYPE :d:never counter
"""


def test_page() -> None:
    """Types, points, cumulative buckets, six digits, braces without labels, and families without points."""
    registry = Registry()
    registry.counter("/d/never", "model")
    state = registry.gauge("/c/state", "model", "state")
    state.child("m", "START").set(1)
    state.child("m", "END")
    registry.counter("/b/runs").child().add(2)
    registry.histogram("/b/sizes", (1,)).child().observe(1)
    latency = registry.histogram("/a/latency", (10, 188.9568), "model", "API").child("m", "")
    for value in (3, 1000, 1_233_565):
        latency.observe(value)
    assert exposition.page(registry) == PAGE


def test_empty_page() -> None:
    """Without any metric the page is one empty line."""
    assert exposition.page(Registry()) == "\n"


@pytest.mark.parametrize(
    ("name", "metric", "label"),
    [
        pytest.param("model_name", "model_name", "model_name", id="plain"),
        pytest.param("/tensorflow/serving/x", ":tensorflow:serving:x", "_tensorflow_serving_x", id="slashes"),
        pytest.param("2nd", "_2nd", "_2nd", id="digit first"),
        pytest.param("a-b.c\u00e9", "a:b:c:", "a_b_c_", id="other characters"),
        pytest.param("", "", "", id="empty"),
    ],
)
def test_names(name: str, metric: str, label: str) -> None:
    """What Prometheus does not allow becomes a colon in names of metrics, an underscore in those of labels."""
    assert (exposition.metric_name(name), exposition.label_name(name)) == (metric, label)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("m", "m", id="plain"),
        pytest.param('a"b', 'a\\"b', id="quote"),
        pytest.param("a\\b", "a\\\\b", id="backslash"),
        pytest.param("a\nb", "a\\nb", id="line break"),
        pytest.param("\u00e9", "\u00e9", id="not ASCII"),
        pytest.param("a\udcff", "a\ufffd", id="bytes that are no text"),
    ],
)
def test_label_values(value: str, expected: str) -> None:
    """A label's value can be anything that a client sends, and the page stays one point a line."""
    registry = Registry()
    registry.counter("c", "model").child(value).add()
    assert exposition.page(registry) == f'# TYPE c counter\nc{{model="{expected}"}} 1\n'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(0, "0", id="zero"),
        pytest.param(18, "18", id="whole"),
        pytest.param(58.32, "58.32", id="short"),
        pytest.param(188.956800001, "188.957", id="rounded"),
        pytest.param(121440.0, "121440", id="six digits"),
        pytest.param(1274819.9, "1.27482e+06", id="seven digits"),
        pytest.param(1.474755e9, "1.47476e+09", id="ten digits"),
    ],
)
def test_numbers(value: float, expected: str) -> None:
    """Bounds and sums have six significant digits."""
    assert exposition.number(value) == expected
