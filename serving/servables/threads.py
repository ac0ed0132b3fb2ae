"""Threads for the calls of models that no door makes itself."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

from serving.host.threads import Share, SharedThreads
from serving.servables.run_limits import NO_LIMITS, RunLimits

P = ParamSpec("P")
T = TypeVar("T")

_SHORT_THREADS = 4


class ModelThreads(Executor):
    """``most`` threads for calls of any length, and a few of their own for those that have been short: ``short``.

    A call of a few milliseconds does not wait for others of seconds. ``for_servable`` gives each servable its share:
    one whose runs do not end leaves at least one thread to every other.
    """

    def __init__(self, most: int, limits: RunLimits = NO_LIMITS) -> None:
        self.limits = limits
        self.pools = SharedThreads(min(most, _SHORT_THREADS), "short-model"), SharedThreads(most, "model")
        self._share(self.pools)

    def _share(self, pools: tuple[SharedThreads, SharedThreads]) -> None:
        self.short, self._any = (Share(pool, self) for pool in pools)

    def for_servable(self) -> "ModelThreads":
        """The same threads for another servable."""
        other = ModelThreads.__new__(ModelThreads)
        other.limits, other.pools = self.limits, self.pools
        other._share(self.pools)
        return other

    @property
    def full(self) -> bool:
        """Whether calls wait for those before them."""
        return any(pool.full for pool in self.pools)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As for every executor."""
        return self._any.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End both, for all servables."""
        for pool in self.pools:
            pool.shutdown(wait, cancel_futures=cancel_futures)
