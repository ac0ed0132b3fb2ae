"""Batch queues: tasks in, batches out. Pure: no threads, no clock; time is an argument, in seconds of any one clock.

A queue knows how many rows a task has and nothing else of it. Limits and texts: docs/models.md, "Batching".
"""

import math
from collections import deque
from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from serving.errors import Code, ServingError, invalid_argument

TaskT = TypeVar("TaskT")

_FULL = "The batch scheduling queue to which this task was submitted is full; "


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """Sizes are in rows. With ``splitting`` a task may be larger than a batch, and is cut to fit."""

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    splitting: bool = False
    max_execution_batch_size: int = 1000

    @property
    def batch_rows(self) -> int:
        """The most rows that a batch has."""
        return self.max_execution_batch_size if self.splitting else self.max_batch_size


class Part(NamedTuple, Generic[TaskT]):
    """The rows ``start`` to ``stop`` of a task: all of them unless it was split."""

    task: TaskT
    start: int
    stop: int


class Batch(Generic[TaskT]):
    """Parts in the order of their arrival; ``began`` is when the first one came, ``rows`` how many there are."""

    __slots__ = ("began", "owner", "parts", "rows")

    def __init__(self, began: float) -> None:
        self.began = began
        self.owner: Hashable = None
        self.parts: list[Part[TaskT]] = []
        self.rows = 0

    def add(self, part: Part[TaskT]) -> None:
        """Take one more."""
        self.parts.append(part)
        self.rows += part.stop - part.start

    def drop(self, task: TaskT) -> None:
        """Take this task's parts out."""
        self.parts = [part for part in self.parts if part.task is not task]
        self.rows = sum(part.stop - part.start for part in self.parts)


class BatchQueue(Generic[TaskT]):
    """Batches of one kind, none empty. The last one is open: it takes what still fits."""

    __slots__ = ("_batches", "_options", "_timeout", "owner")

    def __init__(self, options: QueueOptions, owner: Hashable = None) -> None:
        self.owner = owner
        """Whose batches these are; several queues may have the same one."""
        self._options = options
        self._timeout = options.batch_timeout_micros / 1e6
        self._batches: deque[Batch[TaskT]] = deque()

    def __len__(self) -> int:
        """How many batches there are, the open one included."""
        return len(self._batches)

    @property
    def rows(self) -> int:
        """How many rows wait."""
        return sum(batch.rows for batch in self._batches)

    @property
    def due_at(self) -> float | None:
        """When there is a batch to take: minus infinity for at once, None while the queue is empty."""
        if not self._batches:
            return None
        if len(self._batches) > 1 or self._batches[0].rows >= self._options.batch_rows:
            return -math.inf
        return self._batches[0].began + self._timeout

    def put(self, task: TaskT, rows: int, now: float) -> None:
        """Add a task, whole or not at all.

        INVALID_ARGUMENT if it has more rows than a task may have, UNAVAILABLE if the queue is full.
        """
        if rows > self._options.max_batch_size:
            raise invalid_argument(
                f"Task size {rows} is larger than maximum input batch size {self._options.max_batch_size}"
            )
        start = 0
        for size in self._sizes(rows):
            if size > self._room or not self._batches:
                self._batches.append(Batch(now))
            self._batches[-1].add(Part(task, start, start + size))
            start += size

    def take(self, now: float) -> Batch[TaskT] | None:
        """The oldest batch, if it is due."""
        due_at = self.due_at
        return self._batches.popleft() if due_at is not None and due_at <= now else None

    def discard(self, task: TaskT) -> None:
        """Forget what was not taken of a task; its rows are free again."""
        for batch in self._batches:
            batch.drop(task)
        self._batches = deque(batch for batch in self._batches if batch.parts)

    def clear(self) -> list[Part[TaskT]]:
        """Forget everything; what there was, oldest first."""
        parts = [part for batch in self._batches for part in batch.parts]
        self._batches.clear()
        return parts

    @property
    def _room(self) -> int:
        return self._options.batch_rows - (self._batches[-1].rows if self._batches else 0)

    def _sizes(self, rows: int) -> Iterator[int]:
        """The sizes of the parts of a task. UNAVAILABLE if the queue is full."""
        room = self._room
        if not self._options.splitting:
            if rows > room and len(self._batches) >= self._options.max_enqueued_batches:
                raise ServingError(
                    Code.UNAVAILABLE,
                    f"{_FULL}currently {len(self._batches)} batches enqueued and max_enqueued_batches is "
                    f"{self._options.max_enqueued_batches}",
                )
            return iter((rows,))
        self._check_capacity(rows, room)
        return iter((rows,)) if rows <= room else _cut(rows, room, self._options.batch_rows)

    def _check_capacity(self, rows: int, room: int) -> None:
        limit, most = self._options.batch_rows, self._options.max_enqueued_batches
        enqueued = max(len(self._batches), 1)  # TFS has an open batch even if nothing is in it
        capacity = (most - enqueued) * limit + room
        if rows > capacity:
            raise ServingError(
                Code.UNAVAILABLE,
                f"{_FULL}task size is {rows} but scheduling capacity is only {capacity} "
                f"(num_enqueued_batches={enqueued}, max_enqueued_batches={most}, open_batch_size={limit - room}, "
                f"max_execution_batch_size={limit})",
            )


def _cut(rows: int, first: int, limit: int) -> Iterator[int]:
    if first > 0:
        yield first
        rows -= first
    while rows > 0:
        yield min(rows, limit)
        rows -= limit


class BatchQueues(Generic[TaskT]):
    """The queues that hold something, in the order in which their turns come: who gave a batch goes to the end.

    ``waiting`` has them, to be looked at and not to be changed.
    """

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: dict[BatchQueue[TaskT], None] = {}

    def __len__(self) -> int:
        """How many queues hold something."""
        return len(self.waiting)

    @property
    def due_at(self) -> float | None:
        """When the first batch of any queue is due, None if there is none."""
        return self.due_at_but(())

    def due_at_but(self, busy: Collection[Hashable]) -> float | None:
        """The same without the queues of those owners."""
        times = (queue.due_at for queue in self.waiting if not busy or queue.owner not in busy)
        return min((time for time in times if time is not None), default=None)

    def put(self, queue: BatchQueue[TaskT], task: TaskT, rows: int, now: float) -> None:
        """``BatchQueue.put``."""
        queue.put(task, rows, now)
        self.waiting.setdefault(queue)

    def take(self, now: float, busy: Collection[Hashable] = ()) -> Batch[TaskT] | None:
        """A batch that is due, of the queue whose turn it is; none of those owners."""
        for queue in self.waiting:
            if busy and queue.owner in busy:
                continue
            batch = queue.take(now)
            if batch is not None:
                del self.waiting[queue]
                if queue:
                    self.waiting[queue] = None
                batch.owner = queue.owner
                return batch
        return None

    def discard(self, queue: BatchQueue[TaskT], task: TaskT) -> None:
        """``BatchQueue.discard``."""
        queue.discard(task)
        if not queue:
            self.waiting.pop(queue, None)

    def clear(self, queue: BatchQueue[TaskT]) -> list[Part[TaskT]]:
        """``BatchQueue.clear``."""
        self.waiting.pop(queue, None)
        return queue.clear()
