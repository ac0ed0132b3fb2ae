"""Finding a signature and binding a call to it."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from serving.core.servable import Run
from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.inference import predict

ONE = Tensor(DataType.FLOAT, np.array(1, np.float32))
TWO = Tensor(DataType.FLOAT, np.array(2, np.float32))


class NamedRun:
    """A run that remembers what it was resolved for."""

    inline = True

    def __init__(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> None:
        self.names = (feeds, fetches)

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return self.inline

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        return [ONE for _ in self.names[1]]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        future: Future[list[Tensor]] = Future()
        future.set_result(self(tensors, timeout_ms))
        return future


class Servable:
    """One signature: inputs a and b, b with a default, outputs y and z."""

    def __init__(self, method_name: str = "tensorflow/serving/predict") -> None:
        def info(alias: str) -> TensorInfo:
            return TensorInfo(name=f"{alias}:0", dtype=DataType.FLOAT)

        self.signatures: Mapping[str, Signature] = {
            "s": Signature(
                name="s",
                inputs={alias: info(alias) for alias in "ab"},
                outputs={alias: info(alias) for alias in "yz"},
                method_name=method_name,
                defaults={"b": TWO},
            )
        }
        self.signature_defs: Mapping[str, Any] = {}

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        return NamedRun(feeds, fetches)

    def close(self) -> None: ...


@pytest.mark.parametrize("method_name", ["", "anything", "tensorflow/serving/classify"])
def test_method_name_is_not_checked_by_default(method_name: str) -> None:
    """Predict works on any signature."""
    servable = Servable(method_name)
    assert predict.find_signature(servable, "s", check_method_name=False) is servable.signatures["s"]


@pytest.mark.parametrize("kind", ["predict", "classify", "regress"])
def test_three_method_names_pass_the_check(kind: str) -> None:
    """With the check, classify and regress signatures can be predicted with as well."""
    servable = Servable(f"tensorflow/serving/{kind}")
    assert predict.find_signature(servable, "s", check_method_name=True) is servable.signatures["s"]


@pytest.mark.parametrize("method_name", ["", "tensorflow/serving/Predict"], ids=["empty", "case"])
def test_other_method_names_fail_the_check(method_name: str) -> None:
    """Anything else is INTERNAL, with TensorFlow Serving's text."""
    with pytest.raises(ServingError) as raised:
        predict.find_signature(Servable(method_name), "s", check_method_name=True)
    assert raised.value.code is Code.INTERNAL
    assert raised.value.message == (
        "Expected prediction signature method_name to be one of {tensorflow/serving/predict, "
        f"tensorflow/serving/classify, tensorflow/serving/regress}}. Was: {method_name}"
    )


def test_unknown_signature() -> None:
    """FAILED_PRECONDITION with the name that was asked for."""
    with pytest.raises(ServingError) as raised:
        predict.find_signature(Servable(), "other", check_method_name=True)
    assert (raised.value.code, raised.value.message) == (
        Code.FAILED_PRECONDITION,
        'Serving signature key "other" not found.',
    )


@pytest.mark.parametrize(
    ("sent", "output_filter", "names", "tensors", "outputs"),
    [
        pytest.param("ab", "", ("ab", "yz"), [ONE, ONE], "yz", id="everything"),
        pytest.param("a", "", ("ab", "yz"), [ONE, TWO], "yz", id="default"),
        pytest.param("ab", "z", ("ab", "z"), [ONE, ONE], "z", id="filter"),
    ],
)
def test_bound_call(sent: str, output_filter: str, names: tuple[str, str], tensors: list[Tensor], outputs: str) -> None:
    """A call feeds what was sent, then the defaults, and names the outputs it will give."""
    servable = Servable()
    signature = servable.signatures["s"]
    prediction = predict.bind(
        servable, signature, signature.feeds(tuple(sent)), [ONE] * len(sent), tuple(output_filter)
    )
    assert isinstance(prediction.run, NamedRun)
    assert prediction.run.names == tuple(tuple(f"{alias}:0" for alias in part) for part in names)
    assert [tensor is other for tensor, other in zip(prediction.tensors, tensors, strict=True)] == [True] * len(tensors)
    assert prediction.outputs == tuple(outputs)


def test_bad_filter_is_refused() -> None:
    """An unknown output is an error before anything is resolved."""
    servable = Servable()
    signature = servable.signatures["s"]
    with pytest.raises(ServingError, match="output tensor alias not found in signature: x"):
        predict.bind(servable, signature, signature.feeds(("a",)), [ONE], ("x",))
