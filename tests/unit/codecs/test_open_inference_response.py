"""Answers of the Open Inference Protocol: every type in JSON and as bytes, and the classification extension."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from serving.codecs.open_inference import json_response
from serving.codecs.open_inference.classification import highest
from serving.codecs.open_inference.datatypes import DATATYPES
from serving.codecs.open_inference.infer import InferRequest, WantedOutput
from serving.codecs.open_inference.json_data import BINARY_ONLY
from serving.core.servable import ServableId
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.errors import Code, ServingError
from tests.unit.codecs.open_inference_bodies import TENSORS, alike, listed, raw

MODEL = ServableId(name="m", version=3)


def written(request: InferRequest, **outputs: Tensor) -> tuple[Any, bytes]:
    """An answer's JSON, and the bytes behind it."""
    body = json_response.write(request, MODEL, outputs)
    size = json_response.json_length(body)
    text = body if size is None else body[:size]
    assert b"\n" not in text.removesuffix(b"\n")
    return json.loads(text), b"" if size is None else body[size:]


@drawn(TENSORS, TENSORS)
def test_every_type_as_bytes(one: Tensor, other: Tensor) -> None:
    """One output after the other, as their sizes say."""
    answer, behind = written(InferRequest({}, binary=True), one=one, other=other)
    assert behind == raw(one) + raw(other)
    for output, tensor in zip(answer["outputs"], (one, other), strict=True):
        assert (output["datatype"], output["shape"]) == (DATATYPES[tensor.dtype], list(tensor.array.shape))
        assert output["parameters"] == {"binary_data_size": len(raw(tensor))}


@drawn(TENSORS.filter(lambda tensor: tensor.dtype not in BINARY_ONLY))
def test_every_type_in_json(tensor: Tensor) -> None:
    """Flat, and exactly: what is read of it again is the same tensor."""
    answer, behind = written(InferRequest({}), y=tensor)
    (output,) = answer["outputs"]
    assert behind == b""
    data = [text.encode() for text in output["data"]] if tensor.dtype is DataType.STRING else output["data"]
    array = np.empty(len(data), STORAGE[tensor.dtype])
    array[:] = data
    assert alike(Tensor(tensor.dtype, array.reshape(output["shape"])), tensor)
    assert len(output["data"]) == len(listed(tensor.array.ravel()))


@drawn(st.text())
def test_any_id(text: str) -> None:
    """It comes back, and no line feed of it is one of the body; half of a pair has no form in JSON."""
    answer, _ = written(InferRequest({}, id=text, binary=True), y=Tensor(DataType.BOOL, np.array([True])))
    assert answer.get("id", "") == text.encode("utf-8", "replace").decode()


def test_outputs_as_they_are_asked_for() -> None:
    """In the order of the request, each as it says, in large answers too."""
    numbers = Tensor(DataType.INT32, np.arange(200_000, dtype=np.int32))
    request = InferRequest({}, outputs=(WantedOutput("b", binary=True), WantedOutput("a")))
    answer, behind = written(request, a=numbers, b=numbers)
    assert [output["name"] for output in answer["outputs"]] == ["b", "a"]
    assert behind == numbers.array.tobytes()
    assert answer["outputs"][1]["data"] == numbers.array.tolist()


def test_other_orders_in_memory() -> None:
    """Elements are written as they read, wherever they lie."""
    tensor = Tensor(DataType.FLOAT, np.arange(6, dtype=np.float32).reshape(2, 3).T)
    assert written(InferRequest({}, binary=True), y=tensor)[1] == tensor.array.tobytes()
    assert written(InferRequest({}), y=tensor)[0]["outputs"][0]["data"] == [0, 3, 1, 4, 2, 5]


def test_not_finite() -> None:
    text = json_response.write(
        InferRequest({}), MODEL, {"y": Tensor(DataType.DOUBLE, np.array([np.nan, -np.inf, 0.5]))}
    )
    assert b'"data":[NaN,-Infinity,0.5]' in text


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        pytest.param(Tensor(DataType.COMPLEX64, np.ones(1, np.complex64)), "complex64", id="no datatype"),
        pytest.param(Tensor(DataType.HALF, np.ones(1, np.float16)), "binary_data", id="binary only"),
        pytest.param(Tensor(DataType.STRING, np.array([b"\xff"], object)), "no UTF-8", id="no text"),
    ],
)
def test_refused(tensor: Tensor, expected: str) -> None:
    with pytest.raises(ServingError, match=expected) as caught:
        written(InferRequest({}), y=tensor)
    assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("array", "count", "expected"),
    [
        pytest.param([0.25, 1, 0.5], 2, [b"1.000000:1", b"0.500000:2"], id="one row"),
        pytest.param([[1, 2], [4, 3]], 1, [[b"2.000000:1"], [b"4.000000:0"]], id="rows"),
        pytest.param([[[1, 2], [3, 0]]], 2, [[b"3.000000:2", b"2.000000:1"]], id="the rest of a row is one"),
        pytest.param([1, 1, 0], 9, [b"1.000000:0", b"1.000000:1", b"0.000000:2"], id="all, equals by index"),
        pytest.param([float("nan"), 1], 1, [b"1.000000:1"], id="no number comes last"),
        pytest.param(5.0, 3, [b"5.000000:0"], id="a scalar"),
        pytest.param([], 3, [], id="nothing"),
    ],
)
def test_classes(array: Any, count: int, expected: Any) -> None:
    """The highest of each row, with their indices."""
    found = highest("y", Tensor(DataType.FLOAT, np.array(array, np.float32)), count)
    assert (found.dtype, found.array.tolist()) == (DataType.STRING, expected)


def test_classes_of_integers() -> None:
    found = highest("y", Tensor(DataType.INT32, np.array([-1, 7], np.int32)), 2)
    assert found.array.tolist() == [b"7:1", b"-1:0"]


@pytest.mark.parametrize("dtype", [DataType.STRING, DataType.BOOL, DataType.BFLOAT16, DataType.COMPLEX64])
def test_no_classes(dtype: DataType) -> None:
    with pytest.raises(ServingError, match="has no classes"):
        highest("y", Tensor(dtype, np.zeros(2, STORAGE[dtype])), 1)
