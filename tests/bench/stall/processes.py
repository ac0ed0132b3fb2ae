"""The clients, each a process of its own, so that none waits for another's interpreter; and the memory of processes."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.bench.asking import Address
from tests.bench.results import BenchError
from tests.bench.servers import ROOT
from tests.bench.stall.figures import Sample, read_samples

_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)
_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)
_END_SECONDS = 10.0


class _Client:
    """A module of this package as a process that ends with the block; it prints a line when it is ready."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._what = " ".join((module, *arguments))
        command = [sys.executable, "-m", f"tests.bench.stall.{module}", *arguments]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def line(self) -> str:
        """The next line that it prints. BenchError if it has ended."""
        assert self.process.stdout is not None
        if not (line := self.process.stdout.readline()):
            raise BenchError(f"{self._what} ended with {self.process.wait()}")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.communicate(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


class Load(_Client):
    """What sends the costly requests, which it makes before."""

    def __init__(self, name: str, address: Address, seconds: float) -> None:
        super().__init__("load", name, address.rest, address.grpc, str(seconds))

    def begin(self) -> None:
        """Send."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def counts(self) -> dict[str, int]:
        """How many requests ended with which status."""
        found: dict[str, int] = json.loads(self.line())
        return found


class Probe(_Client):
    """One probe; after the block ``samples`` has what it saw."""

    def __init__(self, name: str, address: Address, work: Path) -> None:
        self.samples: list[Sample] = []
        self._log = work / f"{name}.samples"
        super().__init__("probe", name, address.rest, address.grpc, str(self._log))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = self.process.poll()
        super().__exit__(kind, error, trace)
        if kind is None and ended is not None:
            raise BenchError(f"{self._what} ended early, with {ended}")
        if kind is None:
            self.samples = read_samples(self._log.read_text())


def resident_mb(pid: int) -> float:
    """Resident memory of a process and all its children, in units of 10^6 bytes; 0 for one that has ended."""
    try:
        found = _RESIDENT.search(Path(f"/proc/{pid}/status").read_text())
        lists = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return 0.0
    own = int(found[1]) * 1024 / 1e6 if found else 0.0
    return own + sum(resident_mb(int(child)) for each in lists for child in each.split())


def available_mb() -> float:
    """Memory of the machine that can be had, in units of 10^6 bytes."""
    found = _AVAILABLE.search(Path("/proc/meminfo").read_text())
    assert found is not None
    return int(found[1]) * 1024 / 1e6
