"""The calls of the Open Inference Protocol (v2) as values, as ``calls`` has those of TensorFlow Serving."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import grpc

from serving.client import messages, v2_tensors
from serving.client.calls import Call, Choice
from serving.client.checks import checked_list, checked_text, shown
from serving.client.errors import ServingError, about
from serving.client.messages import Message
from serving.client.values import (
    DEFAULT_SIGNATURE,
    Metadata,
    ModelState,
    Prediction,
    Signature,
    TensorInfo,
    VersionStatus,
)

T = TypeVar("T")

SERVICE = "/inference.GRPCInferenceService"


def predict(choice: Choice, inputs: Mapping[str, Any], output_filter: Sequence[str]) -> Call[Prediction]:
    """ModelInfer with raw contents: arrays by the names of the model's inputs; of the outputs those named, or all.

    A signature goes as the parameter ``signature``, which is this server's.
    """
    if not isinstance(inputs, Mapping):
        raise TypeError(f"expected a mapping of input names to arrays, got {type(inputs).__name__}")
    request = messages.ModelInferRequest(model_name=choice.model, model_version=_version(choice))
    if choice.signature:
        request.parameters["signature"].string_param = choice.signature
    for name, value in inputs.items():
        tensor = request.inputs.add(name=checked_text("name of an input", name))
        try:
            request.raw_input_contents.append(v2_tensors.fill(tensor, value))
        except (TypeError, ValueError) as error:
            raise about(f"input {shown(name)}", error) from None
    for name in checked_list("output names", output_filter, str):
        request.outputs.add(name=name)

    def read(data: bytes) -> Prediction:
        return _prediction(data, choice.signature or DEFAULT_SIGNATURE)

    return _call("ModelInfer", request, read, choice)


def metadata(choice: Choice) -> Call[Metadata]:
    """ModelMetadata. The protocol's models have one signature, which is given as ``serving_default``."""
    request = messages.ModelMetadataRequest(name=choice.model, version=_version(choice))

    def read(data: bytes) -> Metadata:
        return _metadata(data, choice)

    return _call("ModelMetadata", request, read, choice)


def status(choice: Choice) -> Call[list[VersionStatus]]:
    """RepositoryIndex, for the versions of one model or one of them, with the states of v2 (``READY``, ...)."""
    _version(choice)

    def read(data: bytes) -> list[VersionStatus]:
        found = [
            VersionStatus(version=each.version, state=each.state, code=0, message=each.message)
            for each in _model_states(data)
            if each.model == choice.model and choice.version in (None, each.version)
        ]
        if not found:
            asked = f"RepositoryIndex for {choice}"
            raise ServingError(grpc.StatusCode.NOT_FOUND, f"the server's list of models has no {choice}", asked)
        return found

    return _call("RepositoryIndex", messages.RepositoryIndexRequest(), read, choice)


def ready(choice: Choice) -> Call[bool]:
    """ModelReady, of a model or of one version."""
    request = messages.ModelReadyRequest(name=choice.model, version=_version(choice))

    def read(data: bytes) -> bool:
        return bool(messages.ModelReadyResponse.FromString(data).ready)

    return _call("ModelReady", request, read, choice)


def server_live() -> Call[bool]:
    """ServerLive: whether a server of this protocol is there."""

    def read(data: bytes) -> bool:
        return bool(messages.ServerLiveResponse.FromString(data).live)

    return _call("ServerLive", messages.ServerLiveRequest(), read, "the server")


def repository_index() -> Call[list[ModelState]]:
    """RepositoryIndex: the models of the server and their states."""
    return _call("RepositoryIndex", messages.RepositoryIndexRequest(), _model_states, "the server")


def _call(method: str, request: Message, read: Callable[[bytes], T], asked: Choice | str) -> Call[T]:
    return Call(
        path=f"{SERVICE}/{method}", request=messages.serialised(request), read=read, asked=f"{method} of {asked}"
    )


def _version(choice: Choice) -> str:
    if choice.label is not None:
        raise ValueError(f"expected a version, got label={shown(choice.label)}: the v2 protocol has no labels")
    return "" if choice.version is None else str(choice.version)


def _number(version: str) -> int:
    """The version as a number; 0 if the server's is none."""
    return int(version) if version.isascii() and version.isdigit() else 0


def _prediction(data: bytes, signature: str) -> Prediction:
    response = messages.ModelInferResponse.FromString(data)
    raw = list(response.raw_output_contents)
    if raw and len(raw) != len(response.outputs):
        raise ValueError(f"expected raw contents for all {len(response.outputs)} outputs, got {len(raw)}")
    outputs = {}
    for index, tensor in enumerate(response.outputs):
        try:
            outputs[tensor.name] = v2_tensors.read(tensor, raw[index] if raw else None)
        except (TypeError, ValueError) as error:
            raise about(f"output {tensor.name!r}", error) from None
    return Prediction(outputs, model=response.model_name, version=_number(response.model_version), signature=signature)


def _metadata(data: bytes, choice: Choice) -> Metadata:
    response = messages.ModelMetadataResponse.FromString(data)
    signature = Signature(method="", inputs=_tensor_infos(response.inputs), outputs=_tensor_infos(response.outputs))
    newest = max(map(_number, response.versions), default=0)
    return Metadata(
        model=response.name or choice.model,
        version=newest if choice.version is None else choice.version,
        signatures={DEFAULT_SIGNATURE: signature},
    )


def _tensor_infos(tensors: Sequence[Message]) -> dict[str, TensorInfo]:
    return {
        each.name: TensorInfo(name=each.name, dtype=v2_tensors.dtype_name(each.datatype), shape=tuple(each.shape))
        for each in sorted(tensors, key=lambda each: str(each.name))
    }


def _model_states(data: bytes) -> list[ModelState]:
    return [
        ModelState(model=each.name, version=_number(each.version), state=each.state, message=each.reason)
        for each in messages.RepositoryIndexResponse.FromString(data).models
    ]
