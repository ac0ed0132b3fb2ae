"""The batch queue: sizes, limits and their texts, splitting, giving up a place, turns of several queues."""

import math
from collections.abc import Sequence

import pytest

from serving.core.batch_queue import Batch, BatchQueue, BatchQueues, Part, QueueOptions
from serving.errors import Code, ServingError

FULL = "The batch scheduling queue to which this task was submitted is full; "


def options(
    most: int = 4, *, micros: int = 0, batches: int = 10, execution: int | None = None, splitting: bool = False
) -> QueueOptions:
    return QueueOptions(
        max_batch_size=most,
        batch_timeout_micros=micros,
        max_enqueued_batches=batches,
        splitting=splitting,
        max_execution_batch_size=most if execution is None else execution,
    )


def filled(chosen: QueueOptions, *tasks: tuple[str, int], now: float = 0.0) -> BatchQueue[str]:
    """A queue with these tasks: a name and a number of rows each."""
    queue: BatchQueue[str] = BatchQueue(chosen)
    for task, rows in tasks:
        queue.put(task, rows, now)
    return queue


def drained(queue: BatchQueue[str], now: float = math.inf) -> list[list[Part[str]]]:
    """The parts of every batch that can be taken at ``now``."""
    taken = []
    while (batch := queue.take(now)) is not None:
        taken.append(batch.parts)
    return taken


def whole(*tasks: tuple[str, int]) -> list[Part[str]]:
    return [Part(task, 0, rows) for task, rows in tasks]


FORMING = [
    pytest.param([("a", 1), ("b", 3)], [whole(("a", 1), ("b", 3))], id="fills-up"),
    pytest.param([("a", 3), ("b", 2)], [whole(("a", 3)), whole(("b", 2))], id="does-not-fit"),
    pytest.param([("a", 4), ("b", 1)], [whole(("a", 4)), whole(("b", 1))], id="full"),
    pytest.param([("a", 3), ("b", 2), ("c", 1)], [whole(("a", 3)), whole(("b", 2), ("c", 1))], id="never-goes-back"),
    pytest.param([("a", 4), ("b", 0)], [whole(("a", 4), ("b", 0))], id="no-rows-always-fit"),
    pytest.param([("a", 0)], [whole(("a", 0))], id="no-rows-alone"),
]


@pytest.mark.parametrize(("tasks", "expected"), FORMING)
def test_batches(tasks: Sequence[tuple[str, int]], expected: list[list[Part[str]]]) -> None:
    """Tasks join the open batch while they fit, in order of arrival; then a new one is opened."""
    assert drained(filled(options(4), *tasks)) == expected


SPLITTING = [
    pytest.param([("a", 2)], [[Part("a", 0, 2)]], id="fits"),
    pytest.param([("a", 3)], [[Part("a", 0, 2)], [Part("a", 2, 3)]], id="two-parts"),
    pytest.param([("a", 6)], [[Part("a", 0, 2)], [Part("a", 2, 4)], [Part("a", 4, 6)]], id="exact-parts"),
    pytest.param(
        [("a", 1), ("b", 4)],
        [[Part("a", 0, 1), Part("b", 0, 1)], [Part("b", 1, 3)], [Part("b", 3, 4)]],
        id="first-part-fills-the-open-batch",
    ),
    pytest.param([("a", 2), ("b", 3)], [[Part("a", 0, 2)], [Part("b", 0, 2)], [Part("b", 2, 3)]], id="open-is-full"),
    pytest.param([("a", 3), ("b", 1)], [[Part("a", 0, 2)], [Part("a", 2, 3), Part("b", 0, 1)]], id="rest-is-open"),
]


@pytest.mark.parametrize(("tasks", "expected"), SPLITTING)
def test_splitting(tasks: Sequence[tuple[str, int]], expected: list[list[Part[str]]]) -> None:
    """A task that is larger than what is left of the open batch is cut into parts."""
    assert drained(filled(options(6, execution=2, splitting=True), *tasks)) == expected


