"""One client per door with the same methods, so that a test is written once; nothing here is the server's own code.

Arrays are numpy's; strings are arrays of ``bytes`` objects.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.protos import message
from tests.support.server_process import START_SECONDS, ServerProcess

Arrays = Mapping[str, NDArray[Any]]

_API = "tensorflow.serving."
_NUMBERS = {"float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "object": 7, "int64": 9}
_NUMBERS |= {"bool": 10, "uint32": 22, "uint64": 23}
_FIELDS = {1: "float", 2: "double", 7: "string", 9: "int64", 10: "bool", 22: "uint32", 23: "uint64"}
_DTYPES = {number: np.dtype(name) for name, number in _NUMBERS.items()}
_NAMES = {"DT_FLOAT": 1, "DT_DOUBLE": 2, "DT_INT32": 3, "DT_UINT8": 4, "DT_INT16": 5, "DT_INT8": 6, "DT_STRING": 7}
_NAMES |= {"DT_INT64": 9, "DT_BOOL": 10, "DT_UINT32": 22, "DT_UINT64": 23}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which version of which model is meant, and which of its signatures; empty is the default one."""

    model: str
    version: int | None = None
    label: str | None = None
    signature: str = ""


class RefusedError(Exception):
    """The door's answer was an error. ``code`` is gRPC's name of it, or ``HTTP`` and the status."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class Client(Protocol):
    """What both doors can do. Every method raises RefusedError for an error that the server sent."""

    def predict(self, target: Target, inputs: Arrays, *, timeout: float = START_SECONDS) -> dict[str, NDArray[Any]]:
        """The outputs by name."""
        ...

    def status(self, target: Target) -> list[tuple[int, str]]:
        """Versions and their states, in the order of the answer."""
        ...

    def metadata(self, target: Target) -> tuple[int, frozenset[str]]:
        """The version that answers, and the names of its signatures."""
        ...

    def close(self) -> None:
        """Give up the connections."""
        ...


class RestClient:
    """Columnar JSON, a connection per request; strings go as base64. Names and dtypes of outputs come from metadata."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._outputs: dict[Target, dict[str, int]] = {}

    def predict(self, target: Target, inputs: Arrays, *, timeout: float = START_SECONDS) -> dict[str, NDArray[Any]]:
        """POST …:predict; ``timeout`` bounds every wait of the connection."""
        body: dict[str, Any] = {"inputs": {name: _to_json(array) for name, array in inputs.items()}}
        if target.signature:
            body["signature_name"] = target.signature
        answer = self._exchange("POST", f"{_path(target)}:predict", json.dumps(body).encode(), timeout)["outputs"]
        outputs = self._signature(target)
        named = {next(iter(outputs)): answer} if len(outputs) == 1 else answer
        return {name: _from_json(value, outputs[name]) for name, value in named.items()}

    def status(self, target: Target) -> list[tuple[int, str]]:
        """GET of the model."""
        states = self._exchange("GET", _path(target))["model_version_status"]
        return [(int(each["version"]), each["state"]) for each in states]

    def metadata(self, target: Target) -> tuple[int, frozenset[str]]:
        """GET …/metadata."""
        answer = self._exchange("GET", f"{_path(target)}/metadata")
        return int(answer["model_spec"]["version"]), frozenset(answer["metadata"]["signature_def"]["signature_def"])

    def close(self) -> None:
        """Nothing is kept open."""

    def _exchange(self, method: str, path: str, body: bytes | None = None, timeout: float = START_SECONDS) -> Any:
        status, data = self._server.rest(method, path, body, timeout=timeout)
        answer = json.loads(data)
        if status != 200:
            raise RefusedError(f"HTTP {status}", answer["error"])
        return answer

    def _signature(self, target: Target) -> dict[str, int]:
        if target not in self._outputs:
            answer = self._exchange("GET", f"{_path(target)}/metadata")
            signatures = answer["metadata"]["signature_def"]["signature_def"]
            outputs = signatures[target.signature or "serving_default"]["outputs"]
            self._outputs[target] = {name: _NAMES[info["dtype"]] for name, info in outputs.items()}
        return self._outputs[target]


