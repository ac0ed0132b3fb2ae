"""More models than fit into memory, hard links to one set of weights, under traffic of both doors.

``python -m tests.soak.many_models --models=300 --room=20`` prints what came of it, and ends with 0 if every request was
answered rightly and memory kept within the budget.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.server.doors.clients import Client, GrpcClient, RefusedError, RestClient, Target, floats
from tests.support.server_process import ServerProcess, write_model_config

if TYPE_CHECKING:
    from collections.abc import Iterator

MAKE_WEIGHTS = Path(__file__).with_name("make_weights.py")
_SERVER_MIB, _MODEL_MIB = 75, 21
"""What the server has beside its models, and what a model of ``make_weights.py`` has with the peak of its load."""
_SAMPLE_SECONDS = 0.02
_CLIENTS = 8
_SEED = 14

_LOADED = re.compile(r"Successfully loaded servable version")
_UNLOADED = re.compile(r"Done unloading servable version")


@dataclass(slots=True, kw_only=True)
class Report:
    """What came of a run; memory is in MiB, times in seconds."""

    models: int
    budget: int
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    hot_seconds: list[float] = field(default_factory=list)
    peak: float = 0.0
    loads: int = 0
    evictions: int = 0
    most_loaded: int = 0
    output: str = ""

    @property
    def lost(self) -> int:
        """Requests that were not answered, or wrongly."""
        return sum(count for outcome, count in self.outcomes.items() if not outcome.endswith(" answered"))

    def __str__(self) -> str:
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items()))
        return (
            f"{self.models} models, {outcomes}; {self.loads} loads, {self.evictions} evictions, at most "
            f"{self.most_loaded} loaded at once; at most {self.peak:.0f} MiB of {self.budget}; seconds: "
            f"{_quantiles(self.seconds)}; of a pinned model: {_quantiles(self.hot_seconds)}"
        )


def run(weights: Path, folder: Path, *, models: int, room: int, requests: int) -> Report:
    """Serve so many copies of the model ``weights`` with memory for ``room``, and send ``requests`` for each.

    One more model is pinned, and asked as long as the others are.
    """
    names = [f"m{number}" for number in range(models)]
    for name in (*names, "hot"):
        shutil.copytree(weights, folder / name, copy_function=os.link)
    config = write_model_config(folder / "models.config", {name: folder / name for name in (*names, "hot")})
    report = Report(models=models, budget=_SERVER_MIB + (room + 1) * _MODEL_MIB)
    flags = (
        f"--model_config_file={config}",
        "--lazy_load",
        "--pin_models=hot",
        f"--memory_budget_mb={report.budget}",
        "--optimize=off",
    )
    with ServerProcess(flags) as server, _memory(server, report):
        _ask(server, names * requests, report)
    report.output = "".join(server.output)
    _count(report, server.output)
    return report


def _ask(server: ServerProcess, names: list[str], report: Report) -> None:
    random.Random(_SEED).shuffle(names)
    over = threading.Event()
    with ThreadPoolExecutor(_CLIENTS + 1) as pool:
        hot = pool.submit(_keep_asking, server, over, report)
        try:
            clients = [pool.submit(_ask_each, server, names[start::_CLIENTS], report) for start in range(_CLIENTS)]
            for client in clients:
                client.result()
        finally:
            over.set()
        hot.result()


def _ask_each(server: ServerProcess, names: list[str], report: Report) -> None:
    rest, grpc = RestClient(server), GrpcClient(server)
    try:
        for number, name in enumerate(names):
            # REST's client asks for metadata as well.
            door, client = ("gRPC", grpc) if number % 2 else ("REST", rest)
            _one(client, door, name, report, report.seconds)
    finally:
        grpc.close()


def _keep_asking(server: ServerProcess, over: threading.Event, report: Report) -> None:
    client = GrpcClient(server)
    try:
        while not over.wait(_SAMPLE_SECONDS):
            _one(client, "pinned", "hot", report, report.hot_seconds)
    finally:
        client.close()


def _one(client: Client, door: str, name: str, report: Report, seconds: list[float]) -> None:
    began = time.perf_counter()
    try:
        answer = client.predict(Target(model=name), {"x": floats(1, 2)}, timeout=120.0)
        outcome = "answered" if answer["y"].tolist() == [6.0, 7.0] else "wrong"
    except RefusedError as error:
        outcome = str(error)
    seconds.append(time.perf_counter() - began)
    report.outcomes[f"{door} {outcome}"] += 1


@contextmanager
def _memory(server: ServerProcess, report: Report) -> "Iterator[None]":
    """Look at what the server holds until the end."""
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(server.process.pid, over, report))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _watch(pid: int, over: threading.Event, report: Report) -> None:
    while not over.wait(_SAMPLE_SECONDS):
        with suppress(OSError):  # it has ended
            resident, shared = map(int, Path(f"/proc/{pid}/statm").read_text().split()[1:3])
            report.peak = max(report.peak, (resident - shared) * os.sysconf("SC_PAGE_SIZE") / 2**20)


def _count(report: Report, output: list[str]) -> None:
    loaded = 0
    for line in output:
        if _LOADED.search(line):
            loaded += 1
            report.loads += 1
        elif _UNLOADED.search(line):
            loaded -= 1
        report.evictions += "makes room for" in line
        report.most_loaded = max(report.most_loaded, loaded)


def _quantiles(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    median, high = (ordered[int(part * len(ordered))] for part in (0.5, 0.99))
    return f"median {median:.3f}, p99 {high:.3f}, most {ordered[-1]:.3f}"


def main(arguments: list[str] | None = None) -> int:
    """What the module says."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.many_models", description=__doc__)
    parser.add_argument("--models", type=int, default=300, help="how many, but for the pinned one")
    parser.add_argument("--room", type=int, default=20, help="for how many of them there is memory")
    parser.add_argument("--requests", type=int, default=4, help="for each model, half of them over each door")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(MAKE_WEIGHTS), folder], check=True, capture_output=True)
        report = run(Path(folder, "heavy"), Path(folder), models=given.models, room=given.room, requests=given.requests)
    print(report)
    return int(report.lost > 0 or report.peak > report.budget)


if __name__ == "__main__":
    sys.exit(main())
