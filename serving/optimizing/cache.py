"""Optimised graphs kept in a directory between starts, each in a file named by a hash of all that it depends on.

A file that is damaged or foreign is as good as none. Files are never removed here.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from serving.optimizing.candidates import NotOptimizedError
from serving.optimizing.process import SCRIPT, ChildRequest, Optimized
from serving.servables import libtensorflow
from serving.telemetry.log import logger

_MAGIC = b"optimised SavedModel 1\n"
_BLOCK = 4 * 2**20


class Cache:
    """The directory. ``cpu`` names the machine's CPU, whose kernels are written into the graphs."""

    def __init__(self, directory: Path, cpu: str) -> None:
        self.directory = directory
        self._cpu = cpu

    def key(self, request: ChildRequest) -> str:
        """The name of the file for ``request``. Raises OSError if the model cannot be read."""
        digest = hashlib.sha256()
        facts = (
            [libtensorflow.version(), self._cpu, request.tags, request.signatures, request.step],
            request.config.hex(),
        )
        digest.update(json.dumps(facts).encode())
        files = [SCRIPT, *map(Path, request.libraries), *sorted(request.path.rglob("*"))]
        for file in files:
            if file.is_file() and "assets.extra" not in file.parts:
                digest.update(f"\n{file.name} {file.stat().st_size}\n".encode())
                for block in _blocks(file):
                    digest.update(block)
        return digest.hexdigest()

    def optimized(self, request: ChildRequest, make: Callable[[ChildRequest], Optimized]) -> Optimized:
        """What was kept for ``request``, else what ``make`` makes of it, which is kept. Raises NotOptimizedError."""
        try:
            key = self.key(request)
        except OSError as error:
            raise NotOptimizedError(f"its files cannot be read: {error}") from error
        found = self.find(key)
        if found is not None:
            return found
        made = make(request)
        try:
            self.keep(key, made)
        except OSError as error:
            logger.warning("--optimize_cache_dir=%s cannot be written to: %s", self.directory, error.strerror)
        return made

    def find(self, key: str) -> Optimized | None:
        """What was kept under ``key``, whole and unchanged, or None."""
        try:
            with (self.directory / key).open("rb") as file:
                fd = file.fileno()
                return _read(fd) if os.fstat(fd).st_size else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, key: str, optimized: Optimized) -> None:
        """Write it, in one step for readers. Raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.directory, prefix=f".{key}.", delete=False) as file:
            try:
                _write(file.fileno(), optimized)
                Path(file.name).rename(self.directory / key)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            yield block


def _write(target: int, optimized: Optimized) -> None:
    """The magic line, a line of JSON, the graph, the weights."""
    sizes = [os.fstat(fd).st_size for fd in optimized.weights]
    digest = hashlib.sha256(optimized.graph)
    for fd, size in zip(optimized.weights, sizes, strict=True):
        for start in range(0, size, _BLOCK):
            digest.update(os.pread(fd, _BLOCK, start))
    head = {"graph": len(optimized.graph), "weights": sizes, "sha256": digest.hexdigest()}
    _write_all(target, _MAGIC + json.dumps(head).encode() + b"\n" + optimized.graph)
    for fd, size in zip(optimized.weights, sizes, strict=True):
        for start in range(0, size, _BLOCK):
            _write_all(target, os.pread(fd, _BLOCK, start))


def _write_all(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


def _read(source: int) -> Optimized:
    """Raises ValueError, KeyError or TypeError if the file is not what ``_write`` wrote."""
    first = os.pread(source, _BLOCK, 0)
    magic, _, rest = first.partition(b"\n")
    if magic + b"\n" != _MAGIC:
        raise ValueError("not a file of ours")
    line, newline, _ = rest.partition(b"\n")
    head = json.loads(line)
    position = len(_MAGIC) + len(line) + len(newline)
    graph = os.pread(source, head["graph"], position)
    position += len(graph)
    digest = hashlib.sha256(graph)
    weights: list[int] = []
    try:
        for size in head["weights"]:
            weights.append(os.memfd_create("weights", os.MFD_CLOEXEC))
            for start in range(0, size, _BLOCK):
                block = os.pread(source, min(_BLOCK, size - start), position + start)
                digest.update(block)
                _write_all(weights[-1], block)
            position += size
        if digest.hexdigest() != head["sha256"]:
            raise ValueError("damaged")
    except BaseException:
        for fd in weights:
            os.close(fd)
        raise
    return Optimized(graph=graph, weights=tuple(weights))
