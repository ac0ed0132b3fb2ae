"""Requests that take long to read or to answer leave the thread that serves everybody; short ones stay."""

import asyncio
import gzip
import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest

from serving.core.manager import Manager
from serving.core.servable import Run
from serving.core.signature import CLASSIFY_METHOD_NAME, PREDICT_METHOD_NAME, Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import ServingError
from serving.inference.placement import Workers
from serving.protos import PredictRequest
from serving.rest.app import RestApp
from serving.rest.routes import apis
from serving.rpc.routes import routes
from serving.rpc.transports.fronted import FrontedTransport
from serving.telemetry.serving_metrics import ServingMetrics
from tests.server.doors.clients import Target, predict_request, text
from tests.server.doors.ways_in import proto
from tests.support import TIMEOUT_SECONDS, FakeServable, loads, settle
from tests.support.request_layer import request_layer

MOST_BYTES = 2**31 - 1
LOOP, EVENTS, WORKER = "loop_0", "grpc-native", "worker_0"
"""The threads that serve everybody at each door, and the only one that may take its time."""

LONG_BYTES = 60_000
"""Below what any door takes as a large body: what counts is what is in it."""


class Echoing(Run):
    """A run that is always made where it is asked for, and gives as many numbers, or rows, as it was given."""

    inline = True

    def __init__(self) -> None:
        self.threads: list[str] = []

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return True

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        self.threads.append(threading.current_thread().name)
        (_, given) = tensors[0]
        return [Tensor(DataType.FLOAT, np.zeros((len(given), 1) if given.dtype.hasobject else given.shape, np.float32))]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        raise AssertionError("is short")


class Servable(FakeServable):
    """Predict, also of strings, and Classify."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    @property
    def signatures(self) -> Mapping[str, Signature]:
        number, string = (TensorInfo(name="x:0", dtype=dtype) for dtype in (DataType.FLOAT, DataType.STRING))
        return {
            name: Signature(name=name, inputs=inputs, outputs={"scores": number}, method_name=method)
            for name, inputs, method in (
                ("serving_default", {"x": number}, PREDICT_METHOD_NAME),
                ("strings", {"x": string}, PREDICT_METHOD_NAME),
                ("classify", {"inputs": string}, CLASSIFY_METHOD_NAME),
            )
        }

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        return self._run


class NotedWorkers(Workers):
    """Workers that note the threads in which they have worked."""

    def __init__(self) -> None:
        super().__init__(1)
        self.threads: list[str] = []

    def submit(self, do: Callable[[Future[bytes]], None]) -> Future[bytes]:
        def noted(answer: Future[bytes]) -> None:
            self.threads.append(threading.current_thread().name)
            do(answer)

        return super().submit(noted)


@pytest.fixture
def run() -> Echoing:
    return Echoing()


@pytest.fixture
def manager(run: Echoing) -> Manager:
    """It serves ``m``."""
    made = Manager()
    made.set_aspired("m", {1: loads(Servable(run))})
    settle(made)
    return made


@pytest.fixture
def workers() -> Iterator[NotedWorkers]:
    made = NotedWorkers()
    yield made
    made.close()


def numpy_file(save: Callable[..., None], *given: Any, **more: Any) -> bytes:
    """What numpy's ``save`` or ``savez`` writes."""
    file = io.BytesIO()
    save(file, *given, **more)
    return file.getvalue()


def npy(size: int) -> bytes:
    return numpy_file(np.save, np.ones(size, np.float32))


