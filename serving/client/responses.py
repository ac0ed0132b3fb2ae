"""The bytes of answers -> values. Not where errors of the wire are seen: an answer has come."""

from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.client import messages
from serving.client.errors import ServingError, about, code_of
from serving.client.messages import Message
from serving.client.tensors import dtype_name, read
from serving.client.values import (
    Class,
    Classification,
    Inference,
    Metadata,
    Prediction,
    Signature,
    TensorInfo,
    VersionStatus,
)


def prediction(data: bytes) -> Prediction:
    """The outputs of a PredictResponse. TypeError or ValueError names an output that cannot be read."""
    response = messages.PredictResponse.FromString(data)
    spec = response.model_spec
    outputs = {name: _output(name, proto) for name, proto in response.outputs.items()}
    return Prediction(outputs, model=spec.name, version=spec.version.value, signature=spec.signature_name)


def _output(name: str, proto: Message) -> NDArray[Any]:
    try:
        return read(proto)
    except (TypeError, ValueError) as error:
        raise about(f"output {name!r}", error) from None


def classifications(data: bytes) -> list[Classification]:
    """A list of classes for each example."""
    return _classifications(messages.ClassificationResponse.FromString(data).result)


def _classifications(result: Message) -> list[Classification]:
    return [[Class(each.label, each.score) for each in example.classes] for example in result.classifications]


def regressions(data: bytes) -> NDArray[np.float32]:
    """float32 [examples]."""
    return _regressions(messages.RegressionResponse.FromString(data).result)


def _regressions(result: Message) -> NDArray[np.float32]:
    return np.array([each.value for each in result.regressions], np.float32)


def inferences(data: bytes, signatures: Sequence[str]) -> dict[str, Inference]:
    """The results of MultiInference by the signatures that were asked for: they come in that order."""
    results = messages.MultiInferenceResponse.FromString(data).results
    return {name: _inference(result) for name, result in zip(signatures, results, strict=True)}


def _inference(result: Message) -> Inference:
    if result.WhichOneof("result") == "regression_result":
        return _regressions(result.regression_result)
    return _classifications(result.classification_result)


def metadata(data: bytes) -> Metadata:
    """The signatures of a GetModelMetadataResponse."""
    response = messages.GetModelMetadataResponse.FromString(data)
    signatures = messages.SignatureDefMap.FromString(response.metadata["signature_def"].value).signature_def
    return Metadata(
        model=response.model_spec.name,
        version=response.model_spec.version.value,
        signatures={name: _signature(signatures[name]) for name in sorted(signatures)},
    )


def _signature(signature: Message) -> Signature:
    return Signature(
        method=signature.method_name,
        inputs={name: _tensor_info(signature.inputs[name]) for name in sorted(signature.inputs)},
        outputs={name: _tensor_info(signature.outputs[name]) for name in sorted(signature.outputs)},
    )


def _tensor_info(info: Message) -> TensorInfo:
    shape = tuple(dim.size for dim in info.tensor_shape.dim)
    unknown = info.tensor_shape.unknown_rank and not shape
    return TensorInfo(name=info.name, dtype=dtype_name(info.dtype), shape=None if unknown else shape)


def version_statuses(data: bytes) -> list[VersionStatus]:
    """The versions of a GetModelStatusResponse, in the server's order."""
    return [
        VersionStatus(
            version=each.version,
            state=messages.STATES.get(each.state, str(each.state)),
            code=each.status.error_code,
            message=each.status.error_message,
        )
        for each in messages.GetModelStatusResponse.FromString(data).model_version_status
    ]


def reloaded(data: bytes) -> None:
    """Nothing. ServingError if the answer says that the configuration was not taken."""
    status = messages.ReloadConfigResponse.FromString(data).status
    code = code_of(status.error_code)
    if code is not grpc.StatusCode.OK:
        raise ServingError(code, status.error_message, asked="HandleReloadConfigRequest")
