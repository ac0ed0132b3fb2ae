"""Every way to ask the service for something: one value for each request, and tables of them. No tests."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from serving.core.tensor import DataType
from serving.inference.call import Call, Reply
from serving.inference.context import RequestContext
from serving.protos import (
    ClassificationRequest,
    Example,
    MultiInferenceRequest,
    PredictRequest,
    RegressionRequest,
)
from tests.support import TIMEOUT_SECONDS
from tests.unit.inference.house import House

PREDICT_URL = "/v1/models/m:predict"
JSON, NPY, NPZ, PROTOBUF = (f"application/{kind}" for kind in ("json", "x-npy", "x-npz", "x-protobuf"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request by one way in. ``path`` is a URL's with REST, a method's with gRPC."""

    path: str
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def door(self) -> str:
        return "REST" if self.path.startswith("/v1/") else "GRPC"

    def begin(self, house: House, *, in_event_thread: bool = False) -> Reply:
        """What the request comes to."""
        if self.door == "REST":
            context = RequestContext("REST", fields=self.headers, in_event_thread=in_event_thread)
            return house.rest.endpoint("POST", self.path, self.headers).call(self.payload, context)
        return house.grpc[self.path](self.payload, RequestContext("GRPC", in_event_thread=in_event_thread))

    def call(self, house: House) -> Call:
        """The call that it comes to at once."""
        reply = self.begin(house)
        assert isinstance(reply, Call)
        return reply

    def answer(self, house: House, *, in_event_thread: bool = False) -> bytes:
        """The body, wherever it has to be made."""
        reply = self.begin(house, in_event_thread=in_event_thread)
        if isinstance(reply, bytes):
            return reply
        return reply.here() if isinstance(reply, Call) else reply.elsewhere().result(TIMEOUT_SECONDS)


def rest(
    body: bytes, content_type: str = JSON, accept: str = JSON, *, path: str = PREDICT_URL, **headers: str
) -> Asked:
    """A request over REST."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Asked(path=path, payload=body, headers={"content-type": content_type, "accept": accept, **named})


def grpc(method: str, message: Any) -> Asked:
    """A request over gRPC."""
    return Asked(path=f"/tensorflow.serving.PredictionService/{method}", payload=message.SerializeToString())


def predict(inputs: Mapping[str, Sequence[float]], *, output_filter: Sequence[str] = (), **spec: Any) -> Any:
    """A PredictRequest for the model ``m``."""
    request = PredictRequest(output_filter=output_filter)
    request.model_spec.name = spec.pop("name", "m")
    request.model_spec.signature_name = spec.pop("signature_name", "")
    if "version" in spec:
        request.model_spec.version.value = spec["version"]
    if "version_label" in spec:
        request.model_spec.version_label = spec["version_label"]
    for alias, values in inputs.items():
        request.inputs[alias].dtype = DataType.FLOAT
        request.inputs[alias].tensor_shape.dim.add(size=len(values))
        request.inputs[alias].float_val.extend(values)
    return request


def with_examples(message_class: Any, signature_name: str, count: int = 1, *, text: bytes = b"") -> Any:
    """A ClassificationRequest or RegressionRequest for the model ``m``."""
    message = message_class()
    message.model_spec.name, message.model_spec.signature_name = "m", signature_name
    add_examples(message, count, text)
    return message


def multi_inference(count: int = 1, *, text: bytes = b"") -> Any:
    """A MultiInferenceRequest for both signatures that take Examples."""
    message = MultiInferenceRequest()
    for kind in ("classify", "regress"):
        task = message.tasks.add(method_name=f"tensorflow/serving/{kind}")
        task.model_spec.name, task.model_spec.signature_name = "m", kind
    add_examples(message, count, text)
    return message


def add_examples(message: Any, count: int, text: bytes) -> None:
    example = Example()
    example.features.feature["f"].bytes_list.value.append(text)
    message.input.example_list.examples.extend([example] * count)


def npy(*values: float) -> bytes:
    """An .npy file of float32."""
    file = io.BytesIO()
    np.save(file, np.array(values, np.float32))
    return file.getvalue()


def npz(**arrays: Sequence[float]) -> bytes:
    """An .npz file of float32."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, values in arrays.items():
            archive.writestr(f"{name}.npy", npy(*values))
    return file.getvalue()


def examples_json(signature_name: str, count: int = 1) -> bytes:
    return json.dumps({"signature_name": signature_name, "examples": [{"f": "text"}] * count}).encode()


PREDICTS: Mapping[str, Callable[[Sequence[float]], Asked]] = {
    "gRPC": lambda values: grpc("Predict", predict({"x": values})),
    "JSON rows": lambda values: rest(json.dumps({"instances": values}).encode()),
    "JSON columns": lambda values: rest(json.dumps({"inputs": values}).encode()),
    "compressed JSON": lambda values: rest(
        gzip.compress(json.dumps({"instances": values}).encode()), content_encoding="gzip"
    ),
    "npy": lambda values: rest(npy(*values), NPY, NPY),
    "npz": lambda values: rest(npz(x=values), NPZ, NPZ),
    "protobuf": lambda values: rest(predict({"x": values}).SerializeToString(), PROTOBUF, PROTOBUF),
    "npy for JSON": lambda values: rest(npy(*values), NPY, JSON),
    "JSON for protobuf": lambda values: rest(json.dumps({"instances": values}).encode(), JSON, PROTOBUF),
}
"""Every way to ask for Predict with these numbers for the input ``x`` of the default signature."""

EXAMPLES: Mapping[str, Asked] = {
    "gRPC classify": grpc("Classify", with_examples(ClassificationRequest, "classify")),
    "gRPC regress": grpc("Regress", with_examples(RegressionRequest, "regress")),
    "JSON classify": rest(examples_json("classify"), path="/v1/models/m:classify"),
    "JSON regress": rest(examples_json("regress"), path="/v1/models/m:regress"),
    "MultiInference": grpc("MultiInference", multi_inference()),
}
"""Every way to ask for something with one Example."""

WAYS: Mapping[str, Asked] = {**{name: make([1.0, 2.0]) for name, make in PREDICTS.items()}, **EXAMPLES}
"""One request that is answered by every way in that runs a model."""

MANY = [float(index % 10) for index in range(400_000)]
LONG: Mapping[str, Asked] = {
    "JSON": rest(json.dumps({"instances": [[value] for value in MANY[:50_000]]}).encode()),
    "compressed JSON": PREDICTS["compressed JSON"](MANY),
    "npy": PREDICTS["npy"](MANY),
    "npz": PREDICTS["npz"](MANY),
    "gRPC classify": grpc("Classify", with_examples(ClassificationRequest, "classify", 2000, text=b"f" * 100)),
    "gRPC regress": grpc("Regress", with_examples(RegressionRequest, "regress", 2000, text=b"f" * 100)),
    "JSON classify": rest(examples_json("classify", 10_000), path="/v1/models/m:classify"),
    "MultiInference": grpc("MultiInference", multi_inference(2000, text=b"f" * 100)),
}
"""Requests that take long to read, and are answered all the same."""
