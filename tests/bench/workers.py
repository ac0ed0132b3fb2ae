"""What a second worker costs and takes over: CPU time of all of a server's processes per request, memory, calls.

Both servers run at the same time and are asked in turns, over connections that have one call under way each: eight of
them in all, and eight for each worker. With more calls at a time a process takes more of them each time that it wakes
up, and so needs less time for each: only the second comparison is between workers that have the same to do.
"""

import http.client
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from tests.bench import load
from tests.bench.asking import Question, await_answer, check
from tests.bench.load import Load
from tests.bench.payloads import Form, framed
from tests.bench.progress import Progress
from tests.bench.results import BenchError, Figure, Names, Outcome, Row, Table, Target, row
from tests.bench.servers import Server, serving
from tests.bench.settings import Settings

SCENARIO = "half_plus_two, workers"
MOST_RATIO = 1.10
COUNTS = (1, 2)
CONNECTIONS = 8
_CALLS = 20_000
_TURN_SECONDS = 6.0
_START_SECONDS = 15.0
_LONGEST_SECONDS = 240
_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12
"""Fields of /proc/PID/stat behind the name of the program, counted from 0."""
_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)
_FIRST = Question(model="half_plus_two", form=Form.JSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A load: ``CONNECTIONS`` in all, or for each worker."""

    form: Form
    for_each: bool = False

    def connections(self, workers: int) -> int:
        """How many there are for a server of so many workers."""
        return CONNECTIONS * (workers if self.for_each else 1)

    @property
    def name(self) -> str:
        """What the table calls it."""
        api = "gRPC" if self.form is Form.GRPC else "REST"
        return f"{api}, {CONNECTIONS} connections {'for each worker' if self.for_each else 'in all'}"


CELLS = tuple(Cell(form=form, for_each=for_each) for form in (Form.JSON, Form.GRPC) for for_each in (False, True))


@dataclass(slots=True)
class Found:
    """By number of workers: CPU microseconds per request, memory in MB; how many calls each of several had."""

    micros: dict[int, list[float]] = field(default_factory=dict)
    memory: dict[int, list[float]] = field(default_factory=dict)
    calls: list[Sequence[int]] = field(default_factory=list)


def workers(settings: Settings, progress: Progress) -> Outcome:
    """One worker against two, over both APIs."""
    found = {cell: Found() for cell in CELLS}
    base = settings.models / "half_plus_two"
    with ExitStack() as stack:
        servers = {}
        for count in COUNTS:
            progress.begin(f"workers, start of {count}", _START_SECONDS)
            flags = (f"--workers={count}", "--optimize=off", "--model_name=half_plus_two", "--model_base_path={base}")
            program = serving(_name(count), *flags, one_core=False)
            servers[count] = stack.enter_context(Server(program, {"base": str(base)}, None, settings.work))
            await_answer(_FIRST, servers[count].address, servers[count].check_alive)
        for number in range(settings.rounds):
            for cell in CELLS:
                for count in COUNTS if number % 2 == 0 else COUNTS[::-1]:
                    progress.begin(f"{_name(count)}, {cell.name}", _TURN_SECONDS)
                    _measure(settings, servers[count], count, cell, found[cell])
    return outcome(found)


def outcome(found: Mapping[Cell, Found]) -> Outcome:
    """What the report says of it."""
    return Outcome(rows=list(_rows(found)), tables=[_shares(found)])


def workers_seconds(settings: Settings) -> float:
    """About how long that takes."""
    return len(COUNTS) * (_START_SECONDS + settings.rounds * len(CELLS) * _TURN_SECONDS)


def _measure(settings: Settings, server: Server, count: int, cell: Cell, found: Found) -> None:
    question = Question(model="half_plus_two", form=cell.form)
    check(question, server.address)
    body = settings.work / f"{question.form.name}.body"
    body.write_bytes(question.body() if question.form is Form.JSON else framed(question.body()))
    processes = processes_of(server.process.pid)
    had = _calls_by_worker(server) if count > 1 else ()
    before = cpu_seconds(processes)
    load.run(
        Load(
            url=question.url(server.address),
            body=body,
            form=question.form,
            answer_bytes=0,
            concurrency=cell.connections(count),
            seconds=_LONGEST_SECONDS,
            exact=True,
            calls=_CALLS,
        )
    )
    found.micros.setdefault(count, []).append((cpu_seconds(processes) - before) / _CALLS * 1e6)
    found.memory.setdefault(count, []).append(pss_mb(processes))
    if count > 1:
        found.calls.append([now - then for now, then in zip(_calls_by_worker(server), had, strict=True)])


def processes_of(pid: int) -> list[int]:
    """A server's process and its children, which are its workers."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *map(int, text.split())]


def cpu_seconds(processes: Sequence[int]) -> float:
    """What they have used so far, in user and system time."""
    ticks = 0
    for pid in processes:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[_UTIME]) + int(fields[_STIME])
    return ticks / _TICKS


def pss_mb(processes: Sequence[int]) -> float:
    """Their memory in units of 10^6 bytes, each shared page counted once in all."""
    kilobytes = 0
    for pid in processes:
        told = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
        if told is None:
            raise BenchError(f"process {pid} has ended")
        kilobytes += int(told[1])
    return kilobytes * 1024 / 1e6


def _calls_by_worker(server: Server) -> list[int]:
    """How many requests each worker has had, as the page for people has it."""
    connection = http.client.HTTPConnection(urlsplit(server.address.rest).netloc, timeout=30)
    try:
        connection.request("GET", "/ui/data/events")
        answer = connection.getresponse()
        while line := answer.readline():
            if line == b"event: sample\n":
                sample: dict[str, Any] = json.loads(answer.readline().removeprefix(b"data: "))
                return [int(each["requests"]) for each in sample["workers"]]
    finally:
        connection.close()
    raise BenchError("the server's page says nothing of its workers")


def _rows(found: Mapping[Cell, Found]) -> Iterator[Row]:
    two, one = _name(2), _name(1)
    for cell, each in found.items():
        names = Names(scenario=SCENARIO, load=f"CPU per request, {cell.name}", unit="µs", ours=two, baseline=one)
        yield row(names, each.micros[2], each.micros[1], Figure.RATIO, Target(bound=MOST_RATIO, at_least=False))
    memory = found[CELLS[-1]].memory
    names = Names(scenario=SCENARIO, load="memory (PSS)", unit="MB", ours=two, baseline=one)
    yield row(names, memory[2], memory[1], Figure.DIFFERENCE, None)


def _shares(found: Mapping[Cell, Found]) -> Table:
    """The smaller share of the calls, for there are two: by turns, and their median."""
    lines = []
    for cell, each in found.items():
        smaller = [min(calls) / sum(calls) for calls in each.calls]
        turns = " ".join(f"{share:.0%}" for share in smaller)
        lines.append((cell.name, f"{median(smaller):.0%}", turns))
    title = "What the one of two workers had of the calls that had fewer"
    return Table(title=title, columns=("load", "median", "each turn"), lines=tuple(lines))


def _name(count: int) -> str:
    return "one worker" if count == 1 else f"{count} workers"
