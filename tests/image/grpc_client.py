"""A gRPC client as small as the image tests need; no test of its own."""

import contextlib
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.protos import PredictRequest, PredictResponse, TensorProto

DT_FLOAT, DT_STRING, DT_INT64 = 1, 7, 9


def floats(*values: float) -> Any:
    """A TensorProto of float32."""
    tensor = TensorProto(dtype=DT_FLOAT, float_val=values)
    tensor.tensor_shape.dim.add(size=len(values))
    return tensor


def strings(*values: bytes) -> Any:
    """A TensorProto of strings."""
    tensor = TensorProto(dtype=DT_STRING, string_val=values)
    tensor.tensor_shape.dim.add(size=len(values))
    return tensor


def array(tensor: Any) -> NDArray[Any]:
    """The numbers of a TensorProto of float32 or int64, however it carries them."""
    dtype = {DT_FLOAT: np.float32, DT_INT64: np.int64}[tensor.dtype]
    listed = tensor.float_val or tensor.int64_val
    flat = np.array(listed, dtype) if listed else np.frombuffer(tensor.tensor_content, dtype)
    return flat.reshape([dim.size for dim in tensor.tensor_shape.dim])


def predict(address: str, name: str, timeout_seconds: float = 60, **inputs: Any) -> dict[str, NDArray[Any]]:
    """PredictionService.Predict on ``host:port``: the outputs by alias. grpc.RpcError when the server refuses."""
    request = PredictRequest()
    request.model_spec.name = name
    for alias, tensor in inputs.items():
        request.inputs[alias].CopyFrom(tensor)
    options = [("grpc.enable_http_proxy", 0)]
    with contextlib.closing(grpc.insecure_channel(address, options)) as channel:
        call = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=PredictResponse.FromString,
        )
        response = call(request, timeout=timeout_seconds)
    return {alias: array(tensor) for alias, tensor in response.outputs.items()}
