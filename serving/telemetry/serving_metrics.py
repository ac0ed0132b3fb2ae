"""The metrics of the server by name, as TensorFlow Serving has them (docs/compatibility.md, "Metrics"), and a few more.

What a request costs here: one lookup, and an addition to three metrics that were resolved before.
"""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Literal, TypeVar

from serving.errors import Code, ServingError
from serving.telemetry import exposition
from serving.telemetry.batch_metrics import BatchMetrics
from serving.telemetry.metrics import Counter, Gauge, Histogram, Registry, exponential

LoadedT = TypeVar("LoadedT")
Clock = Callable[[], float]
Entrypoint = Literal["REST", "GRPC"]

_SERVING = "/tensorflow/serving/"
_LOADER = "/tensorflow/cc/saved_model/"
_LATENCY_MICROS = exponential(10, 1.8, 33)
_EXAMPLE_COUNTS = exponential(1, 2, 15)

MOST_NAMES = 1000
"""Names of models that failing requests may add to the page: anybody can ask for a model, and memory is finite."""
OTHERS = "(others)"
"""The model name of failures beyond ``MOST_NAMES``."""


class Series:
    """What the requests for one model by one method at one door count into; children come with the first success.

    ``answered`` and ``runtime`` are for who counts a request, once they are there; times are those of ``clock``.
    """

    __slots__ = ("_metrics", "answered", "api", "clock", "entrypoint", "model", "runtime")

    def __init__(self, metrics: "ServingMetrics", entrypoint: Entrypoint, api: str, model: str) -> None:
        self.entrypoint = entrypoint
        self.api = api
        self.model = model
        self.clock = metrics.clock
        self.answered: tuple[Counter, Histogram] | None = None
        self.runtime: Histogram | None = None
        self._metrics = metrics

    def first_answer(self) -> tuple[Counter, Histogram]:
        """What ``answered`` is from now on: how many requests were, and after how many microseconds."""
        self._metrics.know(self.model)
        self.answered = (
            self._metrics.request_count.child(self.model, Code.OK.name),
            self._metrics.request_latency.child(self.model, self.api, self.entrypoint),
        )
        return self.answered

    def first_run(self) -> Histogram:
        """What ``runtime`` is from now on: how many microseconds the model took."""
        self.runtime = self._metrics.runtime_latency.child(self.model, self.api.capitalize(), "TF1")
        return self.runtime

    def succeeded(self, began: float) -> None:
        """A request that came when it ``began`` has its answer."""
        count, latency = self.answered or self.first_answer()
        latency.observe((self.clock() - began) * 1e6)
        count.add()

    def failed(self, error: BaseException) -> None:
        """A request ended with ``error``; what is no ServingError is INTERNAL to a client."""
        self._metrics.refused(self.model, error.code if isinstance(error, ServingError) else Code.INTERNAL)


class _Uncounted(Series):
    """Requests that leave no trace."""

    def __init__(self) -> None:
        self.clock = perf_counter
        self.answered = Counter(), Histogram(())
        self.runtime = Histogram(())

    def failed(self, error: BaseException) -> None:
        """Count nothing."""


UNCOUNTED: Series = _Uncounted()


