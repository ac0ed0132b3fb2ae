"""`python -m tests.bench.instructions`: how many instructions a Predict, or the same in v2, takes at each door.

Each way runs in one process under callgrind, without sockets and with the call in the caller's thread, twice: what the
second run takes more than the first is what its further requests took. Times say nothing here; the counts are the same
on every machine with the same Python and the same libraries. It needs `valgrind`.
"""

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from pygrpc_native import EVENT_CALL

from serving.core.manager import Manager
from serving.core.servable import Loader, Run
from serving.core.signature import PREDICT_METHOD_NAME, Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.host.threads import SharedThreads
from serving.inference.service import Service
from serving.inference.unsent import UnsentBytes
from serving.protos import PredictRequest, message
from serving.rest.app import RestApp
from serving.rest.routes import apis
from serving.rest.server import RestDoor
from serving.rpc.routes import routes
from serving.rpc.running import RunningCalls
from serving.rpc.transports import grpcio, native
from serving.servables import saved_model
from serving.servables.pace import Pace
from serving.telemetry.serving_metrics import ServingMetrics
from tests.support import FakeServable, loads, settle
from tests.support.raw import request
from tests.support.request_layer import request_layer

_FEW, _MANY = 3000, 7000
_LARGEST = 1 << 26
_TIMEOUT_MS = 30_000
_BODY = b'{"instances": [1.0, 2.0, 5.0]}'
_VALUES = np.array([1, 2, 5], np.float32)
_REST = request("POST", "/v1/models/half_plus_two:predict", _BODY, "Content-Type: application/json")
_PROXIED = request(
    "POST", "/v1/models/half_plus_two:predict", _BODY, "Content-Type: application/json", version="HTTP/1.0"
)


class _Fixed(FakeServable):
    """half_plus_two without TensorFlow: it knows the answer, so that only our own code is counted."""

    inline = True
    _given = np.array([2.5, 3.0, 4.5], np.float32)

    @property
    def signatures(self) -> Mapping[str, Signature]:
        x, y = (TensorInfo(name=f"{name}:0", dtype=DataType.FLOAT, shape=(-1,)) for name in "xy")
        name = "serving_default"
        return {name: Signature(name=name, method_name=PREDICT_METHOD_NAME, inputs={"x": x}, outputs={"y": y})}

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        return self

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return True

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        return [Tensor(DataType.FLOAT, self._given)]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        raise AssertionError("calls are made where they are read")


class _Line(asyncio.Transport):
    """A connection that keeps the last answer."""

    sent = b""

    def write(self, data: Any) -> None:
        self.sent = data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing to close."""

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is buffered."""


class _Front:
    """What the native transport has in front, without its HTTP/2: one call at a time, ``left`` of them."""

    bound_port = 1

    def __init__(self, method: int, payload: bytes) -> None:
        self.left = 0
        self.answer = b""
        self._method = method
        self._payload = payload

    def set_fallback(self, address: str) -> None:
        """There is none."""

    def start(self) -> None:
        """Nothing to start."""

    def metrics(self) -> Mapping[str, Any]:
        return {}

    def recv_batch_details(self, most: int, wait_ms: int) -> list[Any] | None:
        self.left -= 1
        details = (("user-agent", "grpc-python"),), "ipv4:127.0.0.1:40000", 5.0
        event = EVENT_CALL, self.left, self._method, self._payload, None, details
        return [event] if self.left >= 0 else None

    def respond(self, call: int, body: bytes) -> None:
        self.answer = body


class _Context:
    """What grpcio's server tells of a call."""

    def invocation_metadata(self) -> Any:
        return (("user-agent", "grpc-python"),)

    def time_remaining(self) -> float:
        return 5.0

    def peer(self) -> str:
        return "ipv4:127.0.0.1:40000"


def _message() -> bytes:
    made = PredictRequest()
    made.model_spec.name, made.model_spec.signature_name = "half_plus_two", "serving_default"
    made.inputs["x"].dtype = DataType.FLOAT
    made.inputs["x"].tensor_shape.dim.add(size=len(_VALUES))
    made.inputs["x"].tensor_content = _VALUES.tobytes()
    return bytes(made.SerializeToString())


def _v2_message(request_id: str) -> bytes:
    made = message("inference.ModelInferRequest")(model_name="half_plus_two", id=request_id)
    made.inputs.add(name="x", datatype="FP32", shape=[len(_VALUES)])
    made.raw_input_contents.append(_VALUES.tobytes())
    return bytes(made.SerializeToString())


_PREDICT = "/tensorflow.serving.PredictionService/Predict", _message()
_V2 = "/inference.GRPCInferenceService/ModelInfer", _v2_message("")
_V2_ID = _V2[0], _v2_message("b5a4a2f0-6d4e-4b1e-8f43-1c5d2c1f7a10")


