"""Many inputs in several processes, counted; it ends early with the first that breaks a promise, kept as a file."""

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tests.fuzz.record import Record
from tests.fuzz.target import Target

_LOOK_SECONDS = 0.2
_STUCK_SECONDS = 120.0
"""After which a worker that is still at the same input is ended."""

_DEAR_SHARE = 0.1
_LAST_LINES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is tried: ``inputs`` in all or for ``seconds`` in all, 0 is no limit; ``processes`` at a time.

    ``found`` is the folder for inputs that break a promise.
    """

    targets: Sequence[Target]
    inputs: int
    seconds: float
    processes: int
    engine: str
    seed: int
    found: Path

    def share(self, target: Target) -> tuple[int, float]:
        """The inputs of one target, and its seconds."""
        weights = {each.name: _DEAR_SHARE if each.dear else 1.0 for each in self.targets}
        part = weights[target.name] / sum(weights.values())
        seconds = self.seconds * min(self.processes, len(self.targets)) / len(self.targets)
        return -int(-self.inputs * part // 1) if self.inputs else 0, seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of a target; ``broken`` is the file with the input that failed, None if none did."""

    target: str
    tried: int
    valid: int
    seconds: float
    broken: Path | None = None


class Worker:
    """One target in a process of its own."""

    def __init__(self, plan: Plan, target: Target, folder: Path) -> None:
        inputs, seconds = plan.share(target)
        self.target = target
        self._found = plan.found
        self._record = Record(folder / f"{target.name}.record")
        self._output: TextIO = (folder / f"{target.name}.output").open("w+")
        self._began = self._moved = time.monotonic()
        self._tried = 0
        command = [sys.executable, "-m", "tests.fuzz.worker", target.name, f"--record={folder / target.name}.record"]
        command += [f"--engine={plan.engine}", f"--seed={plan.seed}", f"--inputs={inputs}", f"--seconds={seconds}"]
        self.process = subprocess.Popen(command, stdout=self._output, stderr=subprocess.STDOUT)

    def row(self) -> Row | None:
        """The result, None while the process runs."""
        self._end_if_stuck()
        status = self.process.poll()
        if status is None:
            return None
        seconds = time.monotonic() - self._began
        done = self._record
        broken = self._keep(done.present) if status else None
        return Row(target=self.target.name, tried=done.tried, valid=done.valid, seconds=seconds, broken=broken)

    def last_lines(self) -> str:
        """What the process said last."""
        self._output.seek(0)
        return "".join(self._output.readlines()[-_LAST_LINES:])

    def close(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._record.close()
        self._output.close()

    def _end_if_stuck(self) -> None:
        tried, now = self._record.tried, time.monotonic()
        if tried != self._tried:
            self._tried, self._moved = tried, now
        elif now - self._moved > _STUCK_SECONDS:
            self.process.kill()

    def _keep(self, data: bytes) -> Path:
        self._found.mkdir(parents=True, exist_ok=True)
        path = self._found / f"{self.target.name}-{hashlib.sha256(data).hexdigest()[:12]}"
        path.write_bytes(data)
        return path


def run(plan: Plan) -> Iterator[tuple[Row, str]]:
    """Each target's result as it comes, with what its process said last. The first broken promise is the last one."""
    waiting, running = list(plan.targets), list[Worker]()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        while waiting or running:
            while waiting and len(running) < plan.processes:
                worker = Worker(plan, waiting.pop(0), Path(folder))
                stack.callback(worker.close)
                running.append(worker)
            for worker in list(running):
                row = worker.row()
                if row is not None:
                    running.remove(worker)
                    yield row, worker.last_lines()
                    if row.broken is not None:
                        return
            time.sleep(_LOOK_SECONDS)
