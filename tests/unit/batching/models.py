"""A fake servable that computes, and what the tests of batching share."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from serving.batching.execution import BatchObserver
from serving.batching.parameters import BatchingParameters
from serving.batching.scheduler import BatchScheduler
from serving.batching.servable import BatchedServable
from serving.core.servable import JoiningRun, Outcome, Run
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.errors import Code, ServingError, invalid_argument
from tests.support import FakeServable, ManualClock


def tensor(values: Any, dtype: DataType = DataType.FLOAT) -> Tensor:
    return Tensor(dtype, np.array(values, STORAGE[dtype]))


def values(tensors: Sequence[Tensor]) -> list[Any]:
    """What is in tensors, as lists."""
    return [each.array.tolist() for each in tensors]


class Calculator(FakeServable):
    """Feeds ``x`` and ``a``; fetches ``double`` (2x), ``sum`` (x + a), ``total`` (a scalar), ``first`` (one row).

    A negative ``x`` is refused, with the negative values in the text. A value of ``slow`` is out of time. ``calls`` has
    what each call was fed, ``timeouts`` its limit in milliseconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[Any]] = []
        self.timeouts: list[int] = []
        self.resolved: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.before: Callable[[], None] = lambda: None
        self.inline = True

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        self.resolved.append((feeds, fetches))
        return _Calculation(self, feeds, fetches)

    def compute(self, fed: dict[str, Tensor], fetches: tuple[str, ...]) -> list[Tensor]:
        """The outputs of one call, after ``before``."""
        self.before()
        x = fed["x"].array
        if fed["x"].dtype is DataType.STRING:
            return [Tensor(DataType.STRING, x + x)]
        if (x < 0).any():
            raise invalid_argument(f"negative: {x[x < 0].tolist()}")
        if (x == SLOW).any():
            raise ServingError(Code.DEADLINE_EXCEEDED, "too slow")
        results = {"double": x * 2, "total": x.sum(), "first": x[:1]}
        if "a" in fed:
            results["sum"] = x + fed["a"].array
        return [Tensor(DataType.FLOAT, np.asarray(results[name])) for name in fetches]


SLOW = 999.0
"""A value that takes more time than there is."""


class _Calculation:
    """A run of a Calculator."""

    def __init__(self, owner: Calculator, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> None:
        self._owner = owner
        self._feeds = feeds
        self._fetches = fetches

    @property
    def inline(self) -> bool:
        return self._owner.inline

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return self.inline

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        assert not self._owner.closed, "run after it was closed"
        self._owner.calls.append(values(tensors))
        self._owner.timeouts.append(timeout_ms)
        return self._owner.compute(dict(zip(self._feeds, tensors, strict=True)), self._fetches)

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        raise AssertionError("batches are run on the batch threads")


class Stepped:
    """A batched Calculator on a scheduler without threads: what is submitted runs when ``step`` is called."""

    def __init__(self, observer: BatchObserver | None = None, *, threads: int = 2, **parameters: Any) -> None:
        self.clock = ManualClock()
        self.scheduler = BatchScheduler(threads=threads, clock=self.clock)
        self.model = Calculator()
        self.servable = BatchedServable(self.model, BatchingParameters(**parameters), self.scheduler, observer)

    def submit(
        self, *fed: Tensor, feeds: tuple[str, ...] = ("x",), fetches: tuple[str, ...] = ("double",), timeout_ms: int = 0
    ) -> Future[list[Tensor]]:
        return self.servable.resolve(feeds, fetches).submit(fed, timeout_ms)

    def run(self, feeds: tuple[str, ...] = ("x",), fetches: tuple[str, ...] = ("double",)) -> JoiningRun:
        run = self.servable.resolve(feeds, fetches)
        assert isinstance(run, JoiningRun)
        return run

    def steps(self) -> int:
        """Run all that is due; how many batches it was."""
        count = 0
        while self.scheduler.step():
            count += 1
        return count


def told(outcome: Outcome) -> Any:
    """The values of an outcome, or its error's code and text."""
    if isinstance(outcome, ServingError):
        return outcome.code, outcome.message
    assert not isinstance(outcome, Exception)
    return values(outcome)


def answer(future: Future[list[Tensor]]) -> Any:
    """The same of a finished call."""
    error = future.exception(0)
    return told(error if isinstance(error, ServingError) else future.result(0))
