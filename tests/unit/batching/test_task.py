"""A task: settled once, by its last part or by a failure around it."""

from concurrent.futures import CancelledError

import pytest

from serving.batching.scheduler import BatchScheduler
from serving.batching.task import Task
from serving.core.batch_queue import BatchQueue, Part, QueueOptions
from serving.errors import invalid_argument
from tests.unit.batching.models import answer, tensor

X = tensor([1.0, 2.0])
FAILURE = invalid_argument("no")


def begun(order: tuple[int, ...] | None = None) -> Task:
    task = Task(lambda parts: None, [X], 2, order)
    task.begin()
    return task


def test_outputs_in_the_callers_order() -> None:
    """The caller gets the outputs that it asked for, in its order."""
    task = begun(order=(1, 0, 1))
    task.settle(Part(task, 0, 2), [X, tensor([3.0, 4.0])])
    assert answer(task.future) == [[3.0, 4.0], [1.0, 2.0], [3.0, 4.0]]


def test_first_failure_counts() -> None:
    """Of several failed parts the caller is told of the first."""
    task = begun()
    task.settle(Part(task, 1, 2), FAILURE)
    task.settle(Part(task, 0, 1), invalid_argument("no more"))
    assert task.future.exception(0) is FAILURE


def test_failure_after_the_end() -> None:
    """What goes wrong after the answer does not change it."""
    task = begun()
    task.settle(Part(task, 0, 2), [X])
    task.fail(FAILURE)
    assert answer(task.future) == [[1.0, 2.0]]


def test_part_after_a_failure() -> None:
    """What comes of a part after its task has failed is dropped."""
    task = begun()
    task.fail(FAILURE)
    task.settle(Part(task, 0, 2), [X])
    assert task.future.exception(0) is FAILURE


def test_given_up_while_it_is_taken() -> None:
    """A caller that gives up at the last moment is not run, and its thread is free for the next one."""
    ran: list[float] = []
    scheduler = BatchScheduler(threads=1)
    queue: BatchQueue[Task] = BatchQueue(QueueOptions())
    gone = Task(lambda parts: ran.append(1.0), [X], 2)
    gone.future.cancel()
    with pytest.raises(CancelledError):
        scheduler.call(queue, gone, 0)
    kept = Task(lambda parts: parts[0].task.settle(parts[0], [X]), [X], 2)
    assert (scheduler.call(queue, kept, 0), ran) == ([X], [])
