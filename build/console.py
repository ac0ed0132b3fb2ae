"""What the user sees while something long runs: one progress line, and the whole output in a file. Decides nothing."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, TextIO

TAIL_LINES = 40
"""How much of a log is shown when a step failed: enough for a compiler's message and the command before it."""

# A terminal's line is written anew; anywhere else (CI) every line stays, so there are few.
TERMINAL_SECONDS = 0.2
PLAIN_SECONDS = 30.0
TERMINAL_COLUMNS = 120


class Log:
    """The whole output in a file that is made anew, and its last lines in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        # Line by line, so that `tail -f` shows a compile as it goes.
        self._file: IO[str] = path.open("w", encoding="utf-8", buffering=1)
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, line: str) -> None:
        """Add a line, given without its end."""
        self._file.write(f"{line}\n")
        self._tail.append(line)

    def tail(self) -> tuple[str, ...]:
        """The last lines."""
        return tuple(self._tail)


class Console:
    """Messages, and one line that changes in place on a terminal; elsewhere it is printed now and then."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._terminal = stream.isatty()
        self._pause = TERMINAL_SECONDS if self._terminal else PLAIN_SECONDS
        self._shown: float | None = None
        self._open = False

    def now(self) -> float:
        """Seconds of the console's clock."""
        return self._clock()

    def say(self, text: str) -> None:
        """A message of its own; the changing line stays above it."""
        self.end_line()
        print(text, file=self._stream, flush=True)

    def show(self, text: Callable[[float], str]) -> None:
        """The changing line's new text, if it is time for one; ``text`` is given the time."""
        now = self._clock()
        if self._shown is not None and now - self._shown < self._pause:
            return
        self._shown = now
        if not self._terminal:
            print(text(now), file=self._stream, flush=True)
            return
        self._open = True
        print(f"\r\x1b[K{text(now)[:TERMINAL_COLUMNS]}", end="", file=self._stream, flush=True)

    def show_now(self, text: str) -> None:
        """The changing line's new text, whatever the time: for the few that all matter."""
        self._shown = None
        self.show(lambda _: text)

    def end_line(self) -> None:
        """Let the changing line stand."""
        if self._open:
            print(file=self._stream, flush=True)
        self._open = False
        self._shown = None
