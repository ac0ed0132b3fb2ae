"""Memory that all workers map: counts of what each has in flight, rates of keys, and which versions each runs.

Counts and runs are written by their worker alone, so that the supervisor can take those of a dead one away; who decides
by the sum of all holds ``alone`` meanwhile. Nothing here is more than a few kilobytes for a worker.
"""

import fcntl
import mmap
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import NamedTuple

_WORDS = 8  # bytes of one
_COUNTS, _RUNS, _RATES = 2048, 512, 1024
"""Entries: of counts and of versions for each worker, of rates for all."""
_SET = 8
"""Entries that a name may have; a name whose entries are all in use is counted by its worker alone."""
_NAME_BYTES = 232
_RUN_BYTES = 256
_REGION = _COUNTS * 2 * _WORDS + _RUNS * _RUN_BYTES
_RATE_WORDS = 3
_HEADER = _RATES * _RATE_WORDS
_HEADER_WORDS = 8

_MOST_TRIES = 1000
"""To hold ``alone``; each is some microseconds. A worker that is stopped in the middle must not stop the others."""


class Running(NamedTuple):
    """A version that a worker has: calls that run now, calls that have ended, and whether it is being loaded."""

    version: str
    running: int
    ended: int
    loading: bool


def make(workers: int) -> int:
    """The descriptor of new memory for so many workers, which programs started from here inherit."""
    descriptor = os.memfd_create("serving", 0)
    os.ftruncate(descriptor, _size(workers))
    return descriptor


def _size(workers: int) -> int:
    return (_HEADER + _HEADER_WORDS) * _WORDS + workers * _REGION