def _path(target: Target) -> str:
    path = f"/v1/models/{target.model}"
    if target.version is not None:
        return f"{path}/versions/{target.version}"
    return path if target.label is None else f"{path}/labels/{target.label}"


def _to_json(array: NDArray[Any]) -> Any:
    if array.dtype != object:
        return array.tolist()
    return [{"b64": base64.b64encode(value).decode()} for value in array]


def _from_json(value: Any, number: int) -> NDArray[Any]:
    if number != _NUMBERS["object"]:
        return np.array(value, _DTYPES[number])
    return text(*[base64.b64decode(item["b64"]) if isinstance(item, dict) else item.encode() for item in value])


class GrpcClient:
    """PredictionService and ModelService on one channel."""

    def __init__(self, server: ServerProcess) -> None:
        self.channel = server.channel()

    def predict(self, target: Target, inputs: Arrays, *, timeout: float = START_SECONDS) -> dict[str, NDArray[Any]]:
        """Predict; ``timeout`` is the deadline."""
        data = self.call("PredictionService/Predict", predict_request(target, inputs), timeout)
        outputs = message(f"{_API}PredictResponse").FromString(data).outputs
        return {name: from_proto(proto) for name, proto in outputs.items()}

    def status(self, target: Target) -> list[tuple[int, str]]:
        """GetModelStatus."""
        request = message(f"{_API}GetModelStatusRequest")(model_spec=_spec(target))
        data = self.call("ModelService/GetModelStatus", request.SerializeToString())
        states = message(f"{_API}GetModelStatusResponse").FromString(data).model_version_status
        return [(each.version, each.DESCRIPTOR.enum_types[0].values_by_number[each.state].name) for each in states]

    def metadata(self, target: Target) -> tuple[int, frozenset[str]]:
        """GetModelMetadata of ``signature_def``."""
        request = message(f"{_API}GetModelMetadataRequest")(model_spec=_spec(target), metadata_field=["signature_def"])
        data = self.call("PredictionService/GetModelMetadata", request.SerializeToString())
        response = message(f"{_API}GetModelMetadataResponse").FromString(data)
        signatures = message(f"{_API}SignatureDefMap").FromString(response.metadata["signature_def"].value)
        return response.model_spec.version.value, frozenset(signatures.signature_def)

    def call(self, method: str, payload: bytes, timeout: float = START_SECONDS) -> bytes:
        """One unary call of ``Service/Method`` with a serialised request."""
        try:
            return bytes(self.channel.unary_unary(f"/{_API}{method}")(payload, timeout=timeout))
        except grpc.RpcError as error:
            raise RefusedError(error.code().name, error.details()) from None

    def close(self) -> None:
        """Close the channel."""
        self.channel.close()


def predict_request(target: Target, inputs: Arrays, *, output_filter: tuple[str, ...] = ()) -> bytes:
    """A serialised PredictRequest."""
    request = message(f"{_API}PredictRequest")(model_spec=_spec(target), output_filter=output_filter)
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(to_proto(array))
    return bytes(request.SerializeToString())


def _spec(target: Target) -> Any:
    spec = message(f"{_API}ModelSpec")(name=target.model, signature_name=target.signature)
    if target.version is not None:
        spec.version.value = target.version
    if target.label is not None:
        spec.version_label = target.label
    return spec


def to_proto(array: NDArray[Any]) -> Any:
    """A TensorProto, in ``tensor_content`` unless it has strings."""
    proto = message("tensorflow.TensorProto")(dtype=_NUMBERS[array.dtype.name])
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if array.dtype == object:
        proto.string_val.extend(array.ravel().tolist())
    else:
        proto.tensor_content = array.tobytes()
    return proto


def from_proto(proto: Any) -> NDArray[Any]:
    """The array of a TensorProto in either form."""
    shape = [dimension.size for dimension in proto.tensor_shape.dim]
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, _DTYPES[proto.dtype]).reshape(shape)
    values = getattr(proto, _FIELDS.get(proto.dtype, "int") + "_val")
    return text(*values) if proto.dtype == _NUMBERS["object"] else np.array(values, _DTYPES[proto.dtype]).reshape(shape)


def text(*values: bytes) -> NDArray[Any]:
    """A vector of strings."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def floats(*values: float) -> NDArray[Any]:
    """A float vector."""
    return np.array(values, np.float32)
