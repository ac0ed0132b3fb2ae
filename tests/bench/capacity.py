"""`python -m tests.bench.capacity`: p50 and p99 at several loads, as the planner predicts them and as measured.

The model waits for 80 ms without using a CPU, so that the load generator, which shares the machine, does not disturb.
Requests come over gRPC at random times, whether others were answered or not, and their time counts from when each was
due. The rows it prints are those of docs/capacity.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from serving.client.planning.batches import BatchStation
from serving.client.planning.measurement import Level, Measurement
from tests.server.doors.clients import Target, predict_request
from tests.support import queue_simulation
from tests.support.server_process import ServerProcess

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_MODEL = "waiting"
_WAIT_MICROS = 40_000
"""The model waits twice so long, for it looks whether there is a second element. It is more than the server takes for
short: such calls have the threads of --rest_api_num_threads, and no others."""

_THREADS = 8
_BATCH_THREADS, _LARGEST, _TIMEOUT_MICROS = 2, 8, 10_000
_BATCHING = (
    f"max_batch_size {{ value: {_LARGEST} }} batch_timeout_micros {{ value: {_TIMEOUT_MICROS} }} "
    f"num_batch_threads {{ value: {_BATCH_THREADS} }} max_enqueued_batches {{ value: 1000 }}"
)
LOADS = (0.3, 0.5, 0.7, 0.9)
_CONNECTIONS = 8
_CALL_SECONDS = 60.0
_ALONE, _IN_FLIGHT, _MOST_SECONDS = 100, 16, 5.0
_LEAD_SECONDS = 2.0
"""What comes first is not counted: a queue takes a while until it is as long as it will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One load: what was predicted, measured, and played through with the same arrivals; seconds."""

    batching: str
    load: float
    rate: float
    requests: int
    predicted: tuple[float, float]
    measured: tuple[float, float]
    played: tuple[float, float]
    late: float

    def line(self) -> str:
        """A row of the table: milliseconds."""
        times = [
            f"{each[index] * 1e3:.1f}" for index in (0, 1) for each in (self.predicted, self.measured, self.played)
        ]
        off = [f"{self.predicted[index] / self.measured[index] - 1:+.0%}" for index in (0, 1)]
        cells = [self.batching, f"{self.load:.0%}", f"{self.rate:.0f}", f"{self.requests:,}"]
        return f"| {' | '.join([*cells, *times[:3], off[0], *times[3:], off[1], f'{self.late * 1e3:.1f}'])} |"


HEAD = (
    "| batching | load | req/s | requests | p50 predicted | measured | played | off | p99 predicted | measured "
    "| played | off | sender late, p99 |"
)


def write_model(directory: Path) -> None:
    """The model, by TensorFlow in this process."""
    import tensorflow as tf
    from tensorflow.python.data.experimental.ops import testing

    def wait(x: Any) -> Any:
        waited = tf.data.Dataset.from_tensors(x).apply(testing.sleep(_WAIT_MICROS)).get_single_element()
        return {"y": waited / 2 + 2}

    model = tf.Module()
    model.serve = tf.function(wait, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    tf.saved_model.save(model, str(directory / _MODEL / "1"), signatures={"serving_default": model.serve})


@contextmanager
def serving(base: Path, *flags: str) -> Iterator[ServerProcess]:
    """A server of the model."""
    given = (
        f"--model_name={_MODEL}",
        f"--model_base_path={base / _MODEL}",
        "--optimize=off",
        "--grpc_max_threads=4096",
    )
    with ServerProcess((*given, f"--rest_api_num_threads={_THREADS}", *flags)) as server:
        yield server


class Calls:
    """Requests of one row over some connections."""

    def __init__(self, server: ServerProcess) -> None:
        self._channels = [server.channel() for _ in range(_CONNECTIONS)]
        self._calls = [channel.unary_unary(_PREDICT) for channel in self._channels]
        self._payload = predict_request(Target(model=_MODEL), {"x": np.ones(1, np.float32)})

    def alone(self, count: int) -> list[float]:
        """The seconds of so many requests, one after the other."""
        found = []
        for number in range(count):
            began = time.perf_counter()
            self._calls[number % _CONNECTIONS](self._payload, timeout=_CALL_SECONDS)
            found.append(time.perf_counter() - began)
        return found

    def most(self) -> float:
        """Answers per second with more requests on their way than threads."""
        left, began, answered = threading.Semaphore(0), time.perf_counter(), 0

        def send(number: int) -> None:
            future = self._calls[number % _CONNECTIONS].future(self._payload, timeout=_CALL_SECONDS)
            future.add_done_callback(lambda done: left.release())

        for number in range(_IN_FLIGHT):
            send(number)
        while (taken := time.perf_counter() - began) < _MOST_SECONDS:
            left.acquire()
            answered += 1
            send(answered)
        for _ in range(_IN_FLIGHT):
            left.acquire()
        return answered / taken

    def at(self, times: Sequence[float]) -> tuple[list[float], list[float]]:
        """Send at these times; the seconds of each from its time on, and how late each was sent. All must be answered.

        RuntimeError if one is not.
        """
        ends, late = [0.0] * len(times), [0.0] * len(times)
        failed: list[str] = []
        left = threading.Semaphore(0)
        pause, start = threading.Event(), time.perf_counter()

        def note(number: int, done: Any) -> None:
            ends[number] = time.perf_counter() - start - times[number]
            if done.exception() is not None:
                failed.append(str(done.exception()))
            left.release()

        for number, due in enumerate(times):
            while (ahead := start + due - time.perf_counter()) > 0:
                pause.wait(ahead)
            late[number] = -ahead
            future = self._calls[number % _CONNECTIONS].future(self._payload, timeout=_CALL_SECONDS)
            future.add_done_callback(lambda done, number=number: note(number, done))
        for _ in times:
            left.acquire()
        if failed:
            raise RuntimeError(f"{len(failed)} of {len(times)} requests failed: {failed[0]}")
        return ends, late

    def close(self) -> None:
        """Close the connections."""
        for channel in self._channels:
            channel.close()


def rows(base: Path, loads: Sequence[float], requests: int, seed: int) -> Iterator[Row]:
    """Every load without batching, and then with it.

    What a request takes alone, and how many are answered at most, is measured before each load, for it depends on who
    else uses the machine; always without batching, where nobody waits for others.
    """
    parameters = base / "batching"
    parameters.write_text(_BATCHING)
    batching = ("--enable_batching", f"--batching_parameters_file={parameters}")
    with serving(base) as plain, serving(base, *batching) as batched:
        one, many = Calls(plain), Calls(batched)
        for calls in (one, many):
            calls.alone(10)
        for name, calls in (("off", one), ("on", many)):
            for load in loads:
                yield _measured(calls, Stations(one), name, load, requests, seed)
        for calls in (one, many):
            calls.close()


class Stations:
    """What stands for the server: the threads are taken for less than a request lasts, by what the way there takes."""

    def __init__(self, calls: Calls) -> None:
        alone = calls.alone(_ALONE)
        level = Level(concurrency=_IN_FLIGHT, per_second=calls.most(), client_cores=0)
        self.measured = Measurement(alone=alone, levels=[level], request_bytes=0, answer_bytes=0)
        self.threads = self.measured.station
        self.way = max(float(np.mean(alone)) - self.threads.mean, 0.0)
        self.batches = BatchStation(_BATCH_THREADS, _LARGEST, _TIMEOUT_MICROS / 1e6, lambda rows: self.threads.seconds)


def _measured(calls: Calls, stations: Stations, batching: str, load: float, requests: int, seed: int) -> Row:
    capacity = stations.batches.capacity if batching == "on" else stations.measured.capacity
    rate, random = load * capacity, Random(seed)
    times = queue_simulation.arrivals(random, rate, requests + int(_LEAD_SECONDS * rate))
    counted = slice(len(times) - requests, None)
    answered, late = calls.at(times)

    def draw(rows: int = 1) -> float:
        return random.choice(stations.threads.seconds)

    if batching == "on":
        quantiles = [stations.batches.quantile(rate, share) + stations.way for share in (0.5, 0.99)]
        played = queue_simulation.batched(times, _BATCH_THREADS, _LARGEST, stations.batches.timeout, draw)
    else:
        quantiles = [stations.measured.quantile(rate, share) for share in (0.5, 0.99)]
        played = queue_simulation.answered(times, stations.threads.servers, draw)
    return Row(
        batching=batching,
        load=load,
        rate=rate,
        requests=requests,
        predicted=(quantiles[0], quantiles[1]),
        measured=_both(answered[counted]),
        played=_both([seconds + stations.way for seconds in played[counted]]),
        late=float(np.quantile(late, 0.99)),
    )


def _both(seconds: list[float]) -> tuple[float, float]:
    return float(np.quantile(seconds, 0.5)), float(np.quantile(seconds, 0.99))


def main() -> None:
    """Write the model, measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.capacity", description=__doc__)
    parser.add_argument("--requests", type=int, default=3000, help="of each load (default: %(default)s)")
    parser.add_argument("--load", type=float, action="append", help=f"this one, in place of {LOADS}; several times")
    parser.add_argument("--seed", type=int, default=17, help="of the times of arrival (default: %(default)s)")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write_model(given.write)
        return
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "tests.bench.capacity", f"--write={scratch}"]
        subprocess.run(command, check=True, capture_output=True)
        print(f"load average before: {os.getloadavg()[0]:.2f}; {len(os.sched_getaffinity(0))} CPUs", flush=True)
        print(f"{HEAD}\n{'|---' * HEAD.count(' | ')}|---|", flush=True)
        for row in rows(Path(scratch), given.load or LOADS, given.requests, given.seed):
            print(row.line(), flush=True)
        print(f"load average after: {os.getloadavg()[0]:.2f}", flush=True)


if __name__ == "__main__":
    main()
