"""JSON predict requests: inputs of a model, and all that a caller sees of a request, to compare two roads. No tests."""

from collections.abc import Callable
from typing import Any

import numpy as np

from serving.codecs.json.request import PredictDocument
from serving.core.signature import TensorInfo
from serving.core.tensor import DataType
from serving.errors import ServingError

Reader = Callable[[bytes], PredictDocument]


def infos(**dtypes: DataType) -> dict[str, TensorInfo]:
    """Declared inputs of these data types and unknown shape."""
    return {name: TensorInfo(name=f"{name}:0", dtype=dtype) for name, dtype in dtypes.items()}


X = infos(x=DataType.FLOAT)
XY = infos(x=DataType.FLOAT, y=DataType.INT32)
AB = infos(a=DataType.FLOAT, b=DataType.INT32)
S = infos(s=DataType.STRING)
SX = infos(s=DataType.STRING, x=DataType.FLOAT)
B = infos(b=DataType.BOOL)


def outcome(reader: Reader, body: bytes, inputs: dict[str, TensorInfo]) -> object:
    """Everything a caller can see of a request: the error and the step that raised it, or names and exact bits."""
    try:
        document = reader(body)
    except ServingError as error:
        return "read", error.code, error.message
    try:
        layout, tensors = document.tensors(inputs)
    except ServingError as error:
        return document.signature_name, error.code, error.message
    return document.signature_name, layout, [(name, *bits(tensor.array)) for name, tensor in tensors.items()]


def bits(array: np.ndarray[Any, Any]) -> tuple[object, ...]:
    """The array to the last bit, strings by value."""
    return array.dtype.str, array.shape, array.tolist() if array.dtype == object else array.tobytes()
