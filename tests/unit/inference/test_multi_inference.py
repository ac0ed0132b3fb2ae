"""MultiInference: the order in which the one call feeds the graph."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from serving.core.model_spec import ModelSpec
from serving.core.servable import Run
from serving.core.signature import REGRESS_METHOD_NAME, Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.inference import multi_inference
from serving.inference.multi_inference import Task


class EchoRun:
    """A run whose outputs are its first input, as often as something is fetched."""

    inline = True

    def __init__(self, fetches: tuple[str, ...]) -> None:
        self._fetches = fetches

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return self.inline

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        return [tensors[0] for _ in self._fetches]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        future: Future[list[Tensor]] = Future()
        future.set_result(self(tensors, timeout_ms))
        return future


class Regressors:
    """Regress signatures, each with an input tensor called like itself; remembers the last resolved feeds."""

    def __init__(self, *names: str) -> None:
        self.signature_defs: Mapping[str, Any] = {}
        self.feeds: tuple[str, ...] = ()
        self.signatures = {
            name: Signature(
                name=name,
                inputs={"inputs": TensorInfo(name=f"{name}:0", dtype=DataType.STRING)},
                outputs={"outputs": TensorInfo(name=f"{name}_y:0", dtype=DataType.FLOAT)},
                method_name=REGRESS_METHOD_NAME,
            )
            for name in names
        }

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        self.feeds = feeds
        return EchoRun(fetches)

    def close(self) -> None: ...


@pytest.mark.parametrize("order", [("p", "q", "r"), ("r", "p", "q"), ("q", "r", "p")], ids="-".join)
def test_inputs_are_fed_in_the_order_of_their_names(order: tuple[str, ...]) -> None:
    """Whatever the order of the tasks: messages of TensorFlow count arguments, and TensorFlow Serving sorts them."""
    servable = Regressors("p", "q", "r")
    tasks = [Task(ModelSpec("m", None, None, name), REGRESS_METHOD_NAME) for name in order]
    multi_inference.bind(servable, tasks, [b"example"], check_method_names=False)
    assert servable.feeds == ("p:0", "q:0", "r:0")
