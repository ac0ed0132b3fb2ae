"""The metrics of batching, as TensorFlow Serving has them (docs/compatibility.md, "Metrics")."""

from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from serving.telemetry.metrics import Counter, Family, Histogram, Registry, exponential

_SESSION = "/tensorflow/serving/batching_session/"
_QUEUING_MICROS = exponential(100, 1.2, 52)
_SIZES = exponential(1, 2, 14)


class _Sizes(NamedTuple):
    inputs: Family[Histogram]
    processed: Family[Histogram]
    padding: Family[Histogram]


class BatchMetrics:
    """Told of every request in a batch and of every batch. Thread-safe.

    The sizes are registered with the first batch: before it they are not on the page.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._queuing = registry.histogram(f"{_SESSION}queuing_latency", _QUEUING_MICROS, "thread_pool_name").child
        self._runs: Family[Counter] = registry.counter(f"{_SESSION}wrapped_run_count")
        self._registering = Lock()
        self._registered: _Sizes | None = None

    def batched(self, queued_seconds: float, input_rows: Sequence[int]) -> None:
        """A request that has waited so long is in a batch; ``input_rows`` has the 0th dimension of each input."""
        self._queuing("").observe(queued_seconds * 1e6)
        inputs = self._sizes().inputs.child()
        for rows in input_rows:
            inputs.observe(rows)

    def ran(self, rows: int, padding_rows: int) -> None:
        """A batch of ``rows``, ``padding_rows`` of them padding, is run."""
        self._runs.child().add()
        sizes = self._sizes()
        sizes.processed.child().observe(rows)
        sizes.padding.child(str(rows)).observe(padding_rows)

    def _sizes(self) -> _Sizes:
        with self._registering:
            if self._registered is None:
                self._registered = _Sizes(
                    inputs=self._registry.histogram(f"{_SESSION}input_batch_size", _SIZES),
                    processed=self._registry.histogram(f"{_SESSION}processed_batch_size", _SIZES),
                    padding=self._registry.histogram(f"{_SESSION}padding_size", _SIZES, "execution_batch_size"),
                )
            return self._registered
