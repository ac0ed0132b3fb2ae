"""Our server with two stop-watches: `python -m tests.bench.stall.server FILE` and the server's flags.

FILE keeps two numbers, the longest waits so far in seconds, that whoever reads them may set back to zero. LOOP is how
late a timer of the event loop was: whatever keeps the loop, or the interpreter's lock, is in it. EVENTS is how long the
thread that reads native's events was away from reading.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pygrpc_native
import uvloop
from numpy.typing import NDArray

Longest = NDArray[np.float64]

LOOP, EVENTS = 0, 1
PACE_SECONDS = 0.005


def stopwatches(file: Path) -> Longest:
    """The two numbers in ``file``, which is made if it is missing; shared by all processes that ask for them."""
    if not file.exists():
        file.write_bytes(bytes(16))
    return np.memmap(file, np.float64, "r+")


def watch_loops(longest: Longest) -> None:
    """Have every loop that is made from now on keep a timer."""
    make = uvloop.new_event_loop

    def watched() -> uvloop.Loop:
        loop = make()

        def tick(due: float) -> None:
            now = time.monotonic()
            longest[LOOP] = max(longest[LOOP], now - due)
            loop.call_later(PACE_SECONDS, tick, now + PACE_SECONDS)

        loop.call_later(PACE_SECONDS, tick, time.monotonic() + PACE_SECONDS)
        return loop

    uvloop.new_event_loop = watched


class WatchedFront:
    """A ``NativeGrpcFront`` that takes the time between two readings."""

    def __init__(self, longest: Longest, front: Any) -> None:
        self._longest, self._front = longest, front
        self._read: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._front, name)

    def recv_batch(self, *arguments: Any) -> Any:
        """As the front's."""
        return self._timed(self._front.recv_batch, *arguments)

    def recv_batch_details(self, *arguments: Any) -> Any:
        """As the front's."""
        return self._timed(self._front.recv_batch_details, *arguments)

    def _timed(self, read: Any, *arguments: Any) -> Any:
        if self._read is not None:
            self._longest[EVENTS] = max(self._longest[EVENTS], time.monotonic() - self._read)
        events = read(*arguments)
        self._read = time.monotonic()
        return events


def main() -> None:
    """What the module says."""
    longest = stopwatches(Path(sys.argv.pop(1)))
    make_front = pygrpc_native.NativeGrpcFront
    pygrpc_native.NativeGrpcFront = lambda *given, **options: WatchedFront(longest, make_front(*given, **options))
    watch_loops(longest)
    from serving.__main__ import console  # after both: the server's modules take these names when they are imported

    console()


if __name__ == "__main__":
    main()
