"""Verdicts kept in a directory between starts, each in a folder named by a hash of all that it depends on.

A folder can be copied to another machine with the same CPU, whose server then answers with the same bits. One that is
damaged or foreign is as good as none. Nothing is ever removed here.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from serving.openvino import library as openvino
from serving.optimizing.candidates import Group, NotOptimizedError
from serving.optimizing.freezing import Model
from serving.optimizing.trying import Terms
from serving.optimizing.verdict import Verdict, verdict_from
from serving.servables import libtensorflow
from serving.telemetry.log import logger

_FORMAT = "optimised SavedModel 2"
_VERDICT = "verdict.json"
_BLOCK = 4 * 2**20

_ROOMS = Path(__file__).parent, Path(openvino.__file__).parent
"""What other code of theirs has found is not believed: it froze, tried and judged in other ways."""


class Cache:
    """The directory. ``cpu`` names the machine's CPU, for whose kernels graphs are made."""

    def __init__(self, directory: Path, cpu: str) -> None:
        self.directory = directory
        self._cpu = cpu

    def key(self, model: Model, groups: Sequence[Group], terms: Terms) -> str:
        """The name of the folder. Raises OSError if the model cannot be read."""
        return key_of(model, groups, terms, self._cpu)

    def verdict(self, model: Model, groups: Sequence[Group], terms: Terms, make: Callable[[], Verdict]) -> Verdict:
        """What was kept, else what ``make`` makes, which is kept. Raises NotOptimizedError."""
        try:
            key = self.key(model, groups, terms)
        except OSError as error:
            raise NotOptimizedError(f"its files cannot be read: {error}") from error
        found = self.find(key)
        if found is not None:
            return found
        made = make()
        if not made.lasting:
            return made
        try:
            self.keep(key, made)
        except OSError as error:
            logger.warning("--optimize_cache_dir=%s cannot be written to: %s", self.directory, error.strerror)
            return made
        found = self.find(key)  # its files need no memory that the system could not take back
        if found is None:
            return made
        made.close()
        return found

    def find(self, key: str) -> Verdict | None:
        """What was kept under ``key``, whole and unchanged, or None."""
        folder = self.directory / key
        opened: list[int] = []
        try:
            kept = json.loads((folder / _VERDICT).read_bytes())
            if kept["format"] != _FORMAT:
                return None
            if _digest_of(kept["steps"]) != kept["digest"]:
                raise ValueError("damaged")
            for index, digest in enumerate(kept["files"]):
                opened.append(os.open(folder / str(index), os.O_RDONLY | os.O_CLOEXEC))
                if _digest(opened[-1]) != digest:
                    raise ValueError("damaged")
            return verdict_from(kept["steps"], opened)
        except (OSError, ValueError, KeyError, TypeError):
            for fd in opened:
                os.close(fd)
            return None

    def keep(self, key: str, verdict: Verdict) -> None:
        """Write it, in one step for readers. Raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.directory, prefix=f".{key}."))
        try:
            for index, fd in enumerate(verdict.files):
                with (folder / str(index)).open("wb") as file:
                    for block in _blocks_of(fd):
                        file.write(block)
            facts = verdict.facts()
            files = [_digest(fd) for fd in verdict.files]
            kept = {"format": _FORMAT, "files": files, "steps": facts, "digest": _digest_of(facts)}
            (folder / _VERDICT).write_text(json.dumps(kept))
            folder.chmod(0o755)
            if (self.directory / key).is_file():  # of an earlier format
                (self.directory / key).unlink()
            elif (self.directory / key).exists():  # damaged, or another server was faster
                shutil.rmtree(self.directory / key)
            folder.rename(self.directory / key)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def key_of(model: Model, groups: Sequence[Group], terms: Terms, cpu: str) -> str:
    """A digest of all that a verdict depends on. Raises OSError if the model cannot be read."""
    digest = hashlib.sha256()
    engine = openvino.load().version() if terms.numbers is not None and openvino.libraries() else ""
    facts = [
        [_FORMAT, libtensorflow.version(), engine, cpu, model.tags, model.config.hex()],
        [[group.step, sorted(group.answered)] for group in groups],
        [terms.config.hex(), terms.threads, terms.rows, terms.numbers and terms.numbers.value, terms.tensorflow],
        [terms.tolerance, _own_code()],
    ]
    digest.update(json.dumps(facts).encode())
    files = [*map(Path, model.libraries), *sorted(model.path.rglob("*"))]
    for file in files:
        if file.is_file() and "assets.extra" not in file.parts:
            digest.update(f"\n{file.name} {file.stat().st_size}\n".encode())
            for block in _blocks(file):
                digest.update(block)
    return digest.hexdigest()


def code_digest(rooms: Sequence[Path]) -> str:
    """A digest of all source files in some directories."""
    digest = hashlib.sha256()
    for room in rooms:
        for file in sorted(room.rglob("*.py")):
            data = file.read_bytes()
            digest.update(f"\n{file.relative_to(room)} {len(data)}\n".encode() + data)
    return digest.hexdigest()


@cache
def _own_code() -> str:
    return code_digest(_ROOMS)


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            yield block


def _blocks_of(fd: int) -> Iterator[bytes]:
    position = 0
    while block := os.pread(fd, _BLOCK, position):
        position += len(block)
        yield block


def _digest_of(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _digest(fd: int) -> str:
    digest = hashlib.sha256()
    for block in _blocks_of(fd):
        digest.update(block)
    return digest.hexdigest()
