"""One line that says how far the run is and how long it will take; on a terminal it replaces itself."""

import sys
import time
from typing import TextIO


class Progress:
    """Counts off ``planned`` seconds step by step; how long a step really takes is not known before it has ended."""

    def __init__(self, planned: float, stream: TextIO = sys.stderr) -> None:
        self._planned, self._stream = planned, stream
        self._done = 0.0
        self._began = time.monotonic()

    def begin(self, what: str, seconds: float) -> None:
        """Say that a step of about ``seconds`` begins; the one before has ended."""
        elapsed = clock(time.monotonic() - self._began)
        share, left = self._done / self._planned, clock(self._planned - self._done)
        line = f"{share:4.0%}, {elapsed} gone, about {left} left: {what}"
        print(line, end=self._end(), file=self._stream, flush=True)
        self._done = min(self._planned, self._done + seconds)

    def finish(self) -> None:
        """Leave the line."""
        if self._stream.isatty():
            print(file=self._stream)

    def _end(self) -> str:
        return "\x1b[K\r" if self._stream.isatty() else "\n"


def clock(seconds: float) -> str:
    """Minutes and seconds, as in 4:05."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