REFUSED = [
    pytest.param(
        options(3), [], 4, Code.INVALID_ARGUMENT, "Task size 4 is larger than maximum input batch size 3", id="oversize"
    ),
    pytest.param(
        options(6, execution=2, splitting=True),
        [],
        7,
        Code.INVALID_ARGUMENT,
        "Task size 7 is larger than maximum input batch size 6",
        id="oversize-splitting",
    ),
    pytest.param(
        options(3, batches=1),
        [2],
        2,
        Code.UNAVAILABLE,
        f"{FULL}currently 1 batches enqueued and max_enqueued_batches is 1",
        id="full",
    ),
    pytest.param(
        options(3, batches=2),
        [3, 3],
        1,
        Code.UNAVAILABLE,
        f"{FULL}currently 2 batches enqueued and max_enqueued_batches is 2",
        id="full-of-two",
    ),
    pytest.param(
        options(6, execution=2, batches=2, splitting=True),
        [],
        5,
        Code.UNAVAILABLE,
        f"{FULL}task size is 5 but scheduling capacity is only 4 (num_enqueued_batches=1, max_enqueued_batches=2, "
        "open_batch_size=0, max_execution_batch_size=2)",
        id="capacity-of-an-empty-queue",
    ),
    pytest.param(
        options(6, execution=2, batches=3, splitting=True),
        [3],
        4,
        Code.UNAVAILABLE,
        f"{FULL}task size is 4 but scheduling capacity is only 3 (num_enqueued_batches=2, max_enqueued_batches=3, "
        "open_batch_size=1, max_execution_batch_size=2)",
        id="capacity-of-a-filled-queue",
    ),
]


@pytest.mark.parametrize(("chosen", "before", "rows", "code", "text"), REFUSED)
def test_refused(chosen: QueueOptions, before: Sequence[int], rows: int, code: Code, text: str) -> None:
    """A task that is too large or has no place is refused whole, and what was there stays."""
    queue = filled(chosen, *[(f"task{index}", rows) for index, rows in enumerate(before)])
    with pytest.raises(ServingError) as caught:
        queue.put("late", rows, 0.0)
    assert (caught.value.code, caught.value.message) == (code, text)
    taken = [part for parts in drained(queue) for part in parts]
    assert "late" not in [part.task for part in taken]
    assert sum(part.stop - part.start for part in taken) == sum(before)


def test_full_queue_takes_what_fits() -> None:
    """The number of batches limits new ones, not the open one."""
    queue = filled(options(3, batches=1), ("a", 2), ("b", 1))
    assert drained(queue) == [whole(("a", 2), ("b", 1))]


DUE = [
    pytest.param(options(4), [], None, id="empty"),
    pytest.param(options(4), [1], 100.0, id="no-timeout"),
    pytest.param(options(4, micros=500_000), [1], 100.5, id="timeout"),
    pytest.param(options(4, micros=500_000), [0], 100.5, id="timeout-without-rows"),
    pytest.param(options(4, micros=500_000), [4], -math.inf, id="full"),
    pytest.param(options(4, micros=500_000), [3, 2], -math.inf, id="closed"),
    pytest.param(options(4, micros=500_000, execution=2, splitting=True), [2], -math.inf, id="full-splitting"),
    pytest.param(options(4, micros=500_000, execution=2, splitting=True), [1], 100.5, id="open-splitting"),
]


@pytest.mark.parametrize(("chosen", "rows", "expected"), DUE)
def test_due_at(chosen: QueueOptions, rows: Sequence[int], expected: float | None) -> None:
    """A batch is due when it is full, and otherwise when the timeout since its first task has passed."""
    assert filled(chosen, *[(str(index), size) for index, size in enumerate(rows)], now=100.0).due_at == expected


def test_not_taken_before_it_is_due() -> None:
    """The timeout counts from the first task, whatever comes later."""
    queue = filled(options(4, micros=500_000), ("a", 1), now=100.0)
    queue.put("b", 1, 100.4)
    assert queue.take(100.49) is None
    assert drained(queue, 100.5) == [whole(("a", 1), ("b", 1))]