class ServingMetrics:
    """One server's metrics. Thread-safe. ``clock`` gives seconds."""

    def __init__(self, clock: Clock = perf_counter) -> None:
        self.registry = add = Registry()
        self.request_count = add.counter(f"{_SERVING}request_count", "model_name", "status")
        self.request_latency = add.histogram(
            f"{_SERVING}request_latency", _LATENCY_MICROS, "model_name", "API", "entrypoint"
        )
        self.runtime_latency = add.histogram(
            f"{_SERVING}runtime_latency", _LATENCY_MICROS, "model_name", "API", "runtime"
        )
        self.example_counts = add.histogram(f"{_SERVING}request_example_counts", _EXAMPLE_COUNTS, "model")
        self.example_count_total = add.counter(f"{_SERVING}request_example_count_total", "model")
        self.warmup_latency = add.histogram(f"{_SERVING}model_warmup_latency", _LATENCY_MICROS, "model_path", "status")
        self.warmup_records = add.counter(f"{_SERVING}model_warmup_records_read", "model_path", "status")
        self.load_attempts = add.counter(f"{_LOADER}load_attempt_count", "model_path", "status")
        self.load_latency = add.counter(f"{_LOADER}load_latency", "model_path")
        self.version_state = add.gauge("/serving/version_state", "model_name", "version", "state")
        self.long_runs = add.gauge("/serving/long_runs", "model_name")
        self.logged_requests = add.counter(f"{_SERVING}request_log_count", "model_name", "status_code")
        # TensorFlow Serving lists this one, and its released binary never counts into it.
        add.gauge(f"{_SERVING}mlmd_map", "model_name", "version")
        self.batching = BatchMetrics(add)
        self.clock = clock
        self.kept: dict[tuple[Entrypoint, str, str], Series] = {}
        """Series that ``series`` has given; their number is bounded."""
        self._names: set[str] = set()
        self._states: dict[tuple[str, int], Gauge] = {}

    def series(self, entrypoint: Entrypoint, api: str, model: str) -> Series:
        """Requests for ``model``; ``api`` is the label: ``Predict``, over REST ``predict`` or empty."""
        series = self.kept.get((entrypoint, api, model))
        if series is None:
            series = Series(self, entrypoint, api, model)
            if len(self.kept) < MOST_NAMES:
                self.kept[entrypoint, api, model] = series
        return series

    def refused(self, model: str, code: Code) -> None:
        """A request for ``model`` ended without an answer; the name is empty if the request has none."""
        if model not in self._names:
            if len(self._names) < MOST_NAMES:
                self.know(model)
            else:
                model = OTHERS
        self.request_count.child(model, code.name).add()

    def know(self, model: str) -> None:
        """Give the failures of this model points of their own from now on."""
        self._names.add(model)

    def logged(self, model: str, code: Code) -> None:
        """A request was sampled for the request log; ``code`` says whether it is written."""
        self.logged_requests.child(model, code.name).add()

    def examples(self, model: str, count: int) -> None:
        """A MultiInference has run on ``count`` Examples."""
        self.example_counts.child(model).observe(count)
        self.example_count_total.child(model).add(count)

    def ran(self, model: str, api: str, seconds: float) -> None:
        """The model has run outside of a request, as in warm-up; ``api`` is ``Predict``, ``Classify``, ``Regress``."""
        self.runtime_latency.child(model, api, "TF1").observe(_micros(seconds))

    def warmed_up(self, path: str, status: str, seconds: float, records: int) -> None:
        """A warm-up file was read to its end or to an error; ``status`` is ``OK`` or the error as text."""
        self.warmup_latency.child(path, status).observe(_micros(seconds))
        self.warmup_records.child(path, status).add(records)

    def measured(self, load: Callable[[Path], LoadedT]) -> Callable[[Path], LoadedT]:
        """The same load of a version directory; each attempt is counted, as TensorFlow's own loader does."""

        def measure(path: Path) -> LoadedT:
            began, status = self.clock(), "fail"
            try:
                loaded = load(path)
                status = "success"
                return loaded
            finally:
                self.load_attempts.child(str(path), status).add()
                self.load_latency.child(str(path)).add(_micros(self.clock() - began))

        return measure

    def state_changed(self, model: str, version: int, state: str) -> None:
        """A version is in ``state`` now: 1 for this state, 0 for those it was in before."""
        current = self.version_state.child(model, str(version), state)
        former = self._states.get((model, version), current)
        former.set(0)
        current.set(1)
        self._states[model, version] = current

    def value(self, name: str) -> int:
        """The number of a metric's first point, as reloads report it; 0 for an unknown name."""
        return self.registry.value(name)

    def page(self) -> bytes:
        """All of it, for Prometheus."""
        self.batching.update()
        return exposition.page(self.registry).encode()


def _micros(seconds: float) -> int:
    return int(seconds * 1e6)