def _rest(service: Service, metrics: ServingMetrics, data: bytes, requests: int) -> bytes:
    """Requests of one connection, or with HTTP/1.0 of one each."""

    async def drive() -> bytes:
        app = RestApp(
            apis(service, as_content=False, exact_digits=False),
            lambda: True,
            metrics,
            timeout_ms=_TIMEOUT_MS,
            max_request_bytes=_LARGEST,
        )
        app.open()
        door = RestDoor(app, 0, _LARGEST)
        await door.start()
        assert door.connection is not None
        line, protocol = _Line(), None
        for _ in range(requests):
            if protocol is None or data is _PROXIED:
                protocol = door.connection()
                protocol.connection_made(line)
            protocol.data_received(data)
            if data is _PROXIED:
                protocol.connection_lost(None)
        return bytes(line.sent)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(drive())


def _native(method: tuple[str, bytes], service: Service, metrics: ServingMetrics, requests: int) -> bytes:
    handlers = routes(service, as_content=False)
    front = _Front([*handlers].index(method[0]), method[1])
    setattr(native, "NativeGrpcFront", lambda *args, **options: front)  # noqa: B010 - the module does not export it
    transport = native.NativeTransport(
        handlers,
        "localhost:1",
        max_request_bytes=_LARGEST,
        running=RunningCalls(4),
        fallback="",
        unsent=UnsentBytes(),
    )
    front.left = requests
    while transport._take_batch():
        pass
    return front.answer


def _grpcio(method: tuple[str, bytes], service: Service, metrics: ServingMetrics, requests: int) -> bytes:
    """What grpcio calls for each request, without its own part, which is the same for all messages."""
    path, payload = method
    handler, threads = routes(service, as_content=False)[path], SharedThreads(1, "grpc")
    answer = grpcio._behaviour(handler, path, RunningCalls(4), threads, None)
    body, context = b"", _Context()
    for _ in range(requests):
        body = answer(payload, context)
    return body


WAYS: Mapping[str, Callable[[Service, ServingMetrics, int], bytes]] = {
    "lane": lambda service, metrics, requests: _rest(service, metrics, _REST, requests),
    "lane, HTTP/1.0": lambda service, metrics, requests: _rest(service, metrics, _PROXIED, requests),
    "native gRPC": partial(_native, _PREDICT),
    "native gRPC, v2": partial(_native, _V2),
    "native gRPC, v2 with an id": partial(_native, _V2_ID),
    "grpcio": partial(_grpcio, _PREDICT),
    "grpcio, v2": partial(_grpcio, _V2),
    "grpcio, v2 with an id": partial(_grpcio, _V2_ID),
}


def answer(way: str, model: Path | None, requests: int) -> bytes:
    """The answer to the last of so many requests; ``model`` is the directory of a version of half_plus_two."""
    load: Loader = loads(_Fixed())
    if model is not None:
        options, executor = saved_model.SavedModelOptions(), ThreadPoolExecutor(1)
        Pace.inline_for = lambda pace, elements: True  # type: ignore[method-assign, assignment]  # all are slow here
        load = lambda: saved_model.load_saved_model(model, options, executor)  # noqa: E731
    manager, metrics = Manager(), ServingMetrics()
    manager.set_aspired("half_plus_two", {1: load})
    settle(manager)
    return WAYS[way](request_layer(manager, metrics=metrics), metrics, requests)


def count(way: str, model: Path | None, few: int, many: int) -> int:
    """Instructions of one request."""
    taken = [_instructions(way, model, requests) for requests in (few, many)]
    return round((taken[1] - taken[0]) / (many - few))


def _instructions(way: str, model: Path | None, requests: int) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        out = f"--callgrind-out-file={scratch}/callgrind"
        command = ["valgrind", "--tool=callgrind", out, sys.executable, "-m", "tests.bench.instructions"]
        command += [f"--drive={way}", f"--requests={requests}", *([f"--model={model}"] if model else [])]
        # OpenBLAS has threads that wait by turning round and round.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or found is None:
        sys.exit(f"{way}: {done.stderr[-2000:]}")
    return int(found[1])


def main() -> None:
    """Count, and print a row for each way."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.instructions", description=__doc__)
    parser.add_argument("--model", type=Path, help="a version of half_plus_two, to count TensorFlow's session as well")
    parser.add_argument("--only", choices=WAYS, help="this way")
    parser.add_argument("--few", type=int, default=_FEW, help=f"requests of the first run (default: {_FEW})")
    parser.add_argument("--many", type=int, default=_MANY, help=f"and of the second (default: {_MANY})")
    parser.add_argument("--drive", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--requests", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.drive:
        print(answer(given.drive, given.model, given.requests))
        sys.stdout.flush()
        os._exit(0)  # TensorFlow's own end takes as many instructions as thousands of requests, now more, now less
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not there; on Debian and Ubuntu `apt-get install valgrind`")
    for way in [given.only] if given.only else WAYS:
        print(f"{way}: {count(way, given.model, given.few, given.many):,} instructions per request", flush=True)


if __name__ == "__main__":
    main()
