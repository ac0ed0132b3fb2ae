"""The metrics of several workers as those of one: what is added, what is not, and the page to the byte."""

import pickle
from collections.abc import Sequence

import pytest

from serving.errors import Code
from serving.telemetry import exposition, openmetrics, snapshot, summing
from serving.telemetry.metrics import Exemplar, Kind
from serving.telemetry.readings import Reading, by_label, single
from serving.telemetry.serving_metrics import ServingMetrics
from serving.telemetry.snapshot import Snapshot
from serving.telemetry.summing import GAUGES

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def counting(*, micros: int = 20, times: int = 1, readings: Sequence[Reading] = ()) -> ServingMetrics:
    """What a worker has counted that has answered ``times`` requests, each in so many microseconds."""
    metrics = ServingMetrics()
    for _ in range(times):
        metrics.series("REST", "predict", "m").answered(micros / 1e6)
    metrics.readers.append(lambda: readings)
    metrics.state_changed("m", 1, "AVAILABLE")
    return metrics


def taken(metrics: ServingMetrics) -> Snapshot:
    """As another process gets it."""
    made: Snapshot = pickle.loads(pickle.dumps(snapshot.snapshot(*metrics.own())))
    return made


def page(metrics: Snapshot) -> list[str]:
    return exposition.page(*snapshot.restored(metrics)).splitlines()


def test_a_page_is_the_same_to_the_byte_when_it_comes_from_another_process() -> None:
    """In both formats, with exemplars, readings and points without labels."""
    metrics = counting(times=600, micros=1234, readings=[single("process_cpu_seconds_total", 1.25, Kind.COUNTER)])
    metrics.batching.ran(4, 1)
    metrics.request_latency.child("m", "predict", "REST").exemplify(Exemplar(TRACE, SPAN, 20.5, 1e9))
    shown = snapshot.restored(taken(metrics))
    assert exposition.page(*shown).encode() == metrics.page()
    assert openmetrics.page(*shown).encode() == metrics.openmetrics()


def test_counters_and_histograms_are_added() -> None:
    """Bucket by bucket, sums too; what only one has counted is there."""
    other = counting(times=3, micros=200)
    other.refused("m", Code.NOT_FOUND)
    lines = page(summing.together(taken(counting(times=2)), [taken(other)], []))
    labels = 'model_name="m",API="predict",entrypoint="REST"'
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 5' in lines
    assert ':tensorflow:serving:request_count{model_name="m",status="NOT_FOUND"} 1' in lines
    assert f':tensorflow:serving:request_latency_bucket{{{labels},le="188.957"}} 2' in lines
    assert f':tensorflow:serving:request_latency_bucket{{{labels},le="340.122"}} 5' in lines
    assert f":tensorflow:serving:request_latency_sum{{{labels}}} 640" in lines
    assert f":tensorflow:serving:request_latency_count{{{labels}}} 5" in lines


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("/serving/long_requests", 7, id="sum"),
        pytest.param("process_open_fds", 7, id="sum of the system's"),
        pytest.param("process_start_time_seconds", 3, id="lowest"),
        pytest.param("/serving/build_info", 4, id="highest"),
        pytest.param("/serving/container_memory_usage_bytes", 4, id="one, of the worker that is asked"),
    ],
)
def test_gauges_go_by_the_table(name: str, expected: int) -> None:
    """Each by its own rule, and without a rule there is none that is right."""
    here, other = (taken(counting(readings=[single(name, value)])) for value in (4, 3))
    assert f"{exposition.metric_name(name)}{{}} {expected}" in page(summing.together(here, [other], []))


def test_what_one_has_not_read_another_has() -> None:
    """A worker whose ports are not open yet shows the connections that another has counted."""
    other = counting(readings=[by_label("/serving/connections", "entrypoint", {"REST": 2})])
    found = page(summing.together(taken(counting()), [taken(other)], []))
    assert ':serving:connections{entrypoint="REST"} 2' in found


def test_what_the_ended_had_counted_stays() -> None:
    """Counters and histograms; of gauges nothing, and nothing of a version that nobody has any more."""
    gone = counting(
        times=2, readings=[single("process_open_fds", 9), single("process_cpu_seconds_total", 2.0, Kind.COUNTER)]
    )
    for version in (1, 2):
        gone.engine_calls("m", version, "openvino")()
    here = taken(
        counting(readings=[single("process_open_fds", 1), single("process_cpu_seconds_total", 0.5, Kind.COUNTER)])
    )
    lines = page(summing.together(here, [], [taken(gone)]))
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 3' in lines
    assert "process_cpu_seconds_total{} 2.5" in lines
    assert "process_open_fds{} 1" in lines
    assert ':serving:engine_calls{model_name="m",version="1",engine="openvino"} 1' in lines
    assert not any('version="2"' in line for line in lines)


def test_a_metric_that_only_an_ended_worker_had() -> None:
    """Sizes of batches are registered with the first batch: that may have been elsewhere."""
    gone = counting()
    gone.batching.ran(4, 1)
    lines = page(summing.together(taken(counting()), [], [summing.fold([taken(gone), taken(gone)])]))
    assert ":tensorflow:serving:batching_session:processed_batch_size_count{} 2" in lines


def test_the_newest_exemplar_is_shown() -> None:
    """Of those of one bucket."""
    made = []
    for when in (2.0, 1.0):
        metrics = counting()
        latency = metrics.request_latency.child("m", "predict", "REST")
        latency.exemplify(Exemplar(TRACE, SPAN, 20.0, when))
        made.append(taken(metrics))
    (line,) = (
        line
        for line in openmetrics.page(*snapshot.restored(summing.together(made[0], made[1:], []))).splitlines()
        if TRACE in line
    )
    assert line.endswith('le="32.4"} 2 # {trace_id="' + TRACE + '",span_id="' + SPAN + '"} 20.0 2.000')


def test_every_gauge_that_is_counted_has_a_rule() -> None:
    """A new one needs one; those that are read are asked of a running server."""
    counted = {family.name for family in ServingMetrics().registry.families() if family.kind is Kind.GAUGE}
    assert counted <= set(GAUGES)


def test_reloads_report_increases_of_all() -> None:
    """As the page does: by what several workers have counted together."""
    metrics = counting()
    metrics.evicted("m")
    assert metrics.value("/serving/evictions") == 1
    other = taken(metrics)
    metrics.of_all = lambda: snapshot.restored(summing.together(snapshot.snapshot(*metrics.own()), [other], []))
    assert metrics.value("/serving/evictions") == 2
    assert b':serving:evictions{model_name="m"} 2\n' in metrics.page()
