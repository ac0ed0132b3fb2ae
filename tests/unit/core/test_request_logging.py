"""Which rate holds where: the first entry that matches the task, else the general one."""

import pytest

from serving.core.request_logging import RequestLogging, Task, TaskSampling

HERE = Task(dc="north", index=3)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param((), 0.5, id="none"),
        pytest.param((TaskSampling(rate=0.1),), 0.1, id="matches everywhere"),
        pytest.param((TaskSampling(rate=0.1, dc="north"),), 0.1, id="data centre"),
        pytest.param((TaskSampling(rate=0.1, dc="south"),), 0.5, id="another data centre"),
        pytest.param((TaskSampling(rate=0.1, index=3),), 0.1, id="number"),
        pytest.param((TaskSampling(rate=0.1, index=0),), 0.5, id="another number"),
        pytest.param((TaskSampling(rate=0.1, dc="south", index=3),), 0.5, id="only one of two"),
        pytest.param((TaskSampling(rate=0.0, dc="north"), TaskSampling(rate=1.0)), 0.0, id="the first one"),
    ],
)
def test_rate(entries: tuple[TaskSampling, ...], expected: float) -> None:
    """A rate replaces the general one in the tasks that it is for."""
    assert RequestLogging(filename_prefix="m", rate=0.5, tasks=entries).rate_of(HERE) == expected


@pytest.mark.parametrize(
    "entry", [TaskSampling(rate=0.1, dc="north"), TaskSampling(rate=0.1, index=0)], ids=["data centre", "number"]
)
def test_task_that_is_nowhere(entry: TaskSampling) -> None:
    """A process that has neither a data centre nor a number is in none of those that entries name."""
    assert RequestLogging(filename_prefix="m", rate=0.5, tasks=(entry,)).rate_of(Task()) == 0.5
