"""PredictRequest bytes in, PredictResponse bytes out, with a bare model between: what both gRPC loops do."""

import numpy as np

from serving.protos import Message, PredictRequest, PredictResponse
from tests.bench.baselines.bare_engine import BareModel

PATH = "/tensorflow.serving.PredictionService/Predict"
_FLOAT = 1


def predict(model: BareModel, request: Message) -> Message:
    """The answer to a request whose input `x` is float, as typed values or as content."""
    given = request.inputs["x"]
    values = given.tensor_content
    x = np.frombuffer(values, np.float32) if values else np.array(given.float_val, np.float32)
    y = model(x.reshape([dim.size for dim in given.tensor_shape.dim]))
    response = PredictResponse()
    out = response.outputs["y"]
    out.dtype = _FLOAT
    for size in y.shape:
        out.tensor_shape.dim.add().size = size
    out.float_val.extend(y.ravel())
    return response


def answer(model: BareModel, payload: bytes) -> bytes:
    """The same on bytes."""
    response: bytes = predict(model, PredictRequest.FromString(payload)).SerializeToString()
    return response