def filled(before: bytes, repeated: bytes, after: bytes, size: int = LONG_BYTES) -> bytes:
    """A body of about this size."""
    return before + repeated * (size // len(repeated)) + after


GZIP = {"content-encoding": "gzip"}
NPY, NPZ = {"content-type": "application/x-npy"}, {"content-type": "application/x-npz"}
SHORT = b'{"instances": [1.0]}'
ROWS, EXAMPLES = b'{"instances": [', b'{"signature_name": "classify", "examples": ['
KEYS = filled(b'{"instances": [{', b'"x": 1, ', b'"x": 1}]}')

REST = [
    pytest.param("predict", GZIP, gzip.compress(SHORT), gzip.compress(SHORT + b" " * 4_000_000), id="gzip"),
    pytest.param("predict", {}, b'{"instances": [[1.0]]}', filled(ROWS, b"[1.0], ", b"[1.0]]}"), id="lists of lists"),
    pytest.param("predict", {}, b'{"instances": [NaN]}', filled(ROWS, b"NaN, ", b"1.0]}"), id="NaN"),
    pytest.param("predict", {}, b'{"instances": [{"x": 1}]}', KEYS, id="repeated keys"),
    pytest.param("predict", {}, SHORT, filled(ROWS, b"1.0, ", b"1.0]}", 1_000_000), id="plain numbers"),
    pytest.param("predict", NPY, npy(3), npy(500_000), id="npy"),
    pytest.param("predict", NPZ, None, numpy_file(np.savez, x=np.ones(1, np.float32)), id="npz"),
    pytest.param(
        "classify", {}, EXAMPLES + b'{"x": 1}]}', filled(EXAMPLES, b'{"x": 1}, ', b'{"x": 1}]}'), id="Examples"
    ),
]


def asked_over_rest(
    manager: Manager, workers: Workers, method: str, headers: Mapping[str, str], body: bytes
) -> bytes | Exception:
    """The answer as the doors get it, in the thread of a loop."""
    metrics = ServingMetrics()
    service = request_layer(manager, metrics=metrics, workers=workers)
    protocols = apis(service, as_content=False, exact_digits=False)
    app = RestApp(protocols, lambda: True, metrics, max_request_bytes=MOST_BYTES)
    app.open()
    endpoint = app.small("POST", f"/v1/models/m:{method}", headers)
    assert endpoint is not None

    async def ask() -> bytes | Exception:
        try:
            reply = app.begin(endpoint.call(body, app.begin_request("", headers, "POST", "/", len(body))))
            return reply if isinstance(reply, bytes) else await reply
        except Exception as error:  # noqa: BLE001 - what the door would answer
            return error

    with ThreadPoolExecutor(1, "loop") as loop:
        return loop.submit(lambda: asyncio.run(ask())).result()


@pytest.mark.parametrize(("method", "headers", "short", "long"), REST)
def test_long_bodies_are_read_elsewhere(
    manager: Manager,
    run: Echoing,
    workers: NotedWorkers,
    method: str,
    headers: Mapping[str, str],
    short: bytes | None,
    long: bytes,
) -> None:
    """A worker reads them and, as it is there, does all the rest; the loop reads short bodies of the kind itself."""
    if short is not None:
        assert isinstance(asked_over_rest(manager, workers, method, headers, short), bytes)
        assert (workers.threads, run.threads) == ([], [LOOP])
    run.threads.clear()
    assert isinstance(asked_over_rest(manager, workers, method, headers, long), bytes)
    assert (workers.threads, run.threads) == ([WORKER], [WORKER])


def test_gzip_is_believed_before_it_is_read(manager: Manager, run: Echoing, workers: NotedWorkers) -> None:
    """How much a body says it inflates to decides, though it turns out to be wrong."""
    lying = gzip.compress(SHORT)[:-4] + (100 << 20).to_bytes(4, "little")
    assert isinstance(asked_over_rest(manager, workers, "predict", GZIP, lying), ServingError)
    assert (workers.threads, run.threads) == ([WORKER], [])


def test_long_answers_are_written_elsewhere(manager: Manager, run: Echoing, workers: NotedWorkers) -> None:
    """What is short to read and to run may be long to write."""
    headers = {**NPY, "accept": "application/json"}
    asked_over_rest(manager, workers, "predict", headers, npy(3))
    assert workers.threads == []
    assert isinstance(asked_over_rest(manager, workers, "predict", headers, npy(20_000)), bytes)
    assert (workers.threads, run.threads) == ([WORKER], [LOOP, LOOP])


def array_request(signature: str = "", **fields: Any) -> bytes:
    """A PredictRequest whose one input has these fields of TensorProto and no others; ``size`` is its shape."""
    request = PredictRequest(model_spec={"name": "m", "signature_name": signature})
    tensor = request.inputs["x"]
    tensor.tensor_shape.dim.add(size=fields.pop("size"))
    for name, value in fields.items():
        if isinstance(value, list):
            getattr(tensor, name).extend(value)
        else:
            setattr(tensor, name, value)
    return bytes(request.SerializeToString())


def strings(number: int) -> bytes:
    """That many empty strings in ``tensor_content``: their lengths."""
    return array_request("strings", size=number, dtype=DataType.STRING, tensor_content=b"\0" * number)


def empty_strings(number: int) -> bytes:
    return predict_request(Target(model="m", signature="strings"), {"x": text(*[b""] * number)})


def declared(number: int) -> bytes:
    """So many floats, one of them sent: the others are the same."""
    return array_request(size=number, dtype=DataType.FLOAT, float_val=[1.0])


def examples(number: int) -> bytes:
    example = "examples { features { feature { key: 'x' value { float_list { value: 1 } } } } }"
    return proto(
        "tensorflow.serving.ClassificationRequest",
        f"model_spec {{ name: 'm' signature_name: 'classify' }} input {{ example_list {{ {example * number} }} }}",
    )


PREDICT, CLASSIFY = "Predict", "Classify"
GRPC = [
    pytest.param(PREDICT, strings(3), strings(5_000_000), id="strings in tensor_content"),
    pytest.param(PREDICT, empty_strings(3), empty_strings(30_000), id="empty strings"),
    pytest.param(CLASSIFY, examples(1), examples(2000), id="Examples"),
]


@pytest.fixture
def call(manager: Manager, workers: NotedWorkers) -> Iterator[Callable[[str, bytes], bytes]]:
    """Calls a method over the native transport."""
    transport = FrontedTransport(
        routes(request_layer(manager, workers=workers), as_content=False),
        ["127.0.0.1:0"],
        max_threads=1,
        max_request_bytes=MOST_BYTES,
        aside={},
        services=(),
    )
    transport.start()
    limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{transport.port}", options=limits) as channel:

        def call(method: str, payload: bytes) -> bytes:
            asked = channel.unary_unary(f"/tensorflow.serving.PredictionService/{method}")
            return bytes(asked(payload, timeout=TIMEOUT_SECONDS))

        yield call
    transport.drain(0, 30)


@pytest.mark.parametrize(("method", "short", "long"), GRPC)
def test_long_messages_are_read_elsewhere(
    call: Callable[[str, bytes], bytes], run: Echoing, workers: NotedWorkers, method: str, short: bytes, long: bytes
) -> None:
    """A worker reads them and, as it is there, does all the rest; the event thread reads short ones of the kind."""
    call(method, short)
    assert (workers.threads, run.threads) == ([], [EVENTS])
    call(method, long)
    assert (workers.threads, run.threads) == ([WORKER], [EVENTS, WORKER])


def test_declared_elements_are_made_elsewhere(
    call: Callable[[str, bytes], bytes], run: Echoing, workers: NotedWorkers
) -> None:
    """A message of thirty bytes may stand for millions of numbers, and its answer have them all."""
    call(PREDICT, declared(3))
    assert (workers.threads, run.threads) == ([], [EVENTS])
    assert len(call(PREDICT, declared(33_000_000))) > 132_000_000
    assert workers.threads == [WORKER]
