"""What the tests of the service share: a server's request layer, with a model without TensorFlow. No tests."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from serving.codecs.protobuf.prediction_log import LogType
from serving.core.manager import Manager
from serving.core.servable import Run, ServableId
from serving.core.signature import CLASSIFY_METHOD_NAME, PREDICT_METHOD_NAME, REGRESS_METHOD_NAME, Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.inference.call import Answered
from serving.inference.context import Admit
from serving.inference.long_call import Gone
from serving.inference.placement import Workers
from serving.inference.repository import Done, LoadRequest
from serving.inference.requests import Requests
from serving.inference.service import Service
from serving.protos import (
    SignatureDef,
)
from serving.rest.api.tfs import TfsApi
from serving.rpc.api import tfs
from serving.telemetry.serving_metrics import ServingMetrics
from tests.support import ManualClock, loads, settle

Messages = Callable[[list[Tensor], bytes], tuple[bytes, bytes]]
FAILING = 99.0
"""A number that the model refuses."""


class Doubler:
    """A run that gives twice its first input for each output, as many rows as it had; FAILING fails."""

    inline = True

    def __init__(self, fetches: tuple[str, ...]) -> None:
        self._fetches = fetches

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return self.inline

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        dtype, array = tensors[0]
        if dtype is DataType.STRING:
            return [Tensor(DataType.FLOAT, np.ones((len(array), 1), np.float32)) for _ in self._fetches]
        if FAILING in array:
            raise ServingError(Code.UNAVAILABLE, "the graph says no")
        return [Tensor(dtype, array * 2) for _ in self._fetches]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        future: Future[list[Tensor]] = Future()
        future.set_result(self(tensors, timeout_ms))
        return future


def signature(name: str, inputs: str, outputs: str, dtype: DataType, method_name: str, defaults: str = "") -> Signature:
    """A signature whose aliases are the words given; the graph tensor of ``a`` is ``a:0``."""
    one = Tensor(DataType.FLOAT, np.ones(1, np.float32))
    return Signature(
        name=name,
        inputs={alias: TensorInfo(name=f"{alias}:0", dtype=dtype, shape=(-1,)) for alias in inputs.split()},
        outputs={alias: TensorInfo(name=f"{alias}:0", dtype=DataType.FLOAT) for alias in outputs.split()},
        method_name=method_name,
        defaults=dict.fromkeys(defaults.split(), one),
    )


class Model:
    """Signatures for everything; ``two`` has two inputs, one with a default, and two outputs. Counts resolved runs."""

    def __init__(self, method_name: str = PREDICT_METHOD_NAME) -> None:
        self.resolved: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.closed = 0
        self.signatures: Mapping[str, Signature] = {
            each.name: each
            for each in (
                signature("serving_default", "x", "y", DataType.FLOAT, method_name),
                signature("two", "a b", "y z", DataType.FLOAT, method_name, defaults="b"),
                signature("classify", "inputs", "scores", DataType.STRING, CLASSIFY_METHOD_NAME),
                signature("regress", "inputs", "outputs", DataType.STRING, REGRESS_METHOD_NAME),
            )
        }
        self.signature_defs: Mapping[str, Any] = {name: SignatureDef() for name in self.signatures}

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        self.resolved.append((feeds, fetches))
        return Doubler(fetches)

    def close(self) -> None:
        self.closed += 1


class Log:
    """A request log that keeps what it draws: everything while ``models`` has any."""

    def __init__(self) -> None:
        self.models: Mapping[str, object] = {}
        self.asked: list[ServableId] = []
        self.kept: list[tuple[LogType, str, bytes, bytes]] = []

    def draws(self, servable_id: ServableId) -> bool:
        self.asked.append(servable_id)
        return True

    def keeper(
        self,
        kind: LogType,
        servable_id: ServableId,
        signature_name: str,
        messages: Callable[[list[Tensor], bytes], tuple[bytes, bytes]],
    ) -> Answered:
        def keep(outputs: list[Tensor], body: bytes) -> None:
            self.kept.append((kind, signature_name, *messages(outputs, body)))

        return keep


class Shelf:
    """Single models that may be loaded, ``n`` to begin with; ``asked`` has every change."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.listed = ["m"]

    def configured(self) -> list[str]:
        return self.listed

    def base_paths(self) -> dict[str, str]:
        return {name: f"/models/{name}" for name in self.listed}

    def beside(self) -> list[str]:
        return ["n"]

    def load(self, request: LoadRequest, timeout: float | None, gone: Gone, *, anywhere: bool) -> Done:
        self.asked.append((request, timeout, anywhere))
        return Done(name=request.name, note="loaded")

    def unload(self, name: str, timeout: float | None, gone: Gone) -> Done:
        self.asked.append((name, timeout))
        return Done(name=name, note="unloaded")

    def move_label(self, name: str, label: str, version: int) -> Done:
        self.asked.append((name, label, version))
        return Done(name=name, note="moved")


class House:
    """The request layer of a server with version 1 of the model ``m``, labelled ``stable``, and its two protocols."""

    def __init__(
        self,
        model: Model | None = None,
        *,
        admit: Admit | None = None,
        check_method_names: bool = False,
        workers: Workers | None = None,
    ) -> None:
        self.model = model or Model()
        self.manager = Manager()
        self.manager.set_aspired("m", {1: loads(self.model)})
        self.manager.set_labels({"m": {"stable": 1}})
        settle(self.manager)
        self.clock = ManualClock(0.0)
        self.metrics = ServingMetrics(self.clock)
        self.log = Log()
        self.workers = workers or Workers(1)
        self.applied: list[Any] = []
        self.service = Service(
            self.manager,
            self.metrics,
            Requests(self.manager, self.metrics, self.log, self.workers, admit),
            lambda config, seconds, gone: self.applied.append(config),
            check_method_names=check_method_names,
            admit=admit,
            repository=lambda: self.repository,
        )
        self.repository = Shelf()
        self.rest = TfsApi(self.service, as_content=False, exact_digits=False)
        self.grpc = tfs.handlers(self.service, as_content=False)

    def counts(self) -> dict[tuple[str, ...], int]:
        """Requests by model and status."""
        return {labels: counter.value for labels, counter in self.metrics.request_count.points()}

    def is_released(self) -> bool:
        """Whether nobody holds the version: it is unloaded at once when it is to go."""
        self.manager.set_aspired("m", {})
        settle(self.manager)
        return self.model.closed == 1
