"""`python -m tests.bench.overload`: what a server does with twice the requests that it can answer.

The model waits 20 ms or so without using a CPU, so that the load generator, which shares the machine, does not set the
capacity: the eight threads that calls of models have do. Requests come over gRPC at their own times, whether others
were answered or not. A second case, a model that computes, is told as the CPU time of the server per answered call.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from tests.server.doors.clients import Target, predict_request
from tests.support.server_process import ServerProcess

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_THREADS = 8
_WAITING, _COMPUTING = "waiting", "computing"
_FLAGS = ("--optimize=off", f"--rest_api_num_threads={_THREADS}", "--grpc_max_threads=4096")
CASES: Sequence[tuple[str, tuple[str, ...]]] = (
    ("no limit", ()),
    ("--max_in_flight", (f"--max_in_flight={_THREADS}",)),
    ("--adaptive_in_flight", ("--adaptive_in_flight",)),
)


@dataclass(slots=True)
class Outcomes:
    """What became of requests; times of the answered ones in seconds."""

    seconds: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, began: float, done: Any) -> None:
        """A call is over."""
        taken, error = time.perf_counter() - began, done.exception()
        with self.lock:
            if error is None:
                self.seconds.append(taken)
            else:
                self.refused[str(done.code())] += 1

    @property
    def count(self) -> int:
        """How many are over."""
        with self.lock:
            return len(self.seconds) + sum(self.refused.values())

    def percentile(self, share: float) -> float:
        """In milliseconds, of those answered."""
        return float(np.percentile(self.seconds, share)) * 1000 if self.seconds else float("nan")


def write_models(directory: Path) -> None:
    """The two models, by TensorFlow in this process."""
    import tensorflow as tf
    from tensorflow.python.data.experimental.ops import testing

    def wait(x: Any) -> Any:
        waited = tf.data.Dataset.from_tensors(x).apply(testing.sleep(10_000)).get_single_element()
        return {"y": waited / 2 + 2}

    def compute(x: Any) -> Any:
        square = tf.fill([192, 192], tf.reduce_sum(x) / 192)
        for _ in range(12):
            square = tf.matmul(square, square) / 192
        return {"y": x / 2 + square[0, 0]}

    for name, body in ((_WAITING, wait), (_COMPUTING, compute)):
        model = tf.Module()
        model.serve = tf.function(body, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        tf.saved_model.save(model, str(directory / name / "1"), signatures={"serving_default": model.serve})


def closed_loop(server: ServerProcess, model: str, in_flight: int, seconds: float) -> Outcomes:
    """As many requests as can be answered with so many in flight."""
    outcomes, payload = Outcomes(), predict_request(Target(model=model), {"x": np.ones(4, np.float32)})
    until = time.perf_counter() + seconds

    def ask() -> None:
        with server.channel() as channel:
            call = channel.unary_unary(_PREDICT)
            while time.perf_counter() < until:
                began = time.perf_counter()
                with suppress(grpc.RpcError):  # refused, while --adaptive_in_flight measures
                    call(payload, timeout=30)
                    outcomes.seconds.append(time.perf_counter() - began)

    threads = [threading.Thread(target=ask) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def open_loop(server: ServerProcess, model: str, rate: float, seconds: float) -> Outcomes:
    """So many requests per second, over eight connections, at even times; waits for all of them."""
    outcomes, payload = Outcomes(), predict_request(Target(model=model), {"x": np.ones(4, np.float32)})
    channels = [server.channel() for _ in range(8)]
    calls = [channel.unary_unary(_PREDICT) for channel in channels]
    wanted, start, pause = int(rate * seconds), time.perf_counter(), threading.Event()
    for number in range(wanted):
        late = start + number / rate - time.perf_counter()
        if late > 0:
            pause.wait(late)
        began = time.perf_counter()
        future = calls[number % len(calls)].future(payload, timeout=20)
        future.add_done_callback(lambda done, began=began: outcomes.note(began, done))
    while outcomes.count < wanted and time.perf_counter() < start + seconds + 25:
        pause.wait(0.05)
    for channel in channels:
        channel.close()
    return outcomes


def cpu_seconds(server: ServerProcess) -> float:
    """What the process has used so far."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waiting(base: Path, seconds: float) -> None:
    """A row for each case at twice what the eight threads can do."""
    print("| twice the load, model that waits | answered of capacity | p99 of them over p99 alone | refused |")
    print("|---|---|---|---|")
    for name, flags in CASES:
        given = (f"--model_name={_WAITING}", f"--model_base_path={base / _WAITING}", *_FLAGS, *flags)
        with ServerProcess(given) as server:
            closed_loop(server, _WAITING, 1, 1.0)
            alone = closed_loop(server, _WAITING, 1, seconds)
            capacity = len(closed_loop(server, _WAITING, _THREADS, seconds).seconds) / seconds
            over = open_loop(server, _WAITING, 2 * capacity, seconds)
        answered = len(over.seconds) / seconds / capacity
        ratio = over.percentile(99) / alone.percentile(99)
        print(f"| {name} | {answered:.2f} | {ratio:.1f} | {sum(over.refused.values())} |", flush=True)


def computing(base: Path, seconds: float) -> None:
    """CPU per answered call, with as much as it can do and with twice that."""
    print("| model that computes | CPU per answered call, twice the load over its capacity |\n|---|---|")
    for name, flags in CASES:
        given = (f"--model_name={_COMPUTING}", f"--model_base_path={base / _COMPUTING}", *_FLAGS, *flags)
        with ServerProcess(given) as server:
            closed_loop(server, _COMPUTING, 2, 1.0)
            began = cpu_seconds(server)
            full = closed_loop(server, _COMPUTING, 2, seconds)
            each = (cpu_seconds(server) - began) / len(full.seconds)
            began = cpu_seconds(server)
            over = open_loop(server, _COMPUTING, 2 * len(full.seconds) / seconds, seconds)
            each_over = (cpu_seconds(server) - began) / max(len(over.seconds), 1)
        print(f"| {name} | {each_over / each:.2f} |", flush=True)


def main() -> None:
    """Write the models, and print the two tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each turn (default: %(default)s)")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write_models(given.write)
        return
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "tests.bench.overload", f"--write={scratch}"]
        subprocess.run(command, check=True, capture_output=True)
        waiting(Path(scratch), given.seconds)
        computing(Path(scratch), given.seconds)


if __name__ == "__main__":
    main()
