"""The files of one prefix: whole TFRecords, a new file when one is full, nothing overwritten and nothing removed."""

import io
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from serving.codecs import tfrecord

SUFFIX = ".tfrecord"


class RecordFile(Protocol):
    """An open file, written without a buffer so that a failure belongs to the record that caused it."""

    def write(self, data: memoryview, /) -> int | None:
        """Write at the end, perhaps not all of it; how many bytes were. Raises OSError."""
        ...

    def truncate(self, size: int, /) -> int:
        """Cut the file to ``size`` bytes. Raises OSError."""
        ...

    def close(self) -> None:
        """No more writing. Raises OSError."""
        ...


Create = Callable[[Path], RecordFile]
"""Makes a file that was not there. Raises FileExistsError, and OSError for other reasons."""


def create(path: Path) -> RecordFile:
    """A new file of the file system."""
    return io.FileIO(path, "xb")


class RotatingFile:
    """Appends to ``{prefix}-{time}-{number}.tfrecord`` in ``directory``, a new file before one is over ``max_bytes``.

    A ``worker`` writes ``{prefix}-{time}-w{worker}-{number}.tfrecord``: two processes never write to the same file. A
    record that is larger than ``max_bytes`` gets a file of its own. ``clock`` gives seconds since 1970. For one thread.
    """

    def __init__(
        self,
        directory: Path,
        prefix: str,
        max_bytes: int,
        *,
        worker: int | None = None,
        create: Create = create,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._who = "" if worker is None else f"w{worker}-"
        self._directory = directory
        self._prefix = quote(prefix, safe="")
        self._max_bytes = max_bytes
        self._create = create
        self._clock = clock
        self._number = 0
        self._file: RecordFile | None = None
        self._size = 0

    def append(self, record: bytes) -> None:
        """Write one record. Raises OSError; what is then in the file are the whole records of before."""
        frame = tfrecord.frame(record)
        if self._size and self._size + len(frame) > self._max_bytes:
            self.close()
        if self._file is None:
            self._file = self._next()
        try:
            _write(self._file, frame)
        except OSError:
            with suppress(OSError):  # it stays as it is; the first failure is the one to tell
                self._file.truncate(self._size)
            raise
        self._size += len(frame)

    def close(self) -> None:
        """End the current file, if there is one. Raises OSError."""
        file, self._file, self._size = self._file, None, 0
        if file is not None:
            file.close()

    def _next(self) -> RecordFile:
        while True:
            moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self._clock()))
            path = self._directory / f"{self._prefix}-{moment}-{self._who}{self._number:04}{SUFFIX}"
            self._number += 1
            try:
                return self._create(path)
            except FileExistsError:  # another server's, or one's own of before
                continue


def _write(file: RecordFile, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]
