"""The server's metrics by name: which there are from the start, and what each event adds to them."""

from pathlib import Path

import pytest

from serving.errors import Code, ServingError
from serving.telemetry.series import UNCOUNTED
from serving.telemetry.serving_metrics import MOST_NAMES, OTHERS, Present, ServingMetrics
from tests.support import ManualClock

LISTED = """\
# TYPE :serving:engine_calls counter
# TYPE :serving:engine_micros gauge
# TYPE :serving:evictions counter
# TYPE :serving:long_runs gauge
# TYPE :serving:model_memory_bytes gauge
# TYPE :serving:refused_requests counter
# TYPE :serving:version_state gauge
# TYPE :tensorflow:cc:saved_model:load_attempt_count counter
# TYPE :tensorflow:cc:saved_model:load_latency counter
# TYPE :tensorflow:serving:batching_session:queuing_latency histogram
# TYPE :tensorflow:serving:batching_session:wrapped_run_count counter
# TYPE :tensorflow:serving:mlmd_map gauge
# TYPE :tensorflow:serving:model_warmup_latency histogram
# TYPE :tensorflow:serving:model_warmup_records_read counter
# TYPE :tensorflow:serving:request_count counter
# TYPE :tensorflow:serving:request_example_count_total counter
# TYPE :tensorflow:serving:request_example_counts histogram
# TYPE :tensorflow:serving:request_latency histogram
# TYPE :tensorflow:serving:request_log_count counter
# TYPE :tensorflow:serving:runtime_latency histogram
"""
LATENCY = (
    "10 18 32.4 58.32 104.976 188.957 340.122 612.22 1102 1983.59 3570.47 6426.84 11568.3 20823 37481.3 67466.4 121440 "
    "218591 393464 708235 1.27482e+06 2.29468e+06 4.13043e+06 7.43477e+06 1.33826e+07 2.40887e+07 4.33596e+07 "
    "7.80473e+07 1.40485e+08 2.52873e+08 4.55172e+08 8.19309e+08 1.47476e+09 +Inf"
)


class Metrics(ServingMetrics):
    """Metrics on a clock moved by hand, and the points of their page."""

    def __init__(self) -> None:
        self.time = ManualClock(0.0)
        super().__init__(clock=self.time)

    def points(self, name: str) -> dict[str, str]:
        """Labels and numbers of the lines whose name ends in ``name``, buckets apart."""
        lines = [line for line in self.page().decode().splitlines() if not line.startswith("#")]
        split = [line.removesuffix("}").partition("{") for line in lines]
        return {
            rest.rpartition("} ")[0]: rest.rpartition("} ")[2] for key, _, rest in split if key.endswith(f":{name}")
        }

    def bounds(self, name: str) -> str:
        """The bounds of a histogram's first point, as on the page."""
        buckets = [line for line in self.page().decode().splitlines() if f":{name}_bucket" in line]
        return " ".join(line.partition('le="')[2].partition('"')[0] for line in buckets)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def test_listed_from_the_start(metrics: Metrics) -> None:
    """Before any traffic the page has the type of every metric, but for batch sizes, and no point."""
    assert metrics.page().decode() == LISTED


def test_answered_call(metrics: Metrics) -> None:
    """An answer is counted with OK, and its time, in microseconds, with the door's labels."""
    series = metrics.series("GRPC", "Predict", "m")
    began = series.clock()
    metrics.time.advance(0.25)
    series.succeeded(began)
    assert metrics.points("request_count") == {'model_name="m",status="OK"': "1"}
    labels = 'model_name="m",API="Predict",entrypoint="GRPC"'
    assert metrics.points("request_latency_sum") == {labels: "250000"}
    assert metrics.points("request_latency_count") == {labels: "1"}


def test_calls_add_up(metrics: Metrics) -> None:
    """Calls of one kind share their points, REST's empty method included."""
    for _ in range(3):
        metrics.series("REST", "", "m").succeeded(0)
    assert metrics.points("request_count") == {'model_name="m",status="OK"': "3"}
    assert metrics.points("request_latency_count") == {'model_name="m",API="",entrypoint="REST"': "3"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(ServingError(Code.NOT_FOUND, "no"), "NOT_FOUND", id="our errors"),
        pytest.param(ServingError(Code.CANCELLED, "The client has gone"), "CANCELLED", id="nobody waits"),
        pytest.param(ZeroDivisionError(), "INTERNAL", id="defects"),
    ],
)
def test_failed_call(metrics: Metrics, error: Exception, status: str) -> None:
    """A failure is counted with its code, and its time is not."""
    metrics.series("GRPC", "Predict", "m").failed(error)
    assert metrics.points("request_count") == {f'model_name="m",status="{status}"': "1"}
    assert metrics.points("request_latency_count") == {}


def test_asking_for_a_series_counts_nothing(metrics: Metrics) -> None:
    """A request that is on its way is counted by whoever ends it; until then the page is as it was."""
    assert metrics.series("GRPC", "Predict", "m") is metrics.series("GRPC", "Predict", "m")
    assert metrics.page().decode() == LISTED


