"""The batch threads, one pool for all models, and what they take their work from. What a batch does is not known here.

A caller runs its own batch when a thread would be idle and nothing else waits: ``call`` does for who blocks anyway,
``enter`` and ``leave`` are for batches that never see a queue. That spares two thread hops, each several times the
cost of a small run.
"""

import math
import time
from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from threading import TIMEOUT_MAX, Condition, Lock, Thread, current_thread
from typing import NamedTuple

from serving.batching.execution import Clock
from serving.batching.task import Task
from serving.core.batch_queue import BatchQueue, BatchQueues, Part
from serving.core.places import MOST_LOST
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError


class _Running:
    """A batch that runs: its parts, begun, and whether its place was written off."""

    __slots__ = ("lost", "owner", "parts")

    def __init__(self, owner: Hashable, parts: Sequence[Part[Task]]) -> None:
        self.owner = owner
        self.parts = parts
        self.lost = False

    @property
    def unwanted(self) -> bool:
        """Whether all of its callers have gone."""
        return all(part.task.future.unwanted for part in self.parts)


class Queued(NamedTuple):
    """What waits in the queues of one owner."""

    batches: int
    rows: int


class BatchScheduler:
    """At most ``threads`` batches run at a time, and one of each owner. Every method may be called from any thread.

    There is always a thread more than batches run: batches that never end do not keep others from their turn.
    Without ``start`` nothing runs but by ``step`` and what callers of ``call`` run themselves.
    """

    def __init__(self, *, threads: int, name: str = "batch_threads", clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self._most = threads
        self._queues: BatchQueues[Task] = BatchQueues()
        self._running = 0
        self._batches: set[_Running] = set()
        self._of: Counter[Hashable] = Counter()
        self._lost = self._idle = 0
        self._closing = False
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._name = name
        self._threads: list[Thread] = []

    @property
    def full(self) -> bool:
        """Whether as many batches run as may, those of who has none apart."""
        return self._running >= self._most

    def queued(self) -> dict[Hashable, Queued]:
        """What waits, by owner; those of whom nothing waits are not in it."""
        found: dict[Hashable, Queued] = {}
        with self._lock:
            for queue in self._queues.waiting:
                batches, rows = found.get(queue.owner, (0, 0))
                found[queue.owner] = Queued(batches + len(queue), rows + queue.rows)
        return found

    def start(self) -> None:
        """Start the threads."""
        with self._lock:
            for _ in range(self._most):
                self._add_thread()

    def submit(self, queue: BatchQueue[Task], task: Task, timeout_ms: int) -> None:
        """Put a task into its queue; its future has the outcome. Cancelling that before the run gives up the place.

        Raises ServingError if the task cannot be queued.
        """
        with self._changed:
            self._wake(queue, due_anew=self._put(queue, task, timeout_ms))
        task.future.on_unwanted = self._write_off
        task.future.add_done_callback(lambda future: self._discard(queue, task) if future.cancelled() else None)

    def call(self, queue: BatchQueue[Task], task: Task, timeout_ms: int) -> list[Tensor]:
        """The same, and wait for the outcome."""
        with self._changed:
            nothing_waits = not self._queues
            due_anew = self._put(queue, task, timeout_ms)
            batch = self._take() if nothing_waits else None
            self._wake(queue, due_anew=due_anew and batch is None)
        if batch is not None:
            self._run(batch)
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
            batch = self._take()
        if batch is None:
            return False
        self._run(batch)
        return True

    def close(self, seconds: float) -> None:
        """Take no more, run what is queued without further delay, and end the threads within ``seconds``."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        deadline = time.monotonic() + seconds
        for thread in list(self._threads):
            thread.join(max(deadline - time.monotonic(), 0.0))

    def _add_thread(self) -> None:
        """The lock is held."""
        thread = Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        self._idle += 1
        thread.start()

    def _work(self) -> None:
        while (batch := self._wait()) is not None:
            self._run(batch)
            with self._lock:
                self._idle += 1
                if self._idle > self._most + 1:
                    break
        with self._lock:
            self._idle -= 1
            self._threads.remove(current_thread())

    def _wait(self) -> _Running | None:
        """The next batch, as soon as it is due and may be run; None when the scheduler is closed."""
        with self._changed:
            while True:
                batch = self._take()
                if batch is not None:
                    self._idle -= 1
                    if not self._idle and not self._closing:
                        self._add_thread()  # to watch the queues
                    return batch
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

    def _wake(self, queue: BatchQueue[Task], *, due_anew: bool) -> None:
        """Have a thread look at the queues again, if it could take something."""
        if due_anew and (self._running < self._most or not self._of[queue.owner]):
            self._changed.notify()

    def _busy(self) -> Collection[Hashable]:
        """The owners whose batches have to wait."""
        return self._of if self._running >= self._most else ()

    def _take(self) -> _Running | None:
        """The parts of a batch that is due, begun; without those whose callers have just given up."""
        if not self._queues:
            return None
        batch = self._queues.take(math.inf if self._closing else self.clock(), self._busy())
        if batch is None:
            return None
        owner = batch.owner
        running = _Running(owner, [part for part in batch.parts if part.task.begin()])
        self._running += 1
        self._of[owner] += 1
        self._batches.add(running)
        if self._queues:
            self._changed.notify()  # whoever takes a batch stops watching for the next one
        return running

    def _write_off(self) -> None:
        """Give the places of batches that nobody waits for to others; they go on."""
        with self._changed:
            for running in self._batches:
                if not running.lost and self._lost < MOST_LOST and running.unwanted:
                    running.lost = True
                    self._lost += 1
                    self._running -= 1
                    self._leave(running.owner)
            self._changed.notify_all()

    def _end(self, running: _Running) -> None:
        with self._lock:
            self._batches.discard(running)
            if running.lost:
                self._lost -= 1
                return
            self._leave(running.owner)
        self.leave()

    def _leave(self, owner: Hashable) -> None:
        self._of[owner] -= 1
        if not self._of[owner]:
            del self._of[owner]

    def _run(self, running: _Running) -> None:
        parts = running.parts
        try:
            if parts:
                parts[0].task.execute(parts)
        except Exception as error:  # noqa: BLE001 - the loop's net: a bug fails its callers, never the thread
            for part in parts:
                part.task.fail(error)
        finally:
            self._end(running)

    def _precedes(self, queue: BatchQueue[Task]) -> bool:
        """Whether something waits in ``queue``, or a batch of any other one only for a thread."""
        due_at = self._queues.due_at
        return bool(queue) or (due_at is not None and due_at <= self.clock())

    def _patience(self) -> float | None:
        """How long a thread may sleep, in seconds; None until it is woken."""
        due_at = self._queues.due_at_but(self._busy())
        if due_at is None:
            return None
        return min(max(due_at - self.clock(), 0.0), TIMEOUT_MAX)

    def _discard(self, queue: BatchQueue[Task], task: Task) -> None:
        with self._changed:
            self._queues.discard(queue, task)
