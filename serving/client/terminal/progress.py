"""A bar on a terminal for what takes a while; nothing elsewhere."""

import sys
from typing import TextIO

_BAR, _LINE = 40, 79


class Progress:
    """Draws on the standard error if that is a terminal. A context manager that leaves no trace."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._seen = self._stream.isatty()

    def show(self, share: float, text: str) -> None:
        """Draw so much of a whole, and a text beside it."""
        if self._seen:
            full = int(_BAR * min(max(share, 0.0), 1.0))
            line = f"[{'#' * full}{'.' * (_BAR - full)}] {text}"
            self._stream.write(f"\r{line[:_LINE]:<{_LINE}}")
            self._stream.flush()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._seen:
            self._stream.write(f"\r{'':<{_LINE}}\r")
            self._stream.flush()