@pytest.mark.parametrize(
    ("entrypoint", "api", "label"),
    [
        pytest.param("REST", "regress", "Regress", id="rest"),
        pytest.param("GRPC", "Regress", "Regress", id="grpc"),
    ],
)
def test_run(metrics: Metrics, entrypoint: str, api: str, label: str) -> None:
    """A run is timed in microseconds, and called the same whichever door it came by."""
    series = metrics.series("REST" if entrypoint == "REST" else "GRPC", api, "m")
    series.ran(0.5)
    assert metrics.points("runtime_latency_sum") == {f'model_name="m",API="{label}",runtime="TF1"': "500000"}


@pytest.mark.parametrize("times", [1, 2, 1025])
def test_run_answered_at_once(metrics: Metrics, times: int) -> None:
    """A run and its answer count as the two do by themselves, however many there were since the page was last read."""
    series = metrics.series("GRPC", "Predict", "m")
    series.ran(0.5)
    series.answered(0.75)
    for _ in range(times):
        series.ran_and_answered(0.5, 0.75)
    assert metrics.points("request_count") == {'model_name="m",status="OK"': f"{times + 1}"}
    runs, answers = 'model_name="m",API="Predict",runtime="TF1"', 'model_name="m",API="Predict",entrypoint="GRPC"'
    assert metrics.points("runtime_latency_sum") == {runs: f"{(times + 1) * 500000:g}"}
    assert metrics.points("request_latency_count") == {answers: f"{times + 1}"}
    assert metrics.points("request_latency_sum") == {answers: f"{(times + 1) * 750000:g}"}


def test_uncounted_call(metrics: Metrics) -> None:
    """A call that TensorFlow Serving does not count leaves no trace and raises nothing."""
    UNCOUNTED.ran(1)
    UNCOUNTED.ran_and_answered(1, 2)
    UNCOUNTED.succeeded(UNCOUNTED.clock())
    UNCOUNTED.failed(ZeroDivisionError())
    assert metrics.page().decode() == LISTED


def test_unknown_names_are_bounded(metrics: Metrics) -> None:
    """Failures under ever new names end up in one point; those of a model that has answered do not."""
    for number in range(MOST_NAMES + 5):
        metrics.refused(f"n{number}", Code.NOT_FOUND)
    metrics.series("REST", "predict", "real").succeeded(0)
    metrics.refused("real", Code.NOT_FOUND)
    points = metrics.points("request_count")
    assert len(points) == MOST_NAMES + 3
    assert points[f'model_name="{OTHERS}",status="NOT_FOUND"'] == "5"
    assert points['model_name="real",status="NOT_FOUND"'] == "1"


def test_calls_beyond_those_kept_are_counted(metrics: Metrics) -> None:
    """A model that comes after very many others is counted all the same."""
    for number in range(MOST_NAMES):
        metrics.series("REST", "predict", f"n{number}")
    for _ in range(2):
        metrics.series("REST", "predict", "late").succeeded(0)
    assert metrics.points("request_count") == {'model_name="late",status="OK"': "2"}


def test_examples(metrics: Metrics) -> None:
    """MultiInference counts its Examples in total and by request."""
    metrics.examples("m", 2)
    metrics.examples("m", 3)
    assert metrics.points("request_example_count_total") == {'model="m"': "5"}
    assert metrics.points("request_example_counts_sum") == {'model="m"': "5"}
    assert metrics.points("request_example_counts_count") == {'model="m"': "2"}


def test_warm_up(metrics: Metrics) -> None:
    """Warm-up has its time and records by path and status, its runs among the others."""
    metrics.warmed_up("/models/m/1", "OK", 0.002, 3)
    metrics.ran("m", "Predict", 0.001)
    labels = 'model_path="/models/m/1",status="OK"'
    assert metrics.points("model_warmup_latency_sum") == {labels: "2000"}
    assert metrics.points("model_warmup_records_read") == {labels: "3"}
    assert metrics.points("runtime_latency_sum") == {'model_name="m",API="Predict",runtime="TF1"': "1000"}


def test_load(metrics: Metrics) -> None:
    """Attempts to load are counted by path and outcome, their times add up, and the outcome is passed on."""

    def load(path: Path) -> str:
        metrics.time.advance(1.5)
        if path.name == "2":
            raise ServingError(Code.NOT_FOUND, "nothing there")
        return "loaded"

    measured = metrics.measured(load)
    assert measured(Path("/m/1")) == "loaded"
    for _ in range(2):
        with pytest.raises(ServingError, match="nothing there"):
            measured(Path("/m/2"))
    assert metrics.points("load_attempt_count") == {
        'model_path="/m/1",status="success"': "1",
        'model_path="/m/2",status="fail"': "2",
    }
    assert metrics.points("load_latency") == {'model_path="/m/1"': "1500000", 'model_path="/m/2"': "3000000"}


