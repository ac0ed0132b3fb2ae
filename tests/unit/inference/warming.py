"""What the tests of warm-up share: a servable without TensorFlow, an observer, and records to replay. No tests."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

import numpy as np
import pytest

from serving.core.servable import Run
from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import ServingError
from serving.inference import messages
from serving.inference.warmup import Warmup
from serving.protos import PredictionLog, SignatureDef
from tests.support import ManualClock

FILE = "/models/m/1/assets.extra/tf_serving_warmup_requests"
Outcome = tuple[str, str, float, int]


class CountingRun:
    """A run that gives what its fetches are called, and notes that it ran."""

    inline = True

    def __init__(self, servable: "Servable", fetches: tuple[str, ...]) -> None:
        self._servable = servable
        self._fetches = fetches

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return self.inline

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        self._servable.runs.append((self._fetches, timeout_ms))
        self._servable.clock.advance(self._servable.seconds)
        if self._servable.error is not None:
            raise self._servable.error
        return [self._servable.outputs[fetch] for fetch in self._fetches]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        raise NotImplementedError


class Servable:
    """Signatures ``serving_default``, ``classify`` and ``regress``; the answers are for one Example."""

    def __init__(self, *, error: ServingError | None = None, seconds: float = 0.0) -> None:
        self.error = error
        self.seconds = seconds
        self.clock = ManualClock()
        self.runs: list[tuple[tuple[str, ...], int]] = []
        self.outputs = {
            "y:0": Tensor(DataType.FLOAT, np.ones(1, np.float32)),
            "scores:0": Tensor(DataType.FLOAT, np.ones((1, 1), np.float32)),
            "outputs:0": Tensor(DataType.FLOAT, np.ones(1, np.float32)),
        }
        self.signatures = {
            "serving_default": signature("serving_default", "x", "y", DataType.FLOAT),
            "classify": signature("classify", "inputs", "scores", DataType.STRING),
            "regress": signature("regress", "inputs", "outputs", DataType.STRING),
        }
        self.signature_defs = {name: SignatureDef() for name in self.signatures}

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        return CountingRun(self, fetches)

    def close(self) -> None: ...


def signature(name: str, given: str, result: str, dtype: DataType) -> Signature:
    """One input and one output."""
    return Signature(
        name=name,
        inputs={given: TensorInfo(name=f"{given}:0", dtype=dtype)},
        outputs={result: TensorInfo(name=f"{result}:0", dtype=DataType.FLOAT)},
        method_name="" if name == "serving_default" else f"tensorflow/serving/{name}",
    )


class Observed:
    """Everything that an observer is told."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, str, float]] = []
        self.examples_of: list[tuple[str, int]] = []
        self.files: list[Outcome] = []

    def ran(self, model: str, api: str, seconds: float) -> None:
        self.runs.append((model, api, seconds))

    def examples(self, model: str, count: int) -> None:
        self.examples_of.append((model, count))

    def warmed_up(self, path: str, status: str, seconds: float, records: int) -> None:
        self.files.append((path, status, seconds, records))


def predict(alias: str = "x", *, model: str = "m", signature_name: str = "") -> Any:
    """A log of a Predict call."""
    log = PredictionLog()
    request = log.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = model, signature_name
    request.inputs[alias].dtype = DataType.FLOAT
    request.inputs[alias].float_val.append(1)
    return log


def with_example(field: str) -> Any:
    """A log of a Classify or Regress call with one Example."""
    log = PredictionLog()
    request = getattr(log, f"{field}_log").request
    request.model_spec.name, request.model_spec.signature_name = "m", field
    request.input.example_list.examples.add()
    return log


def multi_inference() -> Any:
    """A log of a MultiInference call on both signatures."""
    log = PredictionLog()
    request = log.multi_inference_log.request
    for kind in ("classify", "regress"):
        task = request.tasks.add(method_name=f"tensorflow/serving/{kind}")
        task.model_spec.name, task.model_spec.signature_name = "m", kind
    request.input.example_list.examples.add()
    return log


def serialized(*logs: Any) -> list[bytes]:
    return [log.SerializeToString() for log in logs]


def replay(
    servable: Servable,
    records: Iterable[bytes],
    *,
    observer: Observed | None = None,
    iterations: int = 1,
    check_method_names: bool = False,
) -> None:
    bind = partial(messages.recorded, check_method_names=check_method_names)
    warmup = Warmup(bind, iterations=iterations, observer=observer, clock=servable.clock)
    warmup.replay(servable, records, "/models/m/1", FILE)


def refused(servable: Servable, records: Iterable[bytes], **settings: Any) -> ServingError:
    with pytest.raises(ServingError) as raised:
        replay(servable, records, **settings)
    return raised.value
