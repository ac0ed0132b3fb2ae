"""A disk in memory that can be full, and reading what was written to it or to a real one."""

import errno
import io
import os
from collections.abc import Iterable
from pathlib import Path
from threading import Event

from serving.codecs import tfrecord
from serving.request_log.files import RecordFile
from tests.support import TIMEOUT_SECONDS

MOMENT = 1_700_000_000.0
"""2023-11-14 22:13:20 UTC."""


class Disk:
    """Files by name, at most ``room`` bytes of them; beyond it a write takes what fits, and then fails with ENOSPC.

    A disk that is ``held`` lets no write through before ``release``.
    """

    def __init__(self, room: int = 1 << 30, *, held: bool = False) -> None:
        self.room = room
        self.files: dict[str, bytearray] = {}
        self.closed: list[str] = []
        self.entered = Event()
        self._released = Event()
        if not held:
            self._released.set()

    def release(self) -> None:
        """Let writes through."""
        self._released.set()

    def create(self, path: Path) -> RecordFile:
        """A new file; FileExistsError if there is one."""
        if path.name in self.files:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        self.files[path.name] = bytearray()
        return _File(self, path.name)

    def write(self, name: str, data: memoryview) -> int:
        self.entered.set()
        assert self._released.wait(TIMEOUT_SECONDS)
        fitting = data[: self.room]
        if not fitting:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(fitting)
        self.files[name] += fitting
        return len(fitting)

    @property
    def records(self) -> dict[str, list[bytes]]:
        """The records of each file."""
        return {name: list(read(data)) for name, data in self.files.items()}


class _File:
    def __init__(self, disk: Disk, name: str) -> None:
        self._disk = disk
        self._name = name

    def write(self, data: memoryview, /) -> int:
        return self._disk.write(self._name, data)

    def truncate(self, size: int, /) -> int:
        del self._disk.files[self._name][size:]
        return size

    def close(self) -> None:
        self._disk.closed.append(self._name)


def read(data: bytes | bytearray) -> Iterable[bytes]:
    """The records of a file's bytes."""
    return tfrecord.records(io.BytesIO(data).read, len(data))


def read_all(directory: Path) -> list[bytes]:
    """The records of all files of a directory, by the files' names."""
    return [record for path in sorted(directory.iterdir()) for record in read(path.read_bytes())]
