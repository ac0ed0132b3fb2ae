"""What is asked and what must come back: one request body for each model and form, and the check of an answer."""

import io
import json
import struct
from enum import Enum
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from serving.protos import PredictRequest, PredictResponse
from tests.bench.keras_inputs import INPUTS, inputs

Floats = NDArray[np.float32]

_FLOAT = 1
_TYPED_VALUES = 16
"""Up to so many values go as typed values, as small requests of real clients do; more go as content."""


class Form(Enum):
    """How a tensor travels; the value is the content type."""

    JSON = "application/json"
    NPY = "application/x-npy"
    PROTOBUF = "application/x-protobuf"
    GRPC = "application/grpc"


def example(model: str) -> Floats:
    """The input that is sent: three numbers, one row of 784, or one image of 224 x 224 x 3."""
    if model in INPUTS:
        return inputs(model, 1, 0)
    random = np.random.default_rng(0)
    match model:
        case "half_plus_two":
            return np.array([1.0, 2.0, 5.0], np.float32)
        case "mlp":
            return random.random((1, 784), np.float32)
        case "resnet":
            return random.random((1, 224, 224, 3), np.float32)
        case _:
            raise ValueError(f"no example for the model {model!r}")


def body(model: str, served_as: str, form: Form) -> bytes:
    """The request for the example of ``model`` under the name ``served_as``; for gRPC without the length prefix."""
    x = example(model)
    match form:
        case Form.JSON:
            # orjson writes a float32 with the digits that it needs; as a Python float it would have twice as many.
            return orjson.dumps({"instances": x}, option=orjson.OPT_SERIALIZE_NUMPY)
        case Form.NPY:
            file = io.BytesIO()
            np.save(file, x)
            return file.getvalue()
        case Form.PROTOBUF | Form.GRPC:
            return _message(x, served_as)


def framed(message: bytes) -> bytes:
    """A gRPC message as it goes over HTTP/2: not compressed, its length, itself."""
    return b"\0" + struct.pack(">I", len(message)) + message


def _message(x: Floats, name: str) -> bytes:
    request = PredictRequest()
    request.model_spec.name = name
    tensor = request.inputs["x"]
    tensor.dtype = _FLOAT
    for size in x.shape:
        tensor.tensor_shape.dim.add().size = size
    if x.size <= _TYPED_VALUES:
        tensor.float_val.extend(x.ravel())
    else:
        tensor.tensor_content = x.tobytes()
    serialized: bytes = request.SerializeToString()
    return serialized


def read(form: Form, answer: bytes) -> Floats:
    """The values of `y` in an answer, in one row. ValueError and the like if it has none."""
    match form:
        case Form.JSON:
            return np.asarray(json.loads(answer)["predictions"], np.float32).ravel()
        case Form.NPY:
            array: NDArray[Any] = np.load(io.BytesIO(answer), allow_pickle=False)
            return array.astype(np.float32).ravel()
        case Form.PROTOBUF | Form.GRPC:
            tensor = PredictResponse.FromString(answer).outputs["y"]
            content = tensor.tensor_content
            return np.frombuffer(content, np.float32) if content else np.array(tensor.float_val, np.float32)


def is_right(model: str, y: Floats) -> bool:
    """Whether ``y`` answers the example: x / 2 + 2, probabilities, or what distinguishes the classes."""
    if model == "half_plus_two":
        return np.array_equal(y, example(model) / 2 + 2)
    if model == "mobilenetv2":
        return y.size == 1000 and bool(np.isfinite(y).all() and np.ptp(y) > 0.1)
    classes = {"mlp": 10, "resnet": 1000}[model]
    # bfloat16 has three digits.
    return y.size == classes and bool(abs(float(y.sum()) - 1) < 0.02)
