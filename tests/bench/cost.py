"""`python -m tests.bench.cost`: the server's CPU time of a request, by door and by how its tensor travels.

Two models that compute next to nothing, so that what is told is the way there and back: half_plus_two on three
numbers, and the mean of a picture of 224 x 224 x 3. h2load asks, 16 at a time; the kernel counts. The rows it prints
are those of docs/capacity.md. On a machine that others use the times are longer, and the ratios hold.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import models
from tests.bench.asking import PREDICT
from tests.bench.load import check_tools
from tests.bench.overload import cpu_seconds
from tests.bench.payloads import Form, body, framed
from tests.support.server_process import ServerProcess, write_model_config

SMALL, PICTURE = "half_plus_two", "picture"
_LIKE = {SMALL: "half_plus_two", PICTURE: "resnet"}
"""Whose example is sent."""

_IN_FLIGHT = 16
_DONE = re.compile(r"(\d+) total, \d+ started, \d+ done, (\d+) succeeded")
_DATA = re.compile(r"\((\d+)\) data$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A door, what goes through it, and how often."""

    name: str
    model: str
    form: Form
    requests: int
    transport: str = "native"


WAYS = (
    Way(name="gRPC", model=SMALL, form=Form.GRPC, requests=5000),
    Way(name="gRPC, grpcio", model=SMALL, form=Form.GRPC, requests=3000, transport="grpcio"),
    Way(name="REST, JSON", model=SMALL, form=Form.JSON, requests=5000),
    Way(name="REST, npy", model=SMALL, form=Form.NPY, requests=3000),
    Way(name="gRPC", model=PICTURE, form=Form.GRPC, requests=500),
    Way(name="gRPC, grpcio", model=PICTURE, form=Form.GRPC, requests=300, transport="grpcio"),
    Way(name="REST, JSON", model=PICTURE, form=Form.JSON, requests=150),
    Way(name="REST, npy", model=PICTURE, form=Form.NPY, requests=500),
)


def write_picture(directory: Path) -> None:
    """A model of pictures that gives the mean of each, by TensorFlow in this process."""
    import tensorflow as tf

    def mean(x: Any) -> Any:
        return {"y": tf.reduce_mean(x, axis=[1, 2, 3])}

    model = tf.Module()
    model.serve = tf.function(mean, input_signature=[tf.TensorSpec([None, 224, 224, 3], tf.float32, name="x")])
    tf.saved_model.save(model, str(directory / PICTURE / "1"), signatures={"serving_default": model.serve})


def ask(server: ServerProcess, way: Way, file: Path, requests: int) -> float:
    """Ask so often; bytes of an answer on average. RuntimeError if one has none."""
    grpc = way.form is Form.GRPC
    port, path = (server.grpc_port, PREDICT) if grpc else (server.rest_port, f"/v1/models/{way.model}:predict")
    clients = ["-c1", f"-m{_IN_FLIGHT}", "-H", "te: trailers"] if grpc else ["--h1", f"-c{_IN_FLIGHT}"]
    command = ["h2load", *clients, f"-n{requests}", "-H", f"content-type: {way.form.value}", "-d", str(file)]
    done = subprocess.run([*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True)
    found, data = _DONE.search(done.stdout), _DATA.search(done.stdout)
    if found is None or data is None or int(found[2]) != requests or int(data[1]) < requests:
        raise RuntimeError(f"{way.name}, {way.model}: {done.stdout[-500:]}")
    return int(data[1]) / requests


def measured(base: Path, rounds: int) -> Iterator[tuple[Way, int, float, list[float]]]:
    """For each way the bytes of a request and of an answer, and the microseconds of CPU of a request in each round."""
    config = write_model_config(base / "models.config", {name: base / name for name in _LIKE})
    found: dict[Way, list[float]] = {way: [] for way in WAYS}
    answers: dict[Way, float] = {}
    sizes: dict[Way, int] = {}
    servers = {
        name: ServerProcess((f"--model_config_file={config}", "--optimize=off", f"--grpc_transport={name}"))
        for name in ("native", "grpcio")
    }
    try:
        for number, way in enumerate(WAYS):
            message = body(_LIKE[way.model], way.model, way.form)
            sizes[way] = len(message)
            (base / str(number)).write_bytes(framed(message) if way.form is Form.GRPC else message)
        for _ in range(rounds):
            for number, way in enumerate(WAYS):
                server = servers[way.transport]
                ask(server, way, base / str(number), max(way.requests // 10, _IN_FLIGHT))
                began = cpu_seconds(server)
                answers[way] = ask(server, way, base / str(number), way.requests)
                found[way].append((cpu_seconds(server) - began) / way.requests * 1e6)
    finally:
        for server in servers.values():
            server.stop()
    for way in WAYS:
        yield way, sizes[way], answers[way], found[way]


def main() -> None:
    """Write the models, measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each way (default: %(default)s)")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write_picture(given.write)
        return
    check_tools()
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        models.ensure(base, [SMALL])
        command = [sys.executable, "-m", "tests.bench.cost", f"--write={scratch}"]
        subprocess.run(command, check=True, capture_output=True)
        print(f"load average before: {os.getloadavg()[0]:.2f}; {len(os.sched_getaffinity(0))} CPUs", flush=True)
        print("| model | door | request, bytes | answer, bytes | CPU, us (least to most) | to gRPC |")
        print("|---|---|---|---|---|---|")
        least: dict[str, float] = {}
        for way, sent, received, micros in measured(base, given.rounds):
            middle = median(micros)
            ratio = middle / least.setdefault(way.model, middle)
            spread = f"{middle:,.0f} ({min(micros):,.0f} to {max(micros):,.0f})"
            print(f"| {way.model} | {way.name} | {sent:,} | {received:,.0f} | {spread} | {ratio:.2f} |", flush=True)
        print(f"load average after: {os.getloadavg()[0]:.2f}", flush=True)


if __name__ == "__main__":
    main()
