"""Where work runs: in the thread of a door if it is short by estimate, else on a few bounded workers.

An event thread serves every client, and so waits for none: what takes longer than ``INLINE_SECONDS`` leaves it.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock, Timer

from serving.core.tensor import DataType, Tensor
from serving.errors import LimitError
from serving.inference.run_watch import RunWatch

INLINE_SECONDS = 0.001
"""What an event thread does itself; a thread hop costs a tenth of it."""

MOST_WAITING = 64
"""Requests that are on the workers or wait for them. Each holds its body: more of them are memory, not speed."""

_ELEMENT_SECONDS, _BYTE_SECONDS = 1e-7, 1e-9
"""To write one number as text, and one byte of a string."""

_STRING = DataType.STRING

_IDLE_SECONDS = 1.0

FEW = 4096
"""So many numbers are written at once, whatever they are."""


class TooLongHereError(Exception):
    """Reading a request would hold up an event thread; nothing has been done, and a worker may do it."""


def check_inline(seconds: float, *, limited: bool) -> None:
    """Raise TooLongHereError for what takes so long by estimate, if time is ``limited`` at all."""
    if limited and seconds > INLINE_SECONDS:
        raise TooLongHereError


def is_long_to_write(tensors: Iterable[Tensor]) -> bool:
    """Whether outputs are so large that encoding them would hold up an event thread."""
    for dtype, array in tensors:
        if dtype is _STRING or array.size > FEW:
            return _writing_seconds(tensors) > INLINE_SECONDS
    return False


def _writing_seconds(tensors: Iterable[Tensor]) -> float:
    seconds = 0.0
    for _, array in tensors:
        seconds += array.size * _ELEMENT_SECONDS
        if array.dtype.hasobject and array.size <= FEW:
            seconds += sum(map(len, array.flat)) * _BYTE_SECONDS
    return seconds


class Workers:
    """``threads`` of them. Work beyond ``most`` is refused. ``on_idle`` is called when there was none for a second.

    ``watch`` is told of the runs that are made on other threads than a door's. Thread-safe.
    """

    def __init__(
        self,
        threads: int,
        most: int = MOST_WAITING,
        on_idle: Callable[[], None] = lambda: None,
        watch: RunWatch | None = None,
    ) -> None:
        self.watch = watch or RunWatch()
        self._most = most
        self._on_idle = on_idle
        self._lock = Lock()
        self._under_way = 0
        self._timer: Timer | None = None
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="worker")
        self.interpreter = Lock()
        """Held while a long request is read, or a large answer written, in whatever thread.

        Most of that needs the interpreter's lock: two at a time are no faster than one, and others wait for both.
        """

    @property
    def under_way(self) -> int:
        """How many requests are on the workers or wait for them."""
        return self._under_way

    def submit(self, do: Callable[["Future[bytes]"], None]) -> "Future[bytes]":
        """What ``do`` is going to settle, on one of the threads; it is cancelled if it was dropped before.

        Raises ServingError, RESOURCE_EXHAUSTED, if too much is under way; it is so until it is settled.
        """
        with self._lock:
            if self._under_way >= self._most:
                raise LimitError(
                    "max_long_requests",
                    f"{self._most} requests that take long to read or to answer are under way; expected fewer at a "
                    "time: try again, or set --max_long_requests",
                )
            self._under_way += 1
        answer: Future[bytes] = Future()
        try:
            begun = self._executor.submit(do, answer)
        except BaseException:
            self._settled(answer)
            raise
        begun.add_done_callback(lambda done: self._left(done, answer))
        return answer

    def close(self) -> None:
        """Take no more work and drop what waits; what has begun ends by itself."""
        self.watch.close()
        self._executor.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def _left(self, begun: "Future[None]", answer: "Future[bytes]") -> None:
        """A thread is through with it, or it was dropped. Cancelling before that frees no place: its body is held."""
        if begun.cancelled():
            answer.cancel()
        answer.add_done_callback(self._settled)

    def _settled(self, answer: "Future[bytes]") -> None:
        with self._lock:
            self._under_way -= 1
            if not self._under_way and self._timer is None:
                self._timer = Timer(_IDLE_SECONDS, self._rest)
                self._timer.daemon = True
                self._timer.start()

    def _rest(self) -> None:
        with self._lock:
            self._timer = None
            if self._under_way:  # the last of them begins another second
                return
        self._on_idle()
