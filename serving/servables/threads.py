"""Threads for the calls of models that no door makes itself."""

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_SHORT_THREADS = 4


class ModelThreads(Executor):
    """``most`` threads for calls of any length, and a few of their own for those that have been short: ``short``.

    A call of a few milliseconds does not wait for others of seconds.
    """

    def __init__(self, most: int) -> None:
        self.short = ThreadPoolExecutor(min(most, _SHORT_THREADS), thread_name_prefix="short-model")
        self._any = ThreadPoolExecutor(most, thread_name_prefix="model")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As for every executor."""
        return self._any.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End both."""
        self.short.shutdown(wait, cancel_futures=cancel_futures)
        self._any.shutdown(wait, cancel_futures=cancel_futures)