def test_discarded_task_frees_its_place() -> None:
    """The rows of a task that was given up can be used by another."""
    queue = filled(options(3, batches=1), ("a", 2), ("b", 1))
    queue.discard("a")
    queue.put("c", 2, 0.0)
    assert drained(queue) == [whole(("b", 1), ("c", 2))]


def test_discarded_task_leaves_no_empty_batch() -> None:
    """A batch of which nothing is left is gone, wherever it was."""
    queue = filled(options(2), ("a", 2), ("b", 2), ("c", 1))
    queue.discard("b")
    queue.discard("c")
    assert (len(queue), drained(queue), queue.due_at) == (1, [whole(("a", 2))], None)


def test_discards_every_part() -> None:
    """Of a split task all parts go that were not taken."""
    queue = filled(options(6, execution=2, splitting=True), ("a", 5), ("b", 1))
    first = queue.take(0.0)
    queue.discard("a")
    assert first is not None
    assert (first.parts, drained(queue)) == ([Part("a", 0, 2)], [[Part("b", 0, 1)]])


def test_clear_gives_what_was_there() -> None:
    """Clearing empties the queue and tells what was in it."""
    queue = filled(options(2), ("a", 2), ("b", 1))
    assert (queue.clear(), len(queue)) == (whole(("a", 2), ("b", 1)), 0)


class Shared:
    """Queues by their names, each task named after its queue, and whose batches came in which order."""

    def __init__(self, **rows: Sequence[int]) -> None:
        self.queues: BatchQueues[str] = BatchQueues()
        self.named: dict[str, BatchQueue[str]] = {name: BatchQueue(options(2, micros=1_000_000)) for name in rows}
        for name, sizes in rows.items():
            for size in sizes:
                self.put(name, size, 0.0)

    def put(self, name: str, size: int, now: float) -> None:
        self.queues.put(self.named[name], name, size, now)

    def take(self, now: float) -> str | None:
        batch: Batch[str] | None = self.queues.take(now)
        return None if batch is None else batch.parts[0].task

    def order(self, now: float) -> list[str]:
        names = []
        while (name := self.take(now)) is not None:
            names.append(name)
        return names


def test_queues_take_turns() -> None:
    """A queue with many batches does not keep the others waiting."""
    assert Shared(a=[2, 2, 2], b=[2], c=[2, 2]).order(0.0) == ["a", "b", "c", "a", "c", "a"]


def test_queue_that_is_not_due_is_passed_over() -> None:
    """The turn goes to the next queue that has something due, and the other one keeps its place."""
    shared = Shared(a=[1], b=[2, 2])
    assert shared.take(0.5) == "b"
    assert shared.order(1.0) == ["a", "b"]


def test_first_due_of_all() -> None:
    """The earliest time of any queue counts; none when nothing is there."""
    shared = Shared(a=[1])
    shared.put("a", 0, 0.2)
    assert (shared.queues.due_at, len(shared.queues)) == (1.0, 1)
    shared.order(1.0)
    assert (shared.queues.due_at, len(shared.queues)) == (None, 0)


@pytest.mark.parametrize("clear", [False, True], ids=["discard", "clear"])
def test_emptied_queue_waits_no_more(clear: bool) -> None:
    """A queue from which the last task was taken away has no turn."""
    shared = Shared(a=[2], b=[2])
    if clear:
        shared.queues.clear(shared.named["a"])
    else:
        shared.queues.discard(shared.named["a"], "a")
    assert (len(shared.queues), shared.order(0.0)) == (1, ["b"])


def test_clearing_an_unused_queue() -> None:
    """A queue that never held anything can be cleared."""
    shared = Shared(a=[], b=[2])
    assert (shared.queues.clear(shared.named["a"]), shared.order(0.0)) == ([], ["b"])
