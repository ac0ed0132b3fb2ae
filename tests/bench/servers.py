"""Starts and stops the programs that are measured, each on free ports of 127.0.0.1 and, if wished, on one core."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import TracebackType
from typing import Self

import numpy as np

from serving.settings import FLAGS
from tests.bench.asking import Address
from tests.bench.payloads import example
from tests.bench.results import BenchError, Measurement, percentile
from tests.support.ports import HOST, free_port

ROOT = Path(__file__).parents[2]

_STOP_SECONDS = 20.0
_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)
_FLAG = re.compile(r"^--(\w+)")

TRYING_HAS_ENDED = re.compile(r"Servable \{.*\} is (optimised|served as it is saved)\b")
"""What our server's log says once it has chosen what runs a version; until then it is busy, and may change."""

_TRYING_SECONDS = 300.0
_LOOK_AGAIN_SECONDS = 0.1

CONFIGS: Mapping[str, str] = {
    "batching": "max_batch_size { value: 32 } batch_timeout_micros { value: 500 } num_batch_threads { value: 2 }",
    "monitoring": 'prometheus_config { enable: true path: "/metrics" }',
}
"""Files that flags name as {batching} and {monitoring}."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is started: arguments after `python -m`, with {model} for the version directory, {base} for its parent,

    {rest} and {grpc} for ports, and the names of CONFIGS. ``one_core`` keeps it off the load generator's core.
    """

    name: str
    arguments: tuple[str, ...]
    one_core: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Which core is the server's and which the load's; both None where there is only one."""

    server: int | None
    load: int | None

    @classmethod
    def found(cls) -> Self:
        """The first two cores that this process may use."""
        usable = sorted(os.sched_getaffinity(0))
        return cls(server=usable[0], load=usable[1]) if len(usable) > 1 else cls(server=None, load=None)


def pinned(core: int | None) -> tuple[str, ...]:
    """What goes before a command to keep it on one core; nothing for None."""
    return () if core is None else ("taskset", "-c", str(core))


def serving(name: str, *flags: str, one_core: bool = True) -> Program:
    """Our server with ``flags``, on both ports."""
    ports = ("--port={grpc}", "--rest_api_port={rest}")
    return Program(name=name, arguments=("serving", *ports, *flags), one_core=one_core)


def check_flags(program: Program) -> None:
    """BenchError if our server has not all of the flags that the program is started with: it would pass over them."""
    given = {name for argument in program.arguments for name in _FLAG.findall(argument)}
    unknown = given - {flag.name for flag in FLAGS}
    if program.arguments[0] == "serving" and unknown:
        raise BenchError(f"the server has no flag {', '.join(sorted(unknown))}")


class Server:
    """A started program. A context manager: it has ended at the end of the block."""

    def __init__(self, program: Program, values: Mapping[str, str], core: int | None, work: Path) -> None:
        check_flags(program)
        self.rest_port, self.grpc_port = free_port(), free_port()
        for name, text in CONFIGS.items():
            (work / name).write_text(text + "\n")
        places = {**{name: str(work / name) for name in CONFIGS}, **values}
        ports = {"rest": str(self.rest_port), "grpc": str(self.grpc_port)}
        arguments = [argument.format(**places, **ports) for argument in program.arguments]
        self._name = program.name
        self._tries = program.arguments[0] == "serving" and "--optimize=off" not in program.arguments
        self._log = work / f"{self.rest_port}.log"
        self.began = time.monotonic()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*pinned(core if program.one_core else None), sys.executable, "-m", *arguments],
                cwd=ROOT,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def check_alive(self) -> None:
        """BenchError with the end of what it printed if the process has ended."""
        if (status := self.process.poll()) is not None:
            raise BenchError(
                f"{self._name} ended with {status}: {self._log.read_text(errors='replace')[-500:].strip()}"
            )

    def await_tried(self) -> None:
        """Wait until our server has chosen what runs its one version. BenchError if its log does not say so in time."""
        deadline = time.monotonic() + _TRYING_SECONDS
        while self._tries and not TRYING_HAS_ENDED.search(self._log.read_text(errors="replace")):
            self.check_alive()
            if time.monotonic() > deadline:
                raise BenchError(f"{self._name} did not say within {_TRYING_SECONDS:.0f} s what it serves its model by")
            time.sleep(_LOOK_AGAIN_SECONDS)

    def chosen(self) -> str:
        """The lines of its log that say what was chosen, without what stands before them."""
        lines = self._log.read_text(errors="replace").splitlines()
        return " ".join(line.partition("Servable ")[2] or line for line in lines if TRYING_HAS_ENDED.search(line))

    @property
    def address(self) -> Address:
        """Both doors; a baseline has only one of them."""
        return Address(rest=f"http://{HOST}:{self.rest_port}", grpc=f"{HOST}:{self.grpc_port}")

    def resident_mb(self) -> float:
        """Resident memory in units of 10^6 bytes."""
        found = _RESIDENT.search(Path(f"/proc/{self.process.pid}/status").read_text())
        if found is None:
            raise BenchError(f"{self._name} has ended")
        return int(found[1]) * 1024 / 1e6

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class ModelTime:
    """A model in a process of its own, called when told to. A context manager, as Server is."""

    def __init__(self, module: str, version: Path, model: str, work: Path) -> None:
        file = work / f"{model}.npy"
        np.save(file, example(model))
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.bench.baselines.{module}", str(version), str(file)],
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._line()

    def measure(self, seconds: float) -> Measurement:
        """Call for ``seconds``, one call at a time."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        times = self._line()
        return Measurement(
            throughput=1e3 / fmean(times),
            mean_ms=fmean(times),
            p50_ms=percentile(times, 0.5),
            p99_ms=percentile(times, 0.99),
            max_ms=max(times),
        )

    def _line(self) -> list[float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"the model without a server ended with {self._process.wait()}")
        times: list[float] = json.loads(line)
        return times

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
