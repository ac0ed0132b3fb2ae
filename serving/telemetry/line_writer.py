"""Writes to standard output and standard error without ever holding up or failing whoever has something to say.

One thread does it, in the order in which it was said. What cannot be written is lost and counted: to a full disk, a
closed pipe, a pipe whose reader reads nothing. What TensorFlow's library says it writes itself.
"""

import io
import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2

_MOST_WAITING = 4096
"""Lines; a log that nobody reads takes a few MB of memory at most, and keeps the oldest ones."""

_PIECE_BYTES = 4096
"""What a pipe that says it can take something takes at once (PIPE_BUF)."""

_LOOK_AGAIN_MS = 100
_FLUSH_SECONDS = 1.0

_Item = tuple[int, bytes] | threading.Event


class LineWriter:
    """``write`` from any thread and ``flush`` before the end; ``tell`` makes the line that says how many were lost."""

    def __init__(self, tell: Callable[[int], str]) -> None:
        self._tell = tell
        self._waiting: SimpleQueue[_Item] = SimpleQueue()
        self._lock = threading.RLock()  # a signal's handler may log while its thread holds it
        self._lost = 0
        self._torn: set[int] = set()
        self._flush_until = float("inf")
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def write(self, descriptor: int, text: str) -> None:
        """Have the text written, whole lines of it, as UTF-8 whatever the locale."""
        if self._waiting.qsize() < _MOST_WAITING:
            self._waiting.put((descriptor, text.encode(errors="backslashreplace")))
        else:
            self._lose(text.count("\n"))

    def flush(self, seconds: float = _FLUSH_SECONDS) -> bool:
        """Wait until what was said before is written, or cannot be; False if that takes longer."""
        done = threading.Event()
        self._flush_until = time.monotonic() + seconds
        self._waiting.put(done)
        try:
            return done.wait(seconds + _FLUSH_SECONDS)
        finally:
            self._flush_until = float("inf")

    def _run(self) -> None:
        while True:
            item = self._waiting.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            descriptor, data = item
            if self._written(descriptor, data):
                self._tell_lost()
            else:
                self._lose(data.count(b"\n"))

    def _written(self, descriptor: int, data: bytes) -> bool:
        if descriptor in self._torn:  # half a line is there
            data = b"\n" + data
        rest = memoryview(data)
        try:
            while rest and self._takes(descriptor):
                with suppress(BlockingIOError):  # somebody else was faster
                    rest = rest[os.write(descriptor, rest[:_PIECE_BYTES]) :]
        except OSError:  # full, or nobody reads; the next line may find a way
            pass
        if not rest:
            self._torn.discard(descriptor)
        elif len(rest) < len(data):
            self._torn.add(descriptor)
        return not rest

    def _takes(self, descriptor: int) -> bool:
        """Wait until the descriptor takes something or fails; False once a flush has waited for long enough."""
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        while not poll.poll(_LOOK_AGAIN_MS if time.monotonic() < self._flush_until else 0):
            if time.monotonic() > self._flush_until:
                return False
        return True

    def _lose(self, lines: int) -> None:
        with self._lock:
            self._lost += lines

    def _tell_lost(self) -> None:
        with self._lock:
            lost, self._lost = self._lost, 0
        if lost and not self._written(STANDARD_ERROR, self._tell(lost).encode()):
            self._lose(lost)


class Stream(io.TextIOBase):
    """In place of ``sys.stdout`` or ``sys.stderr``, for ``print`` and for what libraries say: whole lines of it.

    ``shape`` makes of them what is written, whole lines too.
    """

    def __init__(self, writer: LineWriter, descriptor: int, shape: Callable[[str], str] | None = None) -> None:
        self._writer = writer
        self._descriptor = descriptor
        self._shape = shape
        self._lock = threading.RLock()
        self._begun = ""

    encoding = "utf-8"

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor, for those who look whether it is a terminal."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Never fails, never waits."""
        with self._lock:
            lines, end, self._begun = (self._begun + text).rpartition("\n")
            if end:
                self._write(lines + end)
        return len(text)

    def flush(self) -> None:
        """Have the beginning of a line written too."""
        with self._lock:
            begun, self._begun = self._begun, ""
            if begun:
                self._write(begun)

    def _write(self, text: str) -> None:
        self._writer.write(self._descriptor, text if self._shape is None else self._shape(text))
