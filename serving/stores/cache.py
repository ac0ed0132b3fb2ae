"""The directory of one base path in the cache: what is whole there, what is being fetched, and who uses it.

Several processes may share it: each bundle has a lock file, locked exclusively by who fetches or removes it and shared
by who serves it. The system takes the locks of a process away when it ends, however it ends.
"""

import fcntl
import os
import re
import shutil
from enum import Enum, auto
from hashlib import sha256
from pathlib import Path

from serving.core.store_url import StoreUrl
from serving.errors import Code
from serving.stores.checking import write_through
from serving.stores.values import StoreError, megabytes

_HASH_DIGITS = 12
_READABLE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_READABLE = 60
_LOCK = ".lock"
_STAGING = ".fetching"
_GONE = ".gone-"
_SPARE_BYTES = 16 << 20
"""What is left free on the disk: a full one stops more than this."""


class Claim(Enum):
    """What becomes of a claim on a bundle."""

    READY = auto()
    OURS = auto()
    """It is not there, and this process is to fetch it."""
    BUSY = auto()
    """Another process is fetching or removing it."""


def place_name(url: StoreUrl) -> str:
    """The name of a base path's directory: readable, and different for each address."""
    readable = _READABLE.sub("-", str(url).replace("://", "-")).strip("-.")[:_LONGEST_READABLE]
    return f"{readable}-{sha256(url.url.encode('utf-8', 'surrogateescape')).hexdigest()[:_HASH_DIGITS]}"


class CachePlace:
    """Belongs to one thread; others, and other processes, have one of their own for the same directory."""

    def __init__(self, cache: Path, url: StoreUrl) -> None:
        self.directory = cache / place_name(url)
        self._url = url
        self._locks: dict[str, int] = {}

    def make(self) -> None:
        """Make it if it is missing. StoreError where that cannot be, or where others may write."""
        try:
            self.directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.mkdir(mode=0o700, exist_ok=True)
            owner = self.directory.stat()
            if owner.st_uid not in (os.geteuid(), 0) or owner.st_mode & 0o022:
                raise StoreError(
                    f"{self.directory} is not this user's, or others may write to it: what is there could be "
                    "anybody's; remove it, or name another --model_cache_dir",
                    Code.FAILED_PRECONDITION,
                )
            (self.directory / "url").write_text(f"{self._url}\n")
        except OSError as error:
            raise StoreError(
                f"--model_cache_dir={self.directory.parent} cannot be written to ({error.strerror}); name another one, "
                "or mount a volume there",
                Code.FAILED_PRECONDITION,
            ) from error

    def path(self, folder: str) -> Path:
        """Where a bundle is once it is whole."""
        return self.directory / folder

    def staging(self, folder: str) -> Path:
        """Where it is fetched to; what an attempt before has left is still there."""
        return self.directory / f".{folder}{_STAGING}"

    def claim(self, folder: str) -> Claim:
        """Hold a bundle, until ``remove``, ``let_go`` or ``close``."""
        there = self.path(folder).is_dir()
        if folder in self._locks:
            return Claim.READY if there else Claim.OURS
        descriptor = self._lock(folder, fcntl.LOCK_EX)
        if descriptor is not None:
            self._locks[folder] = descriptor
            if not self.path(folder).is_dir():
                return Claim.OURS
            _try_lock(descriptor, fcntl.LOCK_SH)
            return Claim.READY
        descriptor = self._lock(folder, fcntl.LOCK_SH) if there else None
        if descriptor is None:
            return Claim.BUSY
        self._locks[folder] = descriptor
        return Claim.READY if self.path(folder).is_dir() else Claim.BUSY

    def check_room(self, count: int) -> None:
        """StoreError if so many bytes do not fit on the disk."""
        free = shutil.disk_usage(self.directory).free
        if count + _SPARE_BYTES > free:
            raise StoreError(
                f"--model_cache_dir={self.directory.parent} has {megabytes(free)} free, and {megabytes(count)} are "
                f"needed, with {megabytes(_SPARE_BYTES)} to spare",
                Code.RESOURCE_EXHAUSTED,
            )

    def publish(self, folder: str, content: Path | None = None) -> Path:
        """Put what was fetched in its place, whole, by one rename; ``content`` is a directory of the staging one."""
        staging, path = self.staging(folder), self.path(folder)
        for directory, _, names in os.walk(content or staging):
            for name in names:
                write_through(Path(directory, name))
            write_through(Path(directory))
        (content or staging).rename(path)
        write_through(self.directory)
        if content is not None:
            shutil.rmtree(staging, ignore_errors=True)
        _try_lock(self._locks[folder], fcntl.LOCK_SH)
        return path

    def published(self) -> list[str]:
        """The bundles that are whole, the oldest first."""
        found = [each for each in self._children() if not each.name.startswith(".") and each.is_dir()]
        return [each.name for each in sorted(found, key=lambda each: (each.stat().st_ctime_ns, each.name))]

    def remove(self, folder: str) -> bool:
        """Delete a bundle, unless another process uses it; then that one will. Whether it is gone."""
        self.let_go(folder)
        descriptor = self._lock(folder, fcntl.LOCK_EX)
        if descriptor is None:
            return False
        gone = self.directory / f"{_GONE}{os.getpid()}-{folder}"
        try:
            for each in (self.path(folder), self.staging(folder)):
                if each.is_dir():
                    each.rename(gone)
                    shutil.rmtree(gone, ignore_errors=True)
            self._lock_file(folder).unlink(missing_ok=True)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def sweep(self, keep: set[str]) -> list[str]:
        """Delete what nobody uses but ``keep``: other bundles, whole or not. Those that are gone now and were whole."""
        whole = self.published()
        begun = [each.name[1 : -len(_STAGING)] for each in self._children() if each.name.endswith(_STAGING)]
        for each in self._children():
            if each.name.startswith(_GONE):
                shutil.rmtree(each, ignore_errors=True)
        return [
            each for each in dict.fromkeys((*whole, *begun)) if each not in keep and self.remove(each) and each in whole
        ]

    def let_go(self, folder: str) -> None:
        """Use a bundle no more; it stays where it is."""
        descriptor = self._locks.pop(folder, None)
        if descriptor is not None:
            os.close(descriptor)

    def close(self) -> None:
        """Let go of everything."""
        for folder in list(self._locks):
            self.let_go(folder)

    def _children(self) -> list[Path]:
        try:
            return list(self.directory.iterdir())
        except OSError:
            return []

    def _lock_file(self, folder: str) -> Path:
        return self.directory / f".{folder}{_LOCK}"

    def _lock(self, folder: str, how: int) -> int | None:
        """A descriptor that has the lock, None if another has it."""
        path = self._lock_file(folder)
        while True:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError:
                return None
            if not _try_lock(descriptor, how):
                os.close(descriptor)
                return None
            if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
            os.close(descriptor)  # who removed the bundle has deleted the file that was opened


def _try_lock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: renames alone have to do
    return True
