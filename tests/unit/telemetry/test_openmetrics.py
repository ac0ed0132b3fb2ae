"""The page in the OpenMetrics format: its lines, and that a parser of that format takes it."""

from typing import Any

import pytest
from prometheus_client.openmetrics import parser

from serving.telemetry import openmetrics
from serving.telemetry.metrics import Exemplar, Kind, Registry
from serving.telemetry.readings import Reading, single

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

PAGE = f"""\
# TYPE :a:latency histogram
:a:latency_bucket{{model="m",le="10.0"}} 1
:a:latency_bucket{{model="m",le="188.957"}} 2 # {{trace_id="{TRACE}",span_id="{SPAN}"}} 20.5 1000000000.250
:a:latency_bucket{{model="m",le="+Inf"}} 2
:a:latency_sum{{model="m"}} 23.5
:a:latency_count{{model="m"}} 2
# TYPE :b:runs unknown
:b:runs 2
# TYPE :c:state gauge
:c:state{{model="m",state="START"}} 1
# TYPE :d:example_count counter
:d:example_count_total{{model="a\\"b\\\\c\\nd"}} 3
# TYPE :e:never unknown
# TYPE process_cpu_seconds counter
process_cpu_seconds_total 1.5
# EOF
"""


def registry_and_readings() -> tuple[Registry, list[Reading]]:
    registry = Registry()
    latency = registry.histogram("/a/latency", (10, 188.9568), "model").child("m")
    for value in (3, 20.5):
        latency.observe(value)
    latency.exemplify(Exemplar(TRACE, SPAN, 20.5, 1e9 + 0.25))
    registry.counter("/b/runs").child().add(2)
    registry.gauge("/c/state", "model", "state").child("m", "START").set(1)
    registry.counter("/d/example_count_total", "model").child('a"b\\c\nd').add(3)
    registry.counter("/e/never", "model")
    return registry, [single("process_cpu_seconds_total", 1.5, Kind.COUNTER)]


def parsed(page: str) -> dict[str, Any]:
    """The families of a page by their names."""
    return {family.name: family for family in parser.text_string_to_metric_families(page)}


def test_page() -> None:
    """Types, samples under the names of the other page, whole bounds with a point, exemplars, and its end."""
    assert openmetrics.page(*registry_and_readings()) == PAGE


def test_a_parser_takes_it() -> None:
    """Prometheus's own, which is strict."""
    families = parsed(openmetrics.page(*registry_and_readings()))
    kinds = {name: family.type for name, family in families.items()}
    assert kinds == {
        ":a:latency": "histogram",
        ":b:runs": "unknown",
        ":c:state": "gauge",
        ":d:example_count": "counter",
        ":e:never": "unknown",
        "process_cpu_seconds": "counter",
    }
    (sample,) = [sample for sample in families[":a:latency"].samples if sample.exemplar is not None]
    assert sample.exemplar.labels == {"trace_id": TRACE, "span_id": SPAN}
    assert (sample.exemplar.value, float(sample.exemplar.timestamp)) == (20.5, 1e9 + 0.25)
    (counted,) = families[":d:example_count"].samples
    assert counted.labels == {"model": 'a"b\\c\nd'}


def test_an_empty_page_says_that_it_ends() -> None:
    """A reader can tell it from one that was cut."""
    assert openmetrics.page(Registry()) == "# EOF\n"


@pytest.mark.parametrize(("value", "bucket"), [(9.0, 0), (10.0, 1), (5000.0, 2)])
def test_an_exemplar_is_in_the_bucket_of_its_value(value: float, bucket: int) -> None:
    """The newest one is shown."""
    histogram = Registry().histogram("/a", (10, 100)).child()
    histogram.exemplify(Exemplar("old", SPAN, value, 0.0))
    histogram.exemplify(Exemplar(TRACE, SPAN, value, 0.0))
    assert {position: exemplar.trace_id for position, exemplar in histogram.exemplars.items()} == {bucket: TRACE}


def test_an_exemplar_of_an_empty_bucket_is_not_shown() -> None:
    """It would say that there is a value where none was counted."""
    registry = Registry()
    registry.histogram("/a", (10,)).child().exemplify(Exemplar(TRACE, SPAN, 1.0, 0.0))
    assert TRACE not in openmetrics.page(registry)
