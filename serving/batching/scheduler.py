"""The batch threads, one pool for all models, and what they take their work from. What a batch does is not known here.

A caller runs its own batch when a thread would be idle and nothing else waits: ``call`` does for who blocks anyway,
``enter`` and ``leave`` are for batches that never see a queue. That spares two thread hops, each several times the
cost of a small run.
"""

import math
import time
from collections.abc import Sequence
from threading import TIMEOUT_MAX, Condition, Lock, Thread

from serving.batching.execution import Clock
from serving.batching.task import Task
from serving.core.batch_queue import BatchQueue, BatchQueues, Part
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError


class BatchScheduler:
    """At most ``threads`` batches run at a time. Every method may be called from any thread.

    Without ``start`` nothing runs but by ``step`` and what callers of ``call`` run themselves.
    """

    def __init__(self, *, threads: int, name: str = "batch_threads", clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self._most = threads
        self._queues: BatchQueues[Task] = BatchQueues()
        self._running = 0
        self._closing = False
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._threads = [Thread(target=self._work, name=f"{name}-{index}", daemon=True) for index in range(threads)]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def submit(self, queue: BatchQueue[Task], task: Task, timeout_ms: int) -> None:
        """Put a task into its queue; its future has the outcome. Cancelling that before the run gives up the place.

        Raises ServingError if the task cannot be queued.
        """
        with self._changed:
            self._wake(due_anew=self._put(queue, task, timeout_ms))
        task.future.add_done_callback(lambda future: self._discard(queue, task) if future.cancelled() else None)

    def call(self, queue: BatchQueue[Task], task: Task, timeout_ms: int) -> list[Tensor]:
        """The same, and wait for the outcome."""
        with self._changed:
            nothing_waits = not self._queues
            due_anew = self._put(queue, task, timeout_ms)
            parts = self._take() if nothing_waits else None
            self._wake(due_anew=due_anew and parts is None)
        if parts is not None:
            self._run(parts)
        return task.future.result()

    def enter(self, queue: BatchQueue[Task]) -> bool:
        """Stand in for a thread, to run in it what would go into ``queue``. False, at once, if others come first.

        ``leave`` has to follow a True.
        """
        with self._lock:
            if self._running >= self._most or self._closing or (self._queues.waiting and self._precedes(queue)):
                return False
            self._running += 1
            return True

    def leave(self) -> None:
        """A batch is over: give its thread to the next one."""
        with self._lock:
            self._running -= 1
            if self._closing:
                self._changed.notify_all()
            elif self._queues.waiting:
                self._changed.notify()

    def remove(self, queue: BatchQueue[Task]) -> None:
        """Forget a queue that nobody will use any more; what is still in it fails."""
        with self._changed:
            parts = [part for part in self._queues.clear(queue) if part.task.begin()]
        for part in parts:
            part.task.settle(part, ServingError(Code.UNAVAILABLE, "The model was unloaded before the request's turn"))

    def step(self) -> bool:
        """Run one batch that is due, in this thread; False if there is none."""
        with self._changed:
            parts = self._take()
        if parts is None:
            return False
        self._run(parts)
        return True

    def close(self, seconds: float) -> None:
        """Take no more, run what is queued without further delay, and end the threads within ``seconds``."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(deadline - time.monotonic(), 0.0))

    def _work(self) -> None:
        while (parts := self._wait()) is not None:
            self._run(parts)

    def _wait(self) -> Sequence[Part[Task]] | None:
        """The next batch, as soon as it is due and may be run; None when the scheduler is closed."""
        with self._changed:
            while True:
                parts = self._take()
                if parts is not None:
                    return parts
                if self._closing and not self._queues:
                    return None
                self._changed.wait(self._patience())

    def _put(self, queue: BatchQueue[Task], task: Task, timeout_ms: int) -> bool:
        """Whether the queue is due at another time now."""
        if self._closing:
            raise ServingError(Code.UNAVAILABLE, "The server is stopping and takes no more requests")
        now = self.clock()
        before = queue.due_at
        task.enqueue(now, timeout_ms)
        self._queues.put(queue, task, task.rows, now)
        return queue.due_at != before

    def _wake(self, *, due_anew: bool) -> None:
        """Have a thread look at the queues again, if one is free."""
        if due_anew and self._running < self._most:
            self._changed.notify()

    def _take(self) -> Sequence[Part[Task]] | None:
        """The parts of a batch that is due, begun; without those whose callers have just given up."""
        if self._running >= self._most:
            return None
        batch = self._queues.take(math.inf if self._closing else self.clock())
        if batch is None:
            return None
        self._running += 1
        if self._queues:
            self._changed.notify()  # whoever takes a batch stops watching for the next one
        return [part for part in batch.parts if part.task.begin()]

    def _run(self, parts: Sequence[Part[Task]]) -> None:
        try:
            if parts:
                parts[0].task.execute(parts)
        except Exception as error:  # noqa: BLE001 - the loop's net: a bug fails its callers, never the thread
            for part in parts:
                part.task.fail(error)
        finally:
            self.leave()

    def _precedes(self, queue: BatchQueue[Task]) -> bool:
        """Whether something waits in ``queue``, or a batch of any other one only for a thread."""
        due_at = self._queues.due_at
        return bool(queue) or (due_at is not None and due_at <= self.clock())

    def _patience(self) -> float | None:
        """How long a thread may sleep, in seconds; None until it is woken."""
        due_at = self._queues.due_at
        if due_at is None or self._running >= self._most:
            return None
        return min(max(due_at - self.clock(), 0.0), TIMEOUT_MAX)

    def _discard(self, queue: BatchQueue[Task], task: Task) -> None:
        with self._changed:
            self._queues.discard(queue, task)
