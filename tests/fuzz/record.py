"""What a worker has done so far, in a file that outlives it: how many inputs, how many valid ones, and the present one.

The file is mapped into memory, so that a worker which aborts or hangs leaves behind at which input it did.
"""

import mmap
from pathlib import Path
from struct import Struct

LARGEST = 2**20
"""Bytes of an input that are kept."""

_COUNTS = Struct("<QQQ")


class Record:
    """One worker's file, made if it is not there."""

    def __init__(self, path: Path) -> None:
        with path.open("a+b") as file:
            file.truncate(_COUNTS.size + LARGEST)
            self._memory = mmap.mmap(file.fileno(), _COUNTS.size + LARGEST)
        self._tried, self._valid, _ = _COUNTS.unpack_from(self._memory)

    def begin(self, data: bytes) -> None:
        """The next input is about to be tried."""
        self._memory[_COUNTS.size : _COUNTS.size + min(len(data), LARGEST)] = data[:LARGEST]
        self._tried += 1
        _COUNTS.pack_into(self._memory, 0, self._tried, self._valid, min(len(data), LARGEST))

    def end(self, *, valid: bool) -> None:
        """It was tried."""
        self._valid += valid
        _COUNTS.pack_into(self._memory, 0, self._tried, self._valid, 0)

    @property
    def tried(self) -> int:
        """How many inputs were begun."""
        return int(_COUNTS.unpack_from(self._memory)[0])

    @property
    def valid(self) -> int:
        """How many of them were valid."""
        return int(_COUNTS.unpack_from(self._memory)[1])

    @property
    def present(self) -> bytes:
        """The input that was begun and not ended; empty if there is none, or if it was empty."""
        size = _COUNTS.unpack_from(self._memory)[2]
        return bytes(self._memory[_COUNTS.size : _COUNTS.size + size])

    def close(self) -> None:
        """Unmap the file."""
        self._memory.close()
