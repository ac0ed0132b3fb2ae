"""--metrics_per_version: requests by version and signature, beside TensorFlow Serving's metrics, which know neither.

It is told of each request once, when it has ended, and asks nobody else what it was.
"""

from collections.abc import Callable, Collection
from threading import Lock
from typing import NamedTuple, Protocol

from serving.errors import Code
from serving.telemetry.metrics import Counter, Exemplar, Family, Histogram, Labels, Registry
from serving.telemetry.serving_metrics import OTHERS, Present

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LABELS = ("model_name", "version", "signature", "API", "entrypoint", "status")
_OF_RUNS = 4
"""How many of the labels a run has: it succeeded, and has no door."""


class Ended(Protocol):
    """A request that has ended; ``version`` is None if none was found, ``run_seconds`` 0 if no model ran."""

    @property
    def model(self) -> str:
        """As the request names it."""
        ...

    @property
    def version(self) -> int | None:
        """The version that was to answer."""
        ...

    @property
    def signature(self) -> str:
        """As the request names it; what it comes to if it names none."""
        ...

    @property
    def api(self) -> str:
        """As in TensorFlow Serving's metrics."""
        ...

    @property
    def door(self) -> str:
        """``REST`` or ``GRPC``."""
        ...

    @property
    def code(self) -> int:
        """Of the answer."""
        ...

    @property
    def seconds(self) -> float:
        """From when it had been read to its answer."""
        ...

    @property
    def run_seconds(self) -> float:
        """The part of it in the model."""
        ...


class Known(NamedTuple):
    """``listed`` says whether a model is configured; ``signatures`` has those of a version, None if it is not there.

    Names are a client's: only those that are known become labels.
    """

    listed: Callable[[str], bool]
    signatures: Callable[[str, int], Collection[str] | None]


class _Points(NamedTuple):
    requests: Counter
    latency: Histogram
    runs: Histogram


_Key = tuple[str, int, str, str, str, int]


class VersionMetrics:
    """Thread-safe. A version's points go when ``forget_gone`` is told that it has gone."""

    def __init__(self, registry: Registry, known: Known) -> None:
        self._known = known
        self._requests: Family[Counter] = registry.counter("/serving/requests", *_LABELS)
        self._latency = registry.histogram("/serving/request_seconds", _SECONDS, *_LABELS, exact=True)
        self._runs = registry.histogram("/serving/run_seconds", _SECONDS, *_LABELS[:_OF_RUNS], exact=True)
        self._lock = Lock()
        self._points: dict[_Key, _Points] = {}

    def observed(self, record: Ended) -> None:
        """Count a request, unless it is for no model."""
        if not record.model:
            return
        version = record.version
        points = None
        if version is not None:
            key = record.model, version, record.signature, record.api, record.door, record.code
            points = self._points.get(key)
        if points is None:
            points = self._resolve(record)
        points.requests.add()
        points.latency.observe(record.seconds)
        if record.run_seconds > 0:
            points.runs.observe(record.run_seconds)

    def exemplify(self, record: Ended, trace_id: str, span_id: str, when: float) -> None:
        """A request that was counted has a trace; ``when`` it ended, in Unix time."""
        if record.version is None:
            return
        points = self._points.get(
            (record.model, record.version, record.signature, record.api, record.door, record.code)
        )
        if points is not None:
            points.latency.exemplify(Exemplar(trace_id, span_id, record.seconds, when))
            points.runs.exemplify(Exemplar(trace_id, span_id, record.run_seconds, when))

    def forget_gone(self, present: Present) -> None:
        """Drop the points of versions that are not there, and of models that are not listed, any more."""
        versions = {(model, str(version)) for model, version in present.versions}

        def gone(labels: Labels) -> bool:
            model, version = labels[:2]
            return (model, version) not in versions if version else model not in (*present.models, OTHERS)

        with self._lock:
            for family in (self._requests, self._latency, self._runs):
                family.forget(gone)
            self._points = {key: each for key, each in self._points.items() if key[:2] in present.versions}

    def _resolve(self, record: Ended) -> _Points:
        """The points of a request of a kind that was not seen before, or that is of no version."""
        with self._lock:
            model, version, signature = self._names(record)
            labels = (model, version, signature, record.api, record.door, _status(record.code))
            points = _Points(
                self._requests.child(*labels), self._latency.child(*labels), self._runs.child(*labels[:_OF_RUNS])
            )
            if version and record.version is not None and signature == record.signature:
                key = model, record.version, signature, record.api, record.door, record.code
                self._points[key] = points
            return points

    def _names(self, record: Ended) -> tuple[str, str, str]:
        """Model, version and signature as labels: nobody can make more of them than there are."""
        signatures = None if record.version is None else self._known.signatures(record.model, record.version)
        if signatures is None:
            return (record.model if self._known.listed(record.model) else OTHERS), "", ""
        known = not record.signature or record.signature in signatures
        return record.model, str(record.version), record.signature if known else OTHERS


def _status(code: int) -> str:
    return Code(code).name if 0 <= code <= max(Code) else Code.UNKNOWN.name
