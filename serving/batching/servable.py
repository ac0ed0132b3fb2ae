"""A servable whose runs are batched: the same protocol as the servable it wraps, and the same texts as TFS."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Any, NamedTuple

from serving.batching import forming
from serving.batching.execution import BatchObserver, Execution, Unobserved
from serving.batching.parameters import BatchingParameters
from serving.batching.scheduler import BatchScheduler
from serving.batching.task import Task
from serving.core.batch_queue import BatchQueue
from serving.core.servable import Run, Servable
from serving.core.signature import Signature
from serving.core.tensor import Tensor

_RESOLVED = 256
"""Combinations of feeds and fetches kept per servable; each beyond it has a queue of its own, which ends with it."""


class _Channel(NamedTuple):
    """A queue, what runs its batches, and the order of feeds and fetches in which it does."""

    queue: BatchQueue[Task]
    execution: Execution
    feeds: tuple[str, ...]
    fetches: tuple[str, ...]


class BatchedServable:
    """Wraps ``inner`` and closes it. Raises ConfigurationError for parameters that cannot be; ``inner`` stays open."""

    def __init__(
        self,
        inner: Servable,
        parameters: BatchingParameters,
        scheduler: BatchScheduler,
        observer: BatchObserver | None = None,
    ) -> None:
        self._inner = inner
        self._parameters = parameters
        self._options = parameters.queue_options()
        self._scheduler = scheduler
        self._observer = observer or Unobserved()
        self._lock = Lock()
        self._channels: dict[tuple[frozenset[str], frozenset[str]], _Channel] = {}
        self._resolved: dict[tuple[tuple[str, ...], tuple[str, ...]], Run] = {}

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
        for channel in self._channels.values():
            self._scheduler.remove(channel.queue)
        self._resolved.clear()
        self._inner.close()

    def _resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        key = frozenset(feeds), frozenset(fetches)
        channel = self._channels.get(key)
        if channel is None or len(channel.feeds) != len(feeds):
            channel = self._open(feeds, tuple(dict.fromkeys(fetches)))
        run = _BatchedRun(self._scheduler, channel, feeds, fetches)
        if len(self._resolved) < _RESOLVED:
            self._channels.setdefault(key, channel)
            self._resolved[feeds, fetches] = run
        return run

    def _open(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> _Channel:
        run = self._inner.resolve(feeds, fetches)
        execution = Execution(run, self._parameters, self._scheduler.clock, self._observer)
        return _Channel(BatchQueue(self._options), execution, feeds, fetches)


class _BatchedRun:
    """One combination in the order that its callers use."""

    __slots__ = ("_channel", "_feeds", "_fetches", "_scheduler")

    inline = False

    def __init__(
        self, scheduler: BatchScheduler, channel: _Channel, feeds: tuple[str, ...], fetches: tuple[str, ...]
    ) -> None:
        self._scheduler = scheduler
        self._channel = channel
        self._feeds = None if feeds == channel.feeds else tuple(feeds.index(name) for name in channel.feeds)
        self._fetches = None if fetches == channel.fetches else tuple(channel.fetches.index(name) for name in fetches)

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        """Run as part of a batch, and wait for it."""
        return self._scheduler.call(self._channel.queue, self._task(tensors), timeout_ms)

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        """Run as part of a batch; no thread waits for it. Raises ServingError if it cannot be queued."""
        task = self._task(tensors)
        self._scheduler.submit(self._channel.queue, task, timeout_ms)
        return task.future

    def _task(self, tensors: Sequence[Tensor]) -> Task:
        if self._feeds is not None:
            tensors = [tensors[index] for index in self._feeds]
        execution = self._channel.execution
        return Task(execution, tensors, forming.rows_of(tensors, padding=execution.padding), self._fetches)
