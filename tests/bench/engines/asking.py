"""Requests of any numbers for the models of keras_models.py over gRPC, and how far two servers' answers are apart."""

from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.protos import PredictRequest, PredictResponse
from tests.bench.asking import CHANNEL_OPTIONS, PREDICT
from tests.bench.results import BenchError

Array = NDArray[Any]

_DTYPES = {"float32": 1, "int32": 3}
_CALL_SECONDS = 120.0


def request(model: str, x: Array) -> bytes:
    """A PredictRequest with ``x`` as content, without the length prefix."""
    made = PredictRequest()
    made.model_spec.name = model
    tensor = made.inputs["x"]
    tensor.dtype = _DTYPES[x.dtype.name]
    for size in x.shape:
        tensor.tensor_shape.dim.add().size = size
    tensor.tensor_content = x.tobytes()
    serialized: bytes = made.SerializeToString()
    return serialized


def ask(address: str, body: bytes) -> bytes:
    """One call on a channel of its own; the answer's message. OSError if there is no server, or not yet."""
    with grpc.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        try:
            answer: bytes = channel.unary_unary(PREDICT)(body, timeout=_CALL_SECONDS)
        except grpc.RpcError as error:
            refused = error.code() is grpc.StatusCode.UNAVAILABLE
            text = f"{error.code().name}: {error.details()}"
            raise (ConnectionError(text) if refused else BenchError(text)) from None
        return answer


def values(answer: bytes) -> Array:
    """The floats of `y`, in its shape."""
    tensor = PredictResponse.FromString(answer).outputs["y"]
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    content = tensor.tensor_content
    flat = np.frombuffer(content, np.float32) if content else np.array(tensor.float_val, np.float32)
    return flat.reshape(shape)


def difference(ours: Array, baseline: Array) -> float:
    """The largest, relative to the largest value. BenchError for other shapes, or for what is no number."""
    if ours.shape != baseline.shape or not ours.size:
        raise BenchError(f"answers of the shapes {list(ours.shape)} and {list(baseline.shape)}")
    found = float(np.abs(ours - baseline).max() / np.abs(baseline).max())
    if not np.isfinite(found):
        raise BenchError("answers that are not finite")
    return found