def test_version_state(metrics: Metrics) -> None:
    """The state that a version is in is 1, those it was in are 0, and versions do not share."""
    for version, state in ((1, "START"), (1, "LOADING"), (2, "START"), (1, "AVAILABLE"), (1, "AVAILABLE")):
        metrics.state_changed("m", version, state)
    assert metrics.points("version_state") == {
        'model_name="m",version="1",state="AVAILABLE"': "1",
        'model_name="m",version="1",state="LOADING"': "0",
        'model_name="m",version="1",state="START"': "0",
        'model_name="m",version="2",state="START"': "1",
    }


def test_batches(metrics: Metrics) -> None:
    """A batch of two requests, padded: each waiting time and input size, the batch and its padding."""
    metrics.batching.batched(0.001, (2, 2))
    metrics.batching.batched(0.003, (1, 1))
    metrics.batching.ran(4, 1)
    assert metrics.points("queuing_latency_sum") == {'thread_pool_name=""': "4000"}
    assert metrics.points("wrapped_run_count") == {"": "1"}
    assert metrics.points("input_batch_size_sum") == {"": "6"}
    assert metrics.points("input_batch_size_count") == {"": "4"}
    assert metrics.points("processed_batch_size_sum") == {"": "4"}
    assert metrics.points("padding_size_sum") == {'execution_batch_size="4"': "1"}


def test_latency_bounds(metrics: Metrics) -> None:
    """The bounds of latencies are TensorFlow Serving's, so that dashboards stay comparable."""
    metrics.series("REST", "predict", "m").succeeded(0)
    assert metrics.bounds("request_latency") == LATENCY


@pytest.mark.parametrize(
    ("name", "first", "last", "count"),
    [
        pytest.param("queuing_latency", "100 120 144 172.8 207.36 ", " 1.09205e+06 +Inf", 53, id="queuing"),
        pytest.param("request_example_counts", "1 2 4 8 ", " 16384 +Inf", 16, id="examples"),
        pytest.param("processed_batch_size", "1 2 4 8 ", " 8192 +Inf", 15, id="batch sizes"),
    ],
)
def test_other_bounds(metrics: Metrics, name: str, first: str, last: str, count: int) -> None:
    """Waiting times and sizes have bounds of their own."""
    metrics.batching.batched(0, (1,))
    metrics.batching.ran(1, 0)
    metrics.examples("m", 1)
    bounds = metrics.bounds(name)
    assert bounds.startswith(first)
    assert bounds.endswith(last)
    assert len(bounds.split()) == count


def test_value_by_internal_name(metrics: Metrics) -> None:
    """Reloads report numbers under the internal names."""
    metrics.series("REST", "predict", "m").succeeded(0)
    assert metrics.value("/tensorflow/serving/request_count") == 1


def change_version(metrics: Metrics, version: int, path: Path) -> None:
    """Everything that a version leaves on the page."""
    metrics.loads("m", version, path)
    metrics.measured(lambda each: each)(path)
    metrics.warmed_up(str(path), "OK", 1.0, 2)
    metrics.engine_calls("m", version, "openvino")()
    metrics.engine_chosen("m", version, "serving_default", 1, 1, "openvino", 10)
    for state in ("START", "LOADING", "AVAILABLE", "UNLOADING", "END"):
        metrics.state_changed("m", version, state)


def test_versions_that_are_gone_disappear(metrics: Metrics) -> None:
    """Five hundred changes of a version leave a page as large as the first."""
    metrics.series("GRPC", "Predict", "m").answered(1.0)
    pages: list[str] = []
    there: set[tuple[str, int]] = set()
    metrics.present = lambda: Present(there, ["m"])
    for version in range(1000, 1500):
        there = {("m", version)}
        change_version(metrics, version, Path(f"/models/m/{version}"))
        pages.append(metrics.page().decode())
    assert pages[-1].replace("1499", "1000") == pages[0]
    assert 'version="1499"' in pages[-1]
    assert 'model_path="/models/m/1499"' in pages[-1]


def test_versions_that_are_there_stay(metrics: Metrics) -> None:
    """One that is on its way out too, and whatever has the same path under another name."""
    path = Path("/models/m/1")
    metrics.loads("other", 1, path)
    change_version(metrics, 1, path)
    change_version(metrics, 2, Path("/models/m/2"))
    metrics.state_changed("other", 1, "AVAILABLE")
    metrics.present = lambda: Present({("m", 2), ("other", 1)}, ["m", "other"])
    page = metrics.page().decode()
    assert 'model_name="m",version="1"' not in page
    assert 'model_name="m",version="2"' in page
    assert {'model_path="/models/m/1"', 'model_path="/models/m/2"'} <= set(page.replace("{", ",").split(","))


def test_counts_of_a_model_stay_as_in_tensorflow_serving(metrics: Metrics) -> None:
    """What has its name and is ours goes when it is not listed any more; their own counts do not."""
    metrics.series("GRPC", "Predict", "m").answered(1.0)
    metrics.long_runs.child("m").set(1)
    metrics.present = lambda: Present((), ())
    assert metrics.points("request_count") == {'model_name="m",status="OK"': "1"}
    assert metrics.points("long_runs") == {}
