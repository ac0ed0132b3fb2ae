"""What a model's logging_config asks for, and which rate of it holds in this process: values, nothing that writes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Where this process runs, among several that share a configuration; None is no number."""

    dc: str = ""
    index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSampling:
    """A rate for the tasks in ``dc`` (any if empty) with the number ``index`` (any if None)."""

    rate: float
    dc: str = ""
    index: int | None = None

    def matches(self, task: Task) -> bool:
        """Whether ``task`` is one of them."""
        return self.dc in ("", task.dc) and self.index in (None, task.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLogging:
    """How the requests of one model are logged.

    ``rate`` is the probability, from 0 to 1, that a request is; ``attributes`` is passed on and means nothing here.
    ``filename_prefix`` begins the names of the files.
    """

    filename_prefix: str
    rate: float = 0.0
    tasks: tuple[TaskSampling, ...] = ()
    attributes: int = 0

    def rate_of(self, task: Task) -> float:
        """The rate in ``task``: the first entry that matches it replaces the general one."""
        return next((each.rate for each in self.tasks if each.matches(task)), self.rate)