class Shared:
    """The memory behind ``descriptor``, as ``worker`` sees it; the supervisor is none of the ``workers``, -1."""

    def __init__(self, descriptor: int, workers: int, worker: int = -1) -> None:
        self._descriptor = descriptor
        self._workers = workers
        self._worker = worker
        memory = mmap.mmap(descriptor, _size(workers))
        bytes_ = self._bytes = memoryview(memory)
        begin = (_HEADER + _HEADER_WORDS) * _WORDS
        self._rates = bytes_[:begin].cast("q")
        self._stamps = bytes_[:begin].cast("d")
        regions = [bytes_[begin + at * _REGION : begin + (at + 1) * _REGION] for at in range(workers)]
        self._counts = [region[: _COUNTS * 2 * _WORDS].cast("q") for region in regions]
        self._runs = [region[_COUNTS * 2 * _WORDS :] for region in regions]
        self._numbers = [region[_COUNTS * 2 * _WORDS :].cast("q") for region in regions]
        self._others = [counts for at, counts in enumerate(self._counts) if at != worker]
        self._hashes: dict[tuple[str, str], int] = {}
        self._run_lock = threading.Lock()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within the block no other worker decides by the counts; threads of this one need a lock of their own."""
        for _ in range(_MOST_TRIES):
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(0)  # lets another process run; nothing is waited for
                continue
            break
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    @property
    def warns(self) -> bool:
        """Whether the supervisor has said that something is set aside."""
        return bool(self._rates[_HEADER])

    def warn(self) -> None:
        """Something is set aside: workers that begin from now on look for it in each request."""
        self._rates[_HEADER] = 1

    @property
    def is_careful(self) -> bool:
        """Whether a worker has crashed while it loaded: those that begin from now on load one version at a time."""
        return bool(self._rates[_HEADER + 1])

    def be_careful(self) -> None:
        """A worker has crashed while it loaded, and which version that was is to be seen the next time."""
        self._rates[_HEADER + 1] = 1

    def put(self, kind: str, name: str, count: int) -> None:
        """What this worker has of ``name`` now."""
        hashed = self._hash(kind, name)
        counts = self._counts[self._worker]
        free = -1
        for at in _entries(hashed, _COUNTS, 2):
            if counts[at] == hashed:
                counts[at + 1] = count
                return
            if free < 0 and not counts[at + 1]:
                free = at
        if free >= 0:
            counts[free] = hashed
            counts[free + 1] = count

    def of_others(self, kind: str, name: str) -> int:
        """What all other workers have of ``name`` now."""
        hashed = self._hash(kind, name)
        return sum(_count(counts, hashed) for counts in self._others)

    def of_worker(self, worker: int, kind: str, name: str) -> int:
        """What one worker has of ``name`` now."""
        return _count(self._counts[worker], self._hash(kind, name))

    def take(self, name: str, per_second: float, most: float, now: float) -> float:
        """One of so many per second, from a bucket of ``most``: 0, or the seconds until there is one. Within ``alone``.

        ``now`` is the time of a clock that all processes have.
        """
        hashed = self._hash("rate", name)
        entries = _entries(hashed, _RATES, _RATE_WORDS)
        at = next((at for at in entries if self._rates[at] == hashed), -1)
        if at < 0:
            at = min(entries, key=lambda entry: self._stamps[entry + 2])  # that of the longest unused one
            self._rates[at], self._stamps[at + 1], self._stamps[at + 2] = hashed, most, now
        tokens = min(most, self._stamps[at + 1] + max(now - self._stamps[at + 2], 0.0) * per_second)
        self._stamps[at + 2] = now
        has_one = tokens >= 1
        self._stamps[at + 1] = tokens - has_one
        return 0.0 if has_one else (1 - tokens) / per_second

    def version(self, name: str) -> "Marks":
        """Where calls of a version of this worker are counted; the same for the same ``name``."""
        encoded = name.encode()[:_NAME_BYTES]
        runs, numbers = self._runs[self._worker], self._numbers[self._worker]
        with self._run_lock:
            free = -1
            for at in range(0, _RUNS * _RUN_BYTES, _RUN_BYTES):
                kept = bytes(runs[at + 24 : at + _RUN_BYTES]).rstrip(b"\0")
                if kept == encoded:
                    return Marks(numbers, at // _WORDS)
                if not kept and free < 0:
                    free = at
            if free < 0:  # more versions than there is room for: the oldest that neither runs nor loads
                free = next((at for at in range(0, len(runs), _RUN_BYTES) if not any(runs[at : at + 16])), 0)
                runs[free : free + _RUN_BYTES] = bytes(_RUN_BYTES)
            runs[free + 24 : free + 24 + len(encoded)] = encoded
            return Marks(numbers, free // _WORDS)

    def running(self, worker: int) -> list[Running]:
        """The versions that ``worker`` was running or loading when it was last heard of."""
        runs, numbers, found = self._runs[worker], self._numbers[worker], []
        for at in range(0, _RUNS * _RUN_BYTES, _RUN_BYTES):
            running, loading, ended = numbers[at // _WORDS : at // _WORDS + 3]
            if running > 0 or loading:
                name = bytes(runs[at + 24 : at + _RUN_BYTES]).rstrip(b"\0").decode(errors="replace")
                found.append(Running(name, running, ended, bool(loading)))
        return found

    def forget(self, worker: int) -> None:
        """It has ended, and has nothing in flight any more."""
        self._counts[worker][:] = memoryview(bytes(_COUNTS * 2 * _WORDS)).cast("q")
        self._runs[worker][:] = bytes(_RUNS * _RUN_BYTES)

    def _hash(self, kind: str, name: str) -> int:
        key = kind, name
        hashed = self._hashes.get(key)
        if hashed is None:
            if len(self._hashes) > 2 * _COUNTS:  # names come from clients
                self._hashes.clear()
            text = f"{kind}\0{name}".encode(errors="surrogateescape")
            # Never 0, which is an entry that is not in use.
            hashed = int.from_bytes(blake2b(text, digest_size=8).digest(), signed=True) or 1
            self._hashes[key] = hashed
        return hashed


class Marks:
    """Counts the calls of one version; from any thread."""

    __slots__ = ("_at", "_lock", "_numbers")

    def __init__(self, numbers: memoryview, at: int) -> None:
        self._numbers = numbers
        self._at = at
        self._lock = threading.Lock()

    def begin(self) -> None:
        """A call runs."""
        with self._lock:
            self._numbers[self._at] += 1

    def end(self) -> None:
        """It has ended."""
        with self._lock:
            self._numbers[self._at] -= 1
            self._numbers[self._at + 2] += 1

    def loading(self, *, is_so: bool) -> None:
        """The version is being loaded, or not any more."""
        self._numbers[self._at + 1] = is_so


def _count(counts: memoryview, hashed: int) -> int:
    return sum(counts[at + 1] for at in _entries(hashed, _COUNTS, 2) if counts[at] == hashed)


def _entries(hashed: int, of: int, words: int) -> range:
    first = hashed % (of // _SET) * _SET
    return range(first * words, (first + _SET) * words, words)
