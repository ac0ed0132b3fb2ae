"""The metrics of batching, as TensorFlow Serving has them (docs/metrics.md, "Metrics")."""

from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from serving.telemetry.metrics import Counter, Family, Histogram, Registry, exponential

_SESSION = "/tensorflow/serving/batching_session/"
_QUEUING_MICROS = exponential(100, 1.2, 52)
_SIZES = exponential(1, 2, 14)


class _Sizes(NamedTuple):
    """What only batches count into; resolved with the first one."""

    queuing: Histogram
    inputs: Histogram
    processed: Histogram
    padding: Family[Histogram]
    padding_of: dict[int, Histogram]


class BatchMetrics:
    """Told of every request in a batch and of every batch. Thread-safe.

    The sizes are registered with the first batch: before it they are not on the page.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._queuing = registry.histogram(f"{_SESSION}queuing_latency", _QUEUING_MICROS, "thread_pool_name")
        self._runs: Family[Counter] = registry.counter(f"{_SESSION}wrapped_run_count")
        self._registering = Lock()
        self._registered: _Sizes | None = None
        self._counting = Lock()
        self._alone: dict[tuple[int, int], int] = {}

    def batched(self, queued_seconds: float, input_rows: Sequence[int]) -> None:
        """A request that has waited so long is in a batch; ``input_rows`` has the 0th dimension of each input."""
        sizes = self._registered or self._register()
        sizes.queuing.observe(queued_seconds * 1e6)
        for rows in input_rows:
            sizes.inputs.observe(rows)

    def ran(self, rows: int, padding_rows: int) -> None:
        """A batch of ``rows``, ``padding_rows`` of them padding, is run."""
        sizes = self._registered or self._register()
        self._runs.child().add()
        sizes.processed.observe(rows)
        padding = sizes.padding_of.get(rows)
        if padding is None:
            padding = sizes.padding_of[rows] = sizes.padding.child(str(rows))
        padding.observe(padding_rows)

    def alone(self, rows: int, inputs: int) -> None:
        """A request that has not waited, with so many inputs, was a batch by itself, without padding."""
        key = rows, inputs
        with self._counting:
            self._alone[key] = self._alone.get(key, 0) + 1

    def update(self) -> None:
        """Bring what ``alone`` was told into the metrics: before they are read, for it is kept off the road."""
        with self._counting:
            alone, self._alone = self._alone, {}
        for (rows, inputs), times in alone.items():
            sizes = self._registered or self._register()
            sizes.queuing.observe_many(0.0, times)
            sizes.inputs.observe_many(rows, times * inputs)
            self._runs.child().add(times)
            sizes.processed.observe_many(rows, times)
            sizes.padding.child(str(rows)).observe_many(0, times)

    def _register(self) -> _Sizes:
        with self._registering:
            if self._registered is None:
                self._registered = _Sizes(
                    queuing=self._queuing.child(""),
                    inputs=self._registry.histogram(f"{_SESSION}input_batch_size", _SIZES).child(),
                    processed=self._registry.histogram(f"{_SESSION}processed_batch_size", _SIZES).child(),
                    padding=self._registry.histogram(f"{_SESSION}padding_size", _SIZES, "execution_batch_size"),
                    padding_of={},
                )
            return self._registered
