"""What the page is drawn from: counted, kept as one look for many, and sent to another process as it is."""

import pickle
import subprocess
import sys

from serving.errors import Code
from serving.rest.api.ui_written import as_json
from serving.telemetry.serving_metrics import ServingMetrics
from serving.ui import counted
from serving.ui.recent import Recent
from serving.ui.values import HistogramView, ModelView, Sample


def sample(metrics: ServingMetrics) -> Sample:
    return Sample(
        time=1.0,
        memory_bytes=2,
        queue=3,
        in_flight=4,
        batch_sizes=counted.batch_sizes(metrics),
        models=counted.models(metrics),
    )


def test_requests_are_counted() -> None:
    """By model: those that call it, of both APIs together; failures are all there were, status requests left out."""
    metrics = ServingMetrics()
    metrics.series("REST", "predict", "m").answered(0.000_02)
    metrics.series("GRPC", "Predict", "m").answered(0.000_02)
    metrics.series("REST", "", "m").answered(0.000_02)
    metrics.refused("m", Code.INVALID_ARGUMENT)
    counts = counted.models(metrics)["m"]
    assert (counts.requests, counts.errors) == (3, 1)
    assert counts.seconds.bounds[:3] == (0.000_01, 0.000_018, 0.000_032_4)
    assert counts.seconds.counts[:4] == (0, 0, 2, 0)


def test_batches_are_counted() -> None:
    """None before the first, then by their rows."""
    metrics = ServingMetrics()
    assert counted.batch_sizes(metrics) is None
    metrics.batching.ran(4, 0)
    metrics.batching.alone(1, 1)
    sizes = counted.batch_sizes(metrics)
    assert sizes is not None
    assert sizes.bounds[:4] == (1, 2, 4, 8)
    assert sizes.counts[:5] == (0, 1, 0, 1, 0)


def test_a_sample_goes_to_another_process() -> None:
    """And comes out as it went in."""
    metrics = ServingMetrics()
    metrics.series("REST", "predict", "m").answered(0.1)
    made = sample(metrics)
    assert pickle.loads(pickle.dumps(made)) == made


def test_names_are_no_tags() -> None:
    """And what is no Unicode is escaped, for JSON is."""
    model = ModelView(name="<script>\udcff", base_path="", labels={}, waits_for="", versions=())
    assert b'"name": "\\u003cscript>\\udcff"' in as_json({"models": [model]})
    plain = ModelView(name="<b>é", base_path="", labels={}, waits_for="", versions=())
    assert '"name":"\\u003cb>é"'.encode() in as_json({"models": [plain]})


def test_one_look_for_many() -> None:
    """What was seen lately is seen again, and what is equal stays the very same object."""
    now = [0.0]
    looks: list[HistogramView] = []

    def look() -> HistogramView:
        looks.append(HistogramView(bounds=(1.0,), counts=(0, 0)))
        return looks[-1]

    recent = Recent(look, 0.2, lambda: now[0])
    first = recent.now()
    assert recent.now() is first
    assert len(looks) == 1
    now[0] = 0.2
    assert recent.now() is first
    assert len(looks) == 2


def test_a_start_imports_nothing_of_it() -> None:
    """The page is loaded by the first request for it."""
    text = "import sys, serving.server; print([each for each in sys.modules if '.ui' in each])"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
