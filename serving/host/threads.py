"""Threads that several share fairly: none of them can take all, and a thread that is lost is replaced."""

import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from queue import SimpleQueue
from time import perf_counter
from typing import Any, ParamSpec, TypeVar

from serving.core.places import PlacedFuture, Places
from serving.errors import without_frames

P = ParamSpec("P")
T = TypeVar("T")


class ThreadFuture(PlacedFuture[T]):
    """What a call on ``SharedThreads`` comes to. One that is cancelled while it waits is dropped at once."""

    def __init__(self, threads: "SharedThreads", who: Hashable, do: Callable[[], T]) -> None:
        super().__init__()
        self.who = who
        self.lost = False
        """Whether its thread was written off. The threads' lock guards it."""
        self._threads = threads
        self._do: Callable[[], T] | None = do
        self._came = perf_counter()

    def cancel(self) -> bool:
        """As for every future."""
        waits = not (self.running() or self.done())
        cancelled = super().cancel()
        if cancelled and waits:
            self._do = None
            self._threads.drop(self)
        return cancelled

    def write_off(self) -> None:
        """As for every such future; a thread more is started if another call waits."""
        self._threads.write_off(self)

    def run(self) -> None:
        """Make the call, unless it was cancelled."""
        do, self._do = self._do, None
        if do is None or not self.set_running_or_notify_cancel():
            return
        self.queued_seconds = perf_counter() - self._came
        try:
            result = do()
        except BaseException as error:  # noqa: BLE001 - whatever it raises is its caller's
            self.set_exception(without_frames(error))
        else:
            self.set_result(result)


class SharedThreads:
    """``most`` threads for all, more where somebody would have none (``Places``). Started as they are needed."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._lock = threading.Lock()
        self._places = Places(most)
        self._waiting: deque[ThreadFuture[Any]] = deque()
        self._running: set[ThreadFuture[Any]] = set()
        self._ready: SimpleQueue[ThreadFuture[Any] | None] = SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._idle = self._made = 0
        self._closing = False
        self._here = threading.local()

    @property
    def full(self) -> bool:
        """Whether calls have to wait but for those of who has none."""
        return self._places.full

    @property
    def running(self) -> int:
        """How many calls run."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return len(self._waiting)

    def submit(self, who: Hashable, do: Callable[[], T]) -> ThreadFuture[T]:
        """Make a call on a thread, for ``who``. RuntimeError after ``shutdown``."""
        future = ThreadFuture(self, who, do)
        with self._lock:
            if self._closing:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if self._places.take(who):
                self._start(future)
            else:
                self._waiting.append(future)
        return future

    def here(self) -> ThreadFuture[Any] | None:
        """The call that this thread makes, None if it is not one of these threads."""
        return getattr(self._here, "future", None)

    def drop(self, future: ThreadFuture[Any]) -> None:
        """Forget a call that waits."""
        with self._lock:
            if future in self._waiting:
                self._waiting.remove(future)

    def write_off(self, future: ThreadFuture[Any]) -> None:
        """Give the place of a running call to others, if there are not too many such calls already."""
        with self._lock:
            if future in self._running and not future.lost and self._places.write_off(future.who):
                future.lost = True
                following = self._next_waiting()
                if following is not None:
                    self._start(following)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; with ``cancel_futures`` drop those that wait, with ``wait`` wait for all others."""
        with self._lock:
            self._closing = True
            dropped = list(self._waiting) if cancel_futures else []
            for _ in range(self._idle):
                self._ready.put(None)
            self._idle = 0
            threads = list(self._threads)
        for future in dropped:
            future.cancel()
        while wait and threads:
            for thread in threads:
                thread.join()
            with self._lock:
                threads = list(self._threads)

    def _start(self, future: ThreadFuture[Any]) -> None:
        self._running.add(future)
        if self._idle:
            self._idle -= 1
            self._ready.put(future)
            return
        name = f"{self._name}_{self._made}"
        # A daemon: a call that never ends must not keep the process.
        thread = threading.Thread(target=self._work, args=([future],), name=name, daemon=True)
        self._made += 1
        self._threads.add(thread)
        thread.start()

    def _work(self, first: list[ThreadFuture[Any] | None]) -> None:
        future = first.pop()  # else the thread would hold it, and its result, to its end
        while future is not None:
            self._here.future = future
            future.run()
            following, stays = self._end(future)
            del self._here.future, future  # a thread that waits holds no result
            future = self._ready.get() if stays else following
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _end(self, future: ThreadFuture[Any]) -> tuple[ThreadFuture[Any] | None, bool]:
        """The call that follows in this thread, or whether to wait for one."""
        with self._lock:
            self._running.discard(future)
            if future.lost:
                self._places.found()
            else:
                self._places.give_back(future.who)
            following = self._next_waiting()
            if following is not None:
                self._running.add(following)
                return following, False
            if self._closing or self._idle >= self._most:
                return None, False
            self._idle += 1
            return None, True

    def _next_waiting(self) -> ThreadFuture[Any] | None:
        """The first of those that wait and may run now; it has its place."""
        for future in self._waiting:
            if self._places.take(future.who):
                self._waiting.remove(future)
                return future
        return None


class Share(Executor):
    """``SharedThreads`` as one of those who share them sees it; shutting it down shuts all down."""

    def __init__(self, threads: SharedThreads, who: Hashable) -> None:
        self._threads = threads
        self._who = who

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> ThreadFuture[T]:
        """As for every executor."""
        return self._threads.submit(self._who, lambda: fn(*args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As for every executor."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
