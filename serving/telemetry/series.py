"""What the requests for one model by one method at one door count into; which metrics these are is not known here."""

from collections import deque
from collections.abc import Callable
from threading import Lock
from time import perf_counter
from typing import Literal, Protocol

import numpy as np

from serving.errors import Code, LimitError, ServingError
from serving.telemetry.metrics import MOST_WAITING, Counter, Family, Histogram

Clock = Callable[[], float]
Entrypoint = Literal["REST", "GRPC"]


class Counts(Protocol):
    """Where series get their metrics from, and tell what fails: ``ServingMetrics``."""

    clock: Clock
    request_count: Family[Counter]
    request_latency: Family[Histogram]
    runtime_latency: Family[Histogram]

    def refused(self, model: str, code: Code) -> None:
        """A request ended without an answer."""
        ...

    def limited(self, limit: str) -> None:
        """A limit has turned it away."""
        ...

    def know(self, model: str) -> None:
        """A model has answered: its failures have points of their own."""
        ...


class Series:
    """What the requests for one model by one method at one door count into; children come with the first success.

    Times are seconds of ``clock``. Of a request that ran and was answered at once the two times are kept, many in a
    row, until somebody reads the metrics or there are too many of them.
    """

    __slots__ = ("_answered", "_kept", "_lock", "_metrics", "_runtime", "api", "clock", "entrypoint", "model")

    def __init__(self, metrics: Counts, entrypoint: Entrypoint, api: str, model: str) -> None:
        self.entrypoint = entrypoint
        self.api = api
        self.model = model
        self.clock = metrics.clock
        self._metrics = metrics
        self._answered: tuple[Counter, Histogram] | None = None
        self._runtime: Histogram | None = None
        self._lock = Lock()
        self._kept: deque[tuple[float, float]] | None = None

    def ran_and_answered(self, run_seconds: float, seconds: float) -> None:
        """The model took ``run_seconds`` of the time that it took to answer a request."""
        kept = self._kept
        if kept is None:
            kept = self._keep()
        kept.append((run_seconds, seconds))
        if len(kept) >= MOST_WAITING:
            self._hand_over()

    def ran(self, seconds: float) -> None:
        """The model took so long."""
        (self._runtime or self._first_run()).observe(seconds * 1e6)

    def answered(self, seconds: float) -> None:
        """A request was answered after so long."""
        count, latency = self._answered or self._first_answer()
        latency.observe(seconds * 1e6)
        count.add()

    def succeeded(self, began: float) -> None:
        """A request that came when it ``began`` has its answer."""
        self.answered(self.clock() - began)

    def failed(self, error: BaseException) -> None:
        """A request ended with ``error``; what is no ServingError is INTERNAL to a client."""
        self._metrics.refused(self.model, error.code if isinstance(error, ServingError) else Code.INTERNAL)
        if isinstance(error, LimitError):
            self._metrics.limited(error.limit)

    def _first_answer(self) -> tuple[Counter, Histogram]:
        self._metrics.know(self.model)
        self._answered = (
            self._metrics.request_count.child(self.model, Code.OK.name),
            self._metrics.request_latency.child(self.model, self.api, self.entrypoint),
        )
        return self._answered

    def _first_run(self) -> Histogram:
        self._runtime = self._metrics.runtime_latency.child(self.model, self.api.capitalize(), "TF1")
        return self._runtime

    def _keep(self) -> "deque[tuple[float, float]]":
        with self._lock:
            if self._kept is None:
                count, latency = self._first_answer()
                for metric in (count, latency, self._first_run()):
                    metric.sources += (self._hand_over,)
                self._kept = deque()
            return self._kept

    def _hand_over(self) -> None:
        """Count what was kept; others may go on keeping meanwhile."""
        with self._lock:
            kept = self._kept
            if not kept:
                return
            micros = np.array([kept.popleft() for _ in range(len(kept))]) * 1e6
            (count, latency), runtime = self._answered or self._first_answer(), self._runtime or self._first_run()
            runtime.observe_all(micros[:, 0])
            latency.observe_all(micros[:, 1])
            count.add(len(micros))


class _Uncounted(Series):
    """Requests that leave no trace."""

    def __init__(self) -> None:
        self.clock = perf_counter

    def ran_and_answered(self, run_seconds: float, seconds: float) -> None:
        """Count nothing, as all below."""

    def ran(self, seconds: float) -> None:
        """Nothing."""

    def answered(self, seconds: float) -> None:
        """Nothing."""

    def failed(self, error: BaseException) -> None:
        """Nothing."""


UNCOUNTED: Series = _Uncounted()
