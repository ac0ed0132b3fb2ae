"""A servable whose runs are batched: the same protocol as the servable it wraps, and the same texts as TFS."""

from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Any, NamedTuple

from serving.batching import merging
from serving.batching.execution import BatchObserver, Clock, Execution, Request, Unobserved, deadline
from serving.batching.parameters import BatchingParameters
from serving.batching.scheduler import BatchScheduler
from serving.batching.task import Task
from serving.core.batch_queue import BatchQueue
from serving.core.bounded import Bounded
from serving.core.servable import Fed, JoiningRun, Outcome, Run, Servable
from serving.core.signature import Signature
from serving.core.tensor import Tensor
from serving.errors import ServingError


class _QueuedRun(NamedTuple):
    """A queue, what runs its batches with the run of the model, and the order of feeds and fetches in which it does."""

    queue: BatchQueue[Task]
    execution: Execution
    run: Run
    feeds: tuple[str, ...]
    fetches: tuple[str, ...]


class BatchedServable:
    """Wraps ``inner`` and closes it. Raises ConfigurationError for parameters that cannot be; ``inner`` stays open.

    ``owner`` is who the batches belong to, for the scheduler's turns and counts; nobody else by default. ``wall``
    gives Unix time to the batches that are noted; without it none is.
    """

    def __init__(
        self,
        inner: Servable,
        parameters: BatchingParameters,
        scheduler: BatchScheduler,
        observer: BatchObserver | None = None,
        owner: Hashable = None,
        wall: Clock | None = None,
    ) -> None:
        self._inner = inner
        self._parameters = parameters
        self._options = parameters.queue_options()
        self._scheduler = scheduler
        self._observer = observer or Unobserved()
        self._wall = wall
        self._owner: Hashable = object() if owner is None else owner
        self._lock = Lock()
        self._queued_runs: dict[tuple[frozenset[str], frozenset[str]], _QueuedRun] = {}
        self._resolved: Bounded[tuple[tuple[str, ...], tuple[str, ...]], Run] = Bounded()
        """A combination beyond those kept has a queue of its own, which ends with it."""

    @property
    def engine(self) -> str:
        """What answers the calls of the wrapped servable."""
        return str(getattr(self._inner, "engine", "tensorflow"))

    @property
    def inner(self) -> Servable:
        """What it wraps."""
        return self._inner

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Those of the wrapped servable."""
        return self._inner.signatures

    @property
    def signature_defs(self) -> Mapping[str, Any]:
        """Those of the wrapped servable."""
        return self._inner.signature_defs

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        """The batched call; combinations of the same tensors in another order share their batches."""
        run = self._resolved.get((feeds, fetches))
        if run is None:
            with self._lock:
                run = self._resolved.get((feeds, fetches)) or self._resolve(feeds, fetches)
        return run

    def close(self) -> None:
        """Close the wrapped servable; requests still queued, which nobody's handle can stand for, fail."""
        for queued in self._queued_runs.values():
            self._scheduler.remove(queued.queue)
        self._resolved.clear()
        self._inner.close()

    def _resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        key = frozenset(feeds), frozenset(fetches)
        queued = self._queued_runs.get(key)
        if queued is None or len(queued.feeds) != len(feeds):
            queued = self._open(feeds, tuple(dict.fromkeys(fetches)))
        run = _BatchedRun(self._scheduler, queued, self._parameters, feeds, fetches)
        self._resolved.keep((feeds, fetches), run)
        if (feeds, fetches) in self._resolved:
            self._queued_runs.setdefault(key, queued)
        return run

    def _open(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> _QueuedRun:
        run = self._inner.resolve(feeds, fetches)
        execution = Execution(run, self._parameters, self._scheduler.clock, self._observer, self._wall)
        return _QueuedRun(BatchQueue(self._options, self._owner), execution, run, feeds, fetches)


class _BatchedRun(JoiningRun):
    """One combination in the order that its callers use. ``inner`` makes the calls, each of ``most_rows`` at most."""

    __slots__ = (
        "_execution",
        "_feeds",
        "_fetches",
        "_inner",
        "_most_rows",
        "_padding",
        "_queue",
        "_scheduler",
        "_waits",
    )

    def __init__(
        self,
        scheduler: BatchScheduler,
        queued: _QueuedRun,
        parameters: BatchingParameters,
        feeds: tuple[str, ...],
        fetches: tuple[str, ...],
    ) -> None:
        self._scheduler = scheduler
        self._queue, self._execution, self._inner, _, _ = queued
        self._most_rows = parameters.queue_options().batch_rows
        self._padding = parameters.pad_variable_length_inputs
        self._waits = parameters.batch_timeout_micros > 0
        self._feeds = None if feeds == queued.feeds else tuple(feeds.index(name) for name in queued.feeds)
        self._fetches = None if fetches == queued.fetches else tuple(queued.fetches.index(name) for name in fetches)

    @property
    def inline(self) -> bool:
        """Whether batches, as they came, have been short: then waiting for company costs more than it saves."""
        return self._inner.inline

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        """Run at once if that is no loss, else as part of a batch, and wait for it."""
        outputs = self.alone(tensors, timeout_ms) if self._inner.inline or not self._waits else None
        if outputs is not None:
            return outputs
        return self._scheduler.call(self._queue, self._task(tensors), timeout_ms)

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        """Run as part of a batch; no thread waits for it. Raises ServingError if it cannot be queued."""
        task = self._task(tensors)
        self._scheduler.submit(self._queue, task, timeout_ms)
        return task.future

    def alone(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor] | None:
        """Run as a batch of its own that was never queued; None if others come first, or it is too large for one."""
        inputs = tensors if self._feeds is None else self._in_order(tensors)
        rows = merging.rows_of(inputs, padding=self._padding)
        if rows > self._most_rows or not self._scheduler.enter(self._queue):
            return None
        try:
            outputs = self._execution.alone(inputs, rows, timeout_ms)
        finally:
            self._scheduler.leave()
        return outputs if self._fetches is None else [outputs[index] for index in self._fetches]

    def together(self, calls: Sequence[Fed]) -> Sequence[Outcome]:
        """The same for the first of ``calls`` that fit in one batch."""
        if not self._scheduler.enter(self._queue):
            return ()
        try:
            now = self._scheduler.clock()
            requests = self._fitting(calls, now)
            outcomes = self._execution.outcomes(requests, now, (0.0,) * len(requests)) if requests else ()
        finally:
            self._scheduler.leave()
        order = self._fetches
        if order is None:
            return outcomes
        return [each if isinstance(each, Exception) else [each[index] for index in order] for each in outcomes]

    def _fitting(self, calls: Sequence[Fed], now: float) -> list[Request]:
        """Those of ``calls`` that fill one batch, up to the first that does not fit; none if that is the very first.

        What a queue would refuse or split fits nowhere.
        """
        requests, room = [], self._most_rows
        for tensors, timeout_ms in calls:
            inputs = tensors if self._feeds is None else self._in_order(tensors)
            try:
                rows = merging.rows_of(inputs, padding=self._padding)
            except ServingError:
                break
            room -= rows
            if room < 0:
                break
            requests.append(Request(inputs, rows, deadline(now, timeout_ms)))
        return requests

    def _task(self, tensors: Sequence[Tensor]) -> Task:
        inputs = self._in_order(tensors)
        return Task(self._execution, inputs, merging.rows_of(inputs, padding=self._padding), self._fetches)

    def _in_order(self, tensors: Sequence[Tensor]) -> merging.Inputs:
        return tensors if self._feeds is None else [tensors[index] for index in self._feeds]
