"""A mixed load of good, bad, lost and cancelled calls for some seconds, and what it left behind in the server.

``python -m tests.server.doors.soak --models=DIRECTORY [--seconds=90] [--transport=native]`` runs it by hand and prints
memory and descriptors as they go; the suite runs a short one.
"""

import argparse
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np

from serving.protos import PredictResponse
from tests.server.doors.clients import Target, floats, predict_request
from tests.support.frames import (
    CANCEL,
    END_HEADERS,
    HEADERS,
    NO_WINDOW,
    PREDICT,
    RST_STREAM,
    SETTINGS,
    Http2Connection,
    call,
    call_headers,
    frame,
    framed,
)
from tests.support.server_process import ServerProcess, wait_until, write_model_config

MODELS = ("half_plus_three", "slow")
CLIENTS = 6
SIZES = (1, 3, 100, 10_000, 250_000)
CHANNEL_CALLS = 200

_GOOD = Target(model="half_plus_three")
_ONE = framed(predict_request(_GOOD, {"x": floats(1)}))
_WAIT = predict_request(Target(model="slow", signature="wait"), {"ms": floats(100)})


@dataclass(slots=True)
class Soak:
    """One run against ``server``; ``done`` counts what was tried, ``wrong`` has every answer that was not right."""

    server: ServerProcess
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, seconds: float, report: Callable[[str], None] = lambda line: None) -> None:
        """Put ``CLIENTS`` clients to work for so long; the sequence of each is the same in every run."""
        end, parts = time.monotonic() + seconds, max(1, int(seconds / 10))
        for part in range(parts):
            until = end - seconds * (parts - 1 - part) / parts
            with ThreadPoolExecutor(CLIENTS) as pool:
                for each in [pool.submit(self._client, 100 * part + number, until) for number in range(CLIENTS)]:
                    each.result()
            report(
                f"{sum(self.done.values())} done, {len(self.wrong)} wrong, {resident_megabytes(self.server)} MB, "
                f"{descriptors(self.server)} descriptors"
            )

    def _client(self, seed: int, until: float) -> None:
        draw = random.Random(seed)
        while time.monotonic() < until:
            with self.server.channel() as channel:
                predict = channel.unary_unary(PREDICT)
                for _ in range(CHANNEL_CALLS):
                    if time.monotonic() >= until:
                        break
                    kind = draw.choice(("good",) * 8 + ("bad", "cancelled", "late", "raw"))
                    self._note(kind, self._call(kind, predict, draw))

    def _note(self, kind: str, trouble: str) -> None:
        with self._lock:
            self.done[kind] += 1
            if trouble:
                self.wrong.append(f"{kind}: {trouble}")

    def _call(self, kind: str, predict: grpc.UnaryUnaryMultiCallable, draw: random.Random) -> str:
        if kind == "good":
            return _good(predict, draw)
        if kind == "bad":
            payload = draw.choice((b"\xff", b"\x0a\x7f", predict_request(Target(model="none"), {})))
            return _code(predict, payload, 30, {"INTERNAL", "NOT_FOUND"})
        if kind == "late":
            return _code(predict, _WAIT, 0.001 * draw.randint(1, 30), {"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})
        if kind == "cancelled":
            pending = predict.future(_WAIT, timeout=30)
            pending.cancel()
            return ""
        return self._raw(draw)

    def _raw(self, draw: random.Random) -> str:
        settings = draw.choice((b"", NO_WINDOW))
        with Http2Connection(self.server.grpc_port, settings) as connection:
            connection.send(draw.choice(_RAW))
            if draw.random() < 0.5:
                connection.reset()
        return ""


_RAW = (
    call(1, _ONE),
    call(1, framed(_WAIT)),
    call(1, _ONE[:-3]),
    call(1, framed(b"\xff", 1)),
    frame(HEADERS, END_HEADERS, 1, call_headers()),
    b"".join(call(stream, _ONE) + frame(RST_STREAM, 0, stream, CANCEL) for stream in range(1, 200, 2)),
    frame(SETTINGS) * 100,
    b"\xff" * 100,
)


def _good(predict: grpc.UnaryUnaryMultiCallable, draw: random.Random) -> str:
    numbers = np.full(draw.choice(SIZES), draw.randint(0, 1000), np.float32)
    compression = draw.choice((None, None, None, grpc.Compression.Gzip))
    try:
        data = predict(predict_request(_GOOD, {"x": numbers}), compression=compression, timeout=30)
    except grpc.RpcError as error:
        code, details = error.code(), error.details()
        # Beside slow calls a fast one may count as one of those, of which only so many run.
        return "" if code is grpc.StatusCode.RESOURCE_EXHAUSTED else f"{code} {details}"
    answer = np.array(PredictResponse.FromString(data).outputs["y"].float_val, np.float32)
    return "" if np.array_equal(answer, numbers / 2 + 3) else f"{len(answer)} numbers, not those of the request"


def _code(predict: grpc.UnaryUnaryMultiCallable, payload: bytes, timeout: float, expected: set[str]) -> str:
    try:
        predict(payload, timeout=timeout)
    except grpc.RpcError as error:
        return "" if error.code().name in expected else f"{error.code()} {error.details()}"
    return "answered"


def descriptors(server: ServerProcess) -> int:
    """How many files and connections the server has open."""
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def resident_megabytes(server: ServerProcess) -> int:
    """The server's resident memory."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def flags(transport: str, models: Path, directory: Path) -> list[str]:
    """The flags of a server to be soaked; its configuration is written to ``directory``."""
    config = write_model_config(directory / "models.config", {name: models / name for name in MODELS})
    return [f"--grpc_transport={transport}", f"--model_config_file={config}", "--drain_grace_seconds=600"]


def main() -> None:
    """By hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--transport", default="native")
    parser.add_argument("--models", type=Path, required=True)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as directory,
        ServerProcess(flags(given.transport, given.models, Path(directory))) as server,
    ):
        soak = Soak(server)
        before = descriptors(server)
        soak.run(given.seconds, lambda line: print(line, flush=True))
        wait_until("descriptors are given back", lambda: descriptors(server) <= before + 1)
        print(dict(soak.done), soak.wrong[:10], f"descriptors {before} -> {descriptors(server)}")
        server.terminate()
        began = time.monotonic()
        print(f"ended with {server.wait()} after {time.monotonic() - began:.2f} s")


if __name__ == "__main__":
    main()
