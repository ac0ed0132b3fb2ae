"""One caller's request in a queue, until its parts are settled and its future has the outcome. It runs nothing."""

import math
from collections.abc import Callable, Sequence
from threading import Lock

from serving.batching import merging
from serving.core.batch_queue import Part
from serving.core.batch_run import BatchRun
from serving.core.places import PlacedFuture
from serving.core.tensor import Tensor
from serving.errors import without_frames

Execute = Callable[[Sequence["Part[Task]"]], None]
"""Runs parts that belong to it and whose tasks have begun, and settles them."""


class TaskFuture(PlacedFuture[list[Tensor]]):
    """What a caller waits for. ``unwanted`` says that it does so no more, though its batch may run."""

    unwanted = False

    def __init__(self) -> None:
        super().__init__()
        self.on_unwanted: Callable[[], None] = lambda: None

    def write_off(self) -> None:
        """As for every such future: when all callers of a batch have gone."""
        if not self.unwanted:
            self.unwanted = True
            self.on_unwanted()


class Task:
    """``tensors`` are as ``execute`` feeds them, ``order`` says which of its outputs the caller gets, all if None.

    ``enqueued_at`` and ``deadline`` are in the scheduler's seconds; without a time limit ``deadline`` is infinite.
    """

    __slots__ = (
        "_error",
        "_lock",
        "_order",
        "_settled",
        "_settled_rows",
        "deadline",
        "enqueued_at",
        "execute",
        "future",
        "rows",
        "tensors",
    )

    def __init__(
        self,
        execute: Execute,
        tensors: Sequence[Tensor],
        rows: int,
        order: tuple[int, ...] | None = None,
    ) -> None:
        self.execute = execute
        self.tensors = tensors
        self.rows = rows
        self.enqueued_at = 0.0
        self.deadline = math.inf
        self.future = TaskFuture()
        self._order = order
        self._lock = Lock()
        self._settled: dict[int, Sequence[Tensor]] = {}
        self._settled_rows = 0
        self._error: BaseException | None = None

    def enqueue(self, now: float, timeout_ms: int) -> None:
        """Note when it came; ``timeout_ms`` <= 0 is no time limit."""
        self.enqueued_at = now
        if timeout_ms > 0:
            self.deadline = now + timeout_ms / 1000

    def begin(self) -> bool:
        """A part is about to be run; False if the caller has given up. The scheduler's lock is held."""
        return self.future.running() or self.future.set_running_or_notify_cancel()

    def note(self, batch: BatchRun) -> None:
        """A part is about to be run in this batch."""
        with self._lock:
            self.future.batches += (batch,)

    def slice(self, part: "Part[Task]") -> Sequence[Tensor]:
        """The tensors of one part."""
        if part.stop - part.start == self.rows:
            return self.tensors
        return [Tensor(dtype, array[part.start : part.stop]) for dtype, array in self.tensors]

    def settle(self, part: "Part[Task]", outcome: Sequence[Tensor] | BaseException) -> None:
        """Outputs or failure of one part; the last one to be settled, in whatever order, settles the caller.

        A failed part fails the caller, but not before the other parts are done: they still use the model.
        """
        with self._lock:
            if isinstance(outcome, BaseException):
                self._error = self._error or outcome
            else:
                self._settled[part.start] = outcome
            self._settled_rows += part.stop - part.start
            if self._settled_rows < self.rows or self.future.done():
                return
        if self._error is not None:
            self.future.set_exception(without_frames(self._error))
        else:
            self.future.set_result(self._outputs())

    def fail(self, error: BaseException) -> None:
        """Settle the caller at once if nothing has done so."""
        with self._lock:
            done = self.future.done()
        if not done:
            self.future.set_exception(without_frames(error))

    def _outputs(self) -> list[Tensor]:
        parts = [self._settled[start] for start in sorted(self._settled)]
        outputs = list(parts[0]) if len(parts) == 1 else merging.join(parts)
        return outputs if self._order is None else [outputs[index] for index in self._order]
