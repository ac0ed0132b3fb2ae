"""Every way into the server that a policy has to stand in, each with a request that is answered. No tests."""

import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc
import numpy as np
from google.protobuf import text_format

from serving.protos import message
from tests.server.doors.clients import Target, floats, predict_request
from tests.server.doors.test_rest_binary import JSON, NPY, NPZ, PROTOBUF, body_of
from tests.support.raw import RawConnection, request
from tests.support.server_process import START_SECONDS, ServerProcess

MODEL = "half_plus_two"
_PREDICT = f"/v1/models/{MODEL}:predict"
_PREDICTION, _MODEL = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"
_V2 = "/inference.GRPCInferenceService/"
_NO_MESSAGE = b"\x12\x05" + b"\xff" * 5
"""Field 2, which is the input of all requests that have one, with bytes that are no message."""


class Outcome(NamedTuple):
    """``OK``, gRPC's name of a code or ``HTTP`` and the status; the text if it is an error."""

    status: str
    text: str = ""


Send = Callable[[ServerProcess, bytes, Mapping[str, str]], Outcome]
"""Sends a payload with headers, or metadata, and gives what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """``broken`` is a payload whose tensors cannot be decoded, ``address`` what a policy is told of the other one.

    ``transport`` is that of the server; ``counted`` says whether its metrics count refused requests.
    """

    name: str
    send: Send
    payload: bytes = b""
    broken: bytes = b""
    address: tuple[str, int | None, str | None, str] = (MODEL, None, None, "")
    transport: str = "native"
    counted: bool = True

    def __str__(self) -> str:
        return self.name

    @property
    def door(self) -> str:
        """As metrics and policies call it."""
        return "REST" if self.name.startswith("REST") else "GRPC"

    @property
    def protocol(self) -> str:
        """As policies call it."""
        return "open_inference" if " v2" in self.name or self.name.endswith(" ModelInfer") else "tfs"


def rest(method: str, target: str, kind: str = JSON, *more: str, chunked: bool = False) -> Send:
    """A request on a connection of its own: with a plain head, as the lane takes it, unless ``chunked``."""

    def send(server: ServerProcess, payload: bytes, headers: Mapping[str, str]) -> Outcome:
        lines = [*(f"{name.title()}: {value}" for name, value in headers.items()), *more]
        body: bytes | None = None
        if method == "POST":
            lines.append(f"Content-Type: {kind}")
            body = payload
        with RawConnection(server.rest_port) as connection:
            if chunked:
                pieces = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in (payload[:5], payload[5:], b""))
                connection.send(request(method, target, None, *lines, "Transfer-Encoding: chunked"), pieces)
            else:
                connection.send(request(method, target, body, *lines))
            response = connection.response()
        if response.status == 200:
            return Outcome("OK")
        assert list(response.json) == ["error"]
        return Outcome(f"HTTP {response.status}", response.json["error"])

    return send


def rpc(path: str, arity: str = "unary_unary") -> Send:
    """A call; of a stream the first message counts."""

    def send(server: ServerProcess, payload: bytes, headers: Mapping[str, str]) -> Outcome:
        requests: Any = iter((payload,)) if arity == "stream_stream" else payload
        with server.channel() as channel:
            try:
                answer = getattr(channel, arity)(path)(requests, metadata=[*headers.items()], timeout=START_SECONDS)
                if arity != "unary_unary":
                    next(answer)
            except grpc.RpcError as error:
                return Outcome(error.code().name, error.details())
        return Outcome("OK")

    return send


def proto(kind: str, text: str = "") -> bytes:
    """A serialised message of proto text."""
    return bytes(text_format.Parse(text, message(kind)()).SerializeToString())


def examples(number: int = 1) -> str:
    """Proto text of an Input."""
    example = 'examples { features { feature { key: "x" value { float_list { value: 1 } } } } }'
    return f"input {{ example_list {{ {example * number} }} }}"


def classification(number: int = 1) -> bytes:
    """A ClassificationRequest with so many Examples."""
    spec = f'model_spec {{ name: "{MODEL}" signature_name: "classify_x_to_y" }}'
    return proto("tensorflow.serving.ClassificationRequest", spec + examples(number))


def _predict(name: str, transport: str) -> Way:
    target = Target(model=MODEL, version=123, signature="serving_default")
    payload = predict_request(target, {"x": floats(1)})
    broken = message("tensorflow.serving.PredictRequest").FromString(payload)
    broken.inputs["x"].tensor_content = b"\0" * 3
    return Way(
        name=name,
        send=rpc(_PREDICTION + "Predict"),
        payload=payload,
        broken=bytes(broken.SerializeToString()),
        address=(MODEL, 123, None, "serving_default"),
        transport=transport,
    )


def _model_infer(transport: str) -> Way:
    made = message("inference.ModelInferRequest")(model_name=MODEL, model_version="123", id="7")
    made.inputs.add(name="x", datatype="FP32", shape=[1])
    made.raw_input_contents.append(np.ones(1, np.float32).tobytes())
    payload = bytes(made.SerializeToString())
    made.raw_input_contents[0] = b"\0" * 3
    return Way(
        name=f"{transport} ModelInfer",
        send=rpc(_V2 + "ModelInfer"),
        payload=payload,
        broken=bytes(made.SerializeToString()),
        address=(MODEL, 123, None, ""),
        transport=transport,
    )


def _on_examples(method: str, kind: str, signature: str) -> Way:
    payload = proto(
        f"tensorflow.serving.{kind}", f'model_spec {{ name: "{MODEL}" signature_name: "{signature}" }}{examples()}'
    )
    return Way(
        name=f"gRPC {method}",
        send=rpc(_PREDICTION + method),
        payload=payload,
        broken=payload + _NO_MESSAGE,
        address=(MODEL, None, None, signature),
    )


def _multi_inference() -> Way:
    spec = f'model_spec {{ name: "{MODEL}" signature_name: "regress_x_to_y" }}'
    task = f'tasks {{ {spec} method_name: "tensorflow/serving/regress" }}'
    payload = proto("tensorflow.serving.MultiInferenceRequest", task + examples())
    return Way(
        name="gRPC MultiInference",
        send=rpc(_PREDICTION + "MultiInference"),
        payload=payload,
        broken=payload + _NO_MESSAGE,
        address=(MODEL, None, None, "regress_x_to_y"),
        counted=False,
    )


def _rest_examples(method: str) -> Way:
    body = b'{"signature_name": "%b_x_to_y", "examples": [{"x": 1.0}]}' % method.encode()
    return Way(
        name=f"REST {method}",
        send=rest("POST", f"/v1/models/{MODEL}/versions/123:{method}"),
        payload=body,
        broken=body[:-3],
        address=(MODEL, 123, None, ""),
    )


def _services(transport: str) -> list[Way]:
    health, reflection = "/grpc.health.v1.Health/", "grpc.reflection.v1.ServerReflection"
    nothing = ("", None, None, "")
    listing = proto(f"{reflection}Request", 'list_services: ""')
    streams = (
        ("Check", rpc(health + "Check"), b""),
        ("Watch", rpc(health + "Watch", "unary_stream"), b""),
        ("reflection", rpc(f"/{reflection}/ServerReflectionInfo", "stream_stream"), listing),
    )
    return [
        Way(
            name=f"{transport} {name}",
            send=send,
            payload=payload,
            address=nothing,
            transport=transport,
            counted=False,
        )
        for name, send, payload in streams
    ]


_JSON = b'{"instances": [1.0]}'
_V2_PATH = f"/v2/models/{MODEL}"
_V2_BODY = b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0]}]}'
_ONE = {"x": np.ones(1, np.float32)}
_SPEC = f'model_spec {{ name: "{MODEL}" }}'

PREDICTS = (
    Way(name="REST lane", send=rest("POST", _PREDICT), payload=_JSON, broken=_JSON[:-2]),
    Way(name="REST road", send=rest("POST", _PREDICT, chunked=True), payload=_JSON, broken=_JSON[:-2]),
    Way(name="REST npy", send=rest("POST", _PREDICT, NPY), payload=body_of(NPY, _ONE), broken=b"\x93NUMPY\1\0"),
    Way(name="REST npz", send=rest("POST", _PREDICT, NPZ), payload=body_of(NPZ, _ONE), broken=b"PK\3\4"),
    Way(
        name="REST protobuf",
        send=rest("POST", _PREDICT, PROTOBUF),
        payload=body_of(PROTOBUF, _ONE),
        broken=_NO_MESSAGE,
    ),
    Way(name="REST v2", send=rest("POST", f"{_V2_PATH}/infer"), payload=_V2_BODY, broken=_V2_BODY[:-2]),
    _predict("native", "native"),
    _predict("grpcio", "grpcio"),
    _model_infer("native"),
    _model_infer("grpcio"),
)
OTHERS = (
    *_services("native"),
    *_services("grpcio"),
    _rest_examples("classify"),
    _rest_examples("regress"),
    Way(name="REST status", send=rest("GET", f"/v1/models/{MODEL}/labels/none"), address=(MODEL, None, "none", "")),
    Way(name="REST metadata", send=rest("GET", f"/v1/models/{MODEL}/metadata")),
    *(
        Way(name=f"REST v2 {what}", send=rest("GET", f"{_V2_PATH}/versions/123{path}"), address=(MODEL, 123, None, ""))
        for what, path in (("metadata", ""), ("config", "/config"), ("ready", "/ready"), ("statistics", "/stats"))
    ),
    *(
        Way(name=f"REST v2 {what}", send=rest("GET", f"/v2{path}"), address=("", None, None, ""), counted=counted)
        for what, path, counted in (
            ("server", "", True),
            ("live", "/health/live", False),
            ("server ready", "/health/ready", False),
            ("all statistics", "/models/stats", True),
            ("log settings", "/logging", False),
        )
    ),
    Way(name="REST models", send=rest("GET", "/v1/models"), address=("", None, None, "")),
    _on_examples("Classify", "ClassificationRequest", "classify_x_to_y"),
    _on_examples("Regress", "RegressionRequest", "regress_x_to_y"),
    _multi_inference(),
    Way(
        name="gRPC GetModelStatus",
        send=rpc(_MODEL + "GetModelStatus"),
        payload=proto("tensorflow.serving.GetModelStatusRequest", _SPEC),
        counted=False,
    ),
    Way(
        name="gRPC GetModelMetadata",
        send=rpc(_PREDICTION + "GetModelMetadata"),
        payload=proto("tensorflow.serving.GetModelMetadataRequest", _SPEC + 'metadata_field: "signature_def"'),
        counted=False,
    ),
    Way(
        name="gRPC v2 metadata",
        send=rpc(_V2 + "ModelMetadata"),
        payload=proto("inference.ModelMetadataRequest", f'name: "{MODEL}" version: "123"'),
        address=(MODEL, 123, None, ""),
        counted=False,
    ),
)

_NUMBERS = b"1.0, " * 200_000 + b"1.0"
LARGE = (
    Way(name="REST lane, lists", send=rest("POST", _PREDICT), payload=b'{"instances": [%b[1.0]]}' % (b"[1.0]," * 9000)),
    Way(
        name="REST road, numbers", send=rest("POST", _PREDICT, chunked=True), payload=b'{"instances": [%b]}' % _NUMBERS
    ),
    Way(
        name="REST gzip",
        send=rest("POST", _PREDICT, JSON, "Content-Encoding: gzip"),
        payload=gzip.compress(b'{"instances": [%b]}' % _NUMBERS),
    ),
    Way(
        name="REST v2 numbers",
        send=rest("POST", f"{_V2_PATH}/infer"),
        payload=_V2_BODY.replace(b"[1.0]", b"[%b]" % _NUMBERS).replace(b"[1]", b"[200001]"),
    ),
    Way(
        name="REST v2 deflate",
        send=rest("POST", f"{_V2_PATH}/infer", JSON, "Content-Encoding: deflate"),
        payload=zlib.compress(_V2_BODY),
    ),
    Way(name="REST npy", send=rest("POST", _PREDICT, NPY), payload=body_of(NPY, {"x": np.ones(500_000, np.float32)})),
    Way(name="gRPC Classify", send=rpc(_PREDICTION + "Classify"), payload=classification(1000)),
    Way(
        name="native Predict",
        send=rpc(_PREDICTION + "Predict"),
        payload=predict_request(Target(model=MODEL), {"x": np.ones(500_000, np.float32)}),
    ),
)
"""Requests that are read, or answered, on a worker."""
