"""The metrics of the server by name, as TensorFlow Serving has them (docs/metrics.md, "Metrics"), and a few more.

What a request costs here: one lookup, and an addition to three metrics that were resolved before.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple, TypeVar

from serving.errors import Code
from serving.telemetry import exposition
from serving.telemetry.batch_metrics import BatchMetrics
from serving.telemetry.metrics import Gauge, Registry, exponential
from serving.telemetry.readings import Reader, Reading, read
from serving.telemetry.series import Clock, Entrypoint, Series

LoadedT = TypeVar("LoadedT")
Shown = tuple[Registry, Sequence[Reading]]

_SERVING = "/tensorflow/serving/"
_LOADER = "/tensorflow/cc/saved_model/"
_LATENCY_MICROS = exponential(10, 1.8, 33)
_EXAMPLE_COUNTS = exponential(1, 2, 15)

MOST_NAMES = 1000
"""Names of models that failing requests may add to the page: anybody can ask for a model, and memory is finite."""
OTHERS = "(others)"
"""The model name of failures beyond ``MOST_NAMES``."""


class Present(NamedTuple):
    """What may be on the page: the versions that are aspired, loaded or on their way out, and the models listed."""

    versions: Collection[tuple[str, int]]
    models: Collection[str]


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
        self.calls_by_engine = add.counter("/serving/engine_calls", "model_name", "version", "engine")
        self.micros_by_engine = add.gauge(
            "/serving/engine_micros", "model_name", "version", "signature", "rows", "calls", "engine"
        )
        self.model_memory = add.gauge("/serving/model_memory_bytes", "model_name", "version")
        self.evictions = add.counter("/serving/evictions", "model_name")
        self.long_runs = add.gauge("/serving/long_runs", "model_name")
        self.refused_by_limit = add.counter("/serving/refused_requests", "limit")
        self.logged_requests = add.counter(f"{_SERVING}request_log_count", "model_name", "status_code")
        # TensorFlow Serving lists this one, and its released binary never counts into it.
        add.gauge(f"{_SERVING}mlmd_map", "model_name", "version")
        self.batching = BatchMetrics(add)
        self.readers: list[Reader] = []
        """What is read whenever the page is made."""
        self.of_all: Callable[[], Shown] | None = None
        """What the page shows where several workers are one server; None for what this process has counted. Blocks."""
        self.present: Callable[[], Present] | None = None
        """Says of which models and versions there may be points; None keeps all. Asked whenever the page is made."""
        self.forgetting: list[Callable[[Present], None]] = []
        """Who else is told of what is there."""
        self.clock = clock
        self.kept: dict[tuple[Entrypoint, str, str], Series] = {}
        """Series that ``series`` has given; their number is bounded."""
        self._names: set[str] = set()
        self._states: dict[tuple[str, int], Gauge] = {}
        self._paths: dict[tuple[str, int], str] = {}

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

    def limited(self, limit: str) -> None:
        """A request, or a connection, was turned away by the limit that this flag sets."""
        self.refused_by_limit.child(limit).add()

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

    def loads(self, model: str, version: int, path: Path) -> None:
        """The version at this path is about to be loaded: what has the path as its label goes when the version does."""
        self._paths[model, version] = str(path)

    def forget_gone(self) -> None:
        """Drop the points of versions and of models that are not there any more.

        Those of TensorFlow Serving's that have a model's name stay, as they do there.
        """
        if self.present is None:
            return
        known = {*self._states, *self._paths}  # before: what comes meanwhile is not gone
        present = self.present()
        gone = known.difference(present.versions)
        if gone:
            self._forget_versions(gone)
        for of_model in (self.long_runs, self.evictions):
            of_model.forget(lambda labels: labels[0] not in present.models)
        for forget_gone in self.forgetting:
            forget_gone(present)

    def _forget_versions(self, gone: Collection[tuple[str, int]]) -> None:
        names = {(model, str(version)) for model, version in gone}
        for of_version in (self.version_state, self.calls_by_engine, self.micros_by_engine, self.model_memory):
            of_version.forget(lambda labels: labels[:2] in names)
        # Another thread may do the same at the same time.
        paths = {path for each in gone if (path := self._paths.pop(each, None)) is not None}
        paths.difference_update(list(self._paths.values()))
        for of_path in (self.load_attempts, self.load_latency, self.warmup_latency, self.warmup_records):
            of_path.forget(lambda labels: labels[0] in paths)
        for each in gone:
            self._states.pop(each, None)

    def state_changed(self, model: str, version: int, state: str) -> None:
        """A version is in ``state`` now: 1 for this state, 0 for those it was in before."""
        current = self.version_state.child(model, str(version), state)
        former = self._states.get((model, version), current)
        former.set(0)
        current.set(1)
        self._states[model, version] = current

    def model_holds(self, model: str, version: int, count: int) -> None:
        """A version holds so many bytes now."""
        self.model_memory.child(model, str(version)).set(count)

    def evicted(self, model: str) -> None:
        """A version of ``model`` was unloaded to make room for another model."""
        self.evictions.child(model).add()

    def engine_calls(self, model: str, version: int, engine: str) -> Callable[[], None]:
        """What counts one call of a version that an engine beside TensorFlow has answered."""
        return self.calls_by_engine.child(model, str(version), engine).add

    def engine_chosen(
        self, model: str, version: int, signature: str, rows: int, calls: int, engine: str, micros: int
    ) -> None:
        """Who runs calls of so many rows, so many at once, from now on, and how long one took when it was timed."""
        self.micros_by_engine.child(model, str(version), signature, str(rows), str(calls), engine).set(micros)

    def value(self, name: str) -> int:
        """The number of a metric's first point, as reloads report it; 0 for an unknown name."""
        return (self.registry if self.of_all is None else self.of_all()[0]).value(name)

    def page(self) -> bytes:
        """All of it, for Prometheus."""
        return exposition.page(*self._shown()).encode()

    def openmetrics(self) -> bytes:
        """The same, with exemplars."""
        from serving.telemetry import openmetrics  # only once a scraper asks

        return openmetrics.page(*self._shown()).encode()

    def own(self) -> Shown:
        """What this process has counted, and what can be read of it."""
        self.batching.update()
        self.forget_gone()
        return self.registry, read(self.readers)

    def _shown(self) -> Shown:
        return self.own() if self.of_all is None else self.of_all()


def _micros(seconds: float) -> int:
    return int(seconds * 1e6)
