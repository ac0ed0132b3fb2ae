"""Traces of requests as exemplars of the histograms that have counted them; told of each trace once it is made."""

from typing import Protocol

from serving.telemetry.metrics import Exemplar
from serving.telemetry.serving_metrics import ServingMetrics
from serving.telemetry.version_metrics import Ended, VersionMetrics


class TracedRequest(Ended, Protocol):
    """A request that has ended. Times are seconds, ``arrived`` is Unix time.

    ``latency_seconds`` is what the metrics have counted for it, 0 if nothing.
    """

    @property
    def arrived(self) -> float:
        """When it came."""
        ...

    @property
    def latency_seconds(self) -> float:
        """As TensorFlow Serving counts it."""
        ...

    @property
    def queue_seconds(self) -> float:
        """What it has waited for a place, a thread or a batch."""
        ...

    @property
    def waited_seconds(self) -> float:
        """The part of it before it was read."""
        ...


class Exemplars:
    """Those of ``metrics``, and of ``versions`` if there are any. Its user is one thread."""

    def __init__(self, metrics: ServingMetrics, versions: VersionMetrics | None) -> None:
        self._metrics = metrics
        self._versions = versions

    def __call__(self, record: TracedRequest, trace_id: str, span_id: str) -> None:
        """The span of a request is sent, and so its ids lead somewhere."""
        when = record.arrived + record.seconds
        if record.latency_seconds > 0 and record.api:
            latency = self._metrics.request_latency.child(record.model, record.api, record.door)
            latency.exemplify(Exemplar(trace_id, span_id, record.latency_seconds * 1e6, when))
            runtime = self._metrics.runtime_latency.child(record.model, record.api.capitalize(), "TF1")
            ran = record.run_seconds + record.queue_seconds - record.waited_seconds
            runtime.exemplify(Exemplar(trace_id, span_id, ran * 1e6, when))
        if self._versions is not None:
            self._versions.exemplify(record, trace_id, span_id, when)
