"""The Open Inference Protocol's REST API in documents, in JSON: binary tensor data is described on its own page."""

from collections.abc import Mapping

from serving.codecs.open_inference.datatypes import DATATYPES
from serving.codecs.open_inference.json_data import BINARY_ONLY
from serving.codecs.openapi import bodies, schemas
from serving.codecs.openapi.parts import Json, Names, Part, Server, Version, answered, errors, operation
from serving.codecs.openapi.schemas import list_of, message, ref
from serving.core.signature import DEFAULT_SIGNATURE_NAME, LOADER_SIGNATURES, Signature, TensorInfo
from serving.core.tensor import DataType, Tensor

_TAG = "Open Inference Protocol"
_TAGS = {_TAG: "Version 2 of the Open Inference Protocol, as KServe's and Triton's clients speak it; tensors in JSON."}
_CALL_ERRORS = (400, 403, 404, 409, 413, 429, 499, 500, 501, 503, 504)
_READ_ERRORS = (400, 404, 500, 503, 504)

_IN_JSON = frozenset(DATATYPES) - BINARY_ONLY
"""The data types that have a form in the protocol's JSON."""
_NAME = {"type": "string"}
_SHAPE = schemas.list_of({"type": "integer", "minimum": 0, "maximum": 2**63 - 1})
_READS = (
    ("", "metadata", "The inputs and outputs", "TensorMetadata"),
    ("/ready", "ready", "Whether the version answers", "ModelReady"),
    ("/config", "config", "The same in the words of Triton's model configuration", "ModelConfig"),
    ("/stats", "statistics", "What was asked, and how long it took", "ModelStatistics"),
)


def of_version(version: Version) -> Part:
    """The paths of one version; a label stands where a number does."""
    path = "/v2/models/" + version.path.replace("/labels/", "/versions/")
    paths: Json = {}
    infer, requests = _infer(version)
    if infer is not None:
        paths[f"{path}/infer"] = {"post": infer}
    for end, what, summary, schema in _READS:
        paths[f"{path}{end}"] = {"get": _get(f"get_infer_{what}", summary, schema)}
    return Part(paths, {**_SCHEMAS, **requests}, _TAGS)


def of_server(server: Server) -> Part:
    """The paths for all models, and those of the server."""
    paths: Json = {
        "/v2": {"get": _get("get_infer_server", "What the server is", "ServerMetadata")},
        "/v2/health/live": {"get": _get("get_infer_live", "Whether the process answers", "ServerLive", None)},
        "/v2/health/ready": {"get": _get("get_infer_server_ready", "Whether models are ready", "ServerReady", None)},
    }
    model: Json = {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    version: Json = {"name": "version", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    for end, what, parameters in (("", "model", [model]), ("/versions/{version}", "version", [model, version])):
        path = f"/v2/models/{{model}}{end}"
        body = {"required": True, "content": {"application/json": {"schema": ref("InferRequest")}}}
        paths[f"{path}/infer"] = {"parameters": parameters, "post": _called(f"infer_{what}", "Infer", body)}
        for last, word, summary, schema in _READS:
            found = _get(f"get_infer_{what}_{word}", summary, schema)
            paths[f"{path}{last}"] = {"parameters": parameters, "get": found}
    return Part(paths, _SCHEMAS, _TAGS)


def body(signature_name: str, inputs: Mapping[str, Tensor]) -> Json | None:
    """A request with these tensors; None if there are strings that JSON cannot carry here, or another such type."""
    if any(tensor.dtype not in _IN_JSON or bodies.is_binary("", tensor) for tensor in inputs.values()):
        return None
    sent = [
        {
            "name": alias,
            "datatype": DATATYPES[tensor.dtype],
            "shape": list(tensor.array.shape),
            "data": bodies.flat(tensor),
        }
        for alias, tensor in inputs.items()
    ]
    named = {} if signature_name == DEFAULT_SIGNATURE_NAME else {"parameters": {"signature_name": signature_name}}
    return {**named, "inputs": sent}


def _infer(version: Version) -> tuple[Json | None, Json]:
    """The operation, None if JSON has no form for any signature; and the schemas of its requests."""
    names, made = Names(), dict[str, Json]()
    examples: Json = {}
    for name in sorted(version.for_predict, key=lambda each: (each != DEFAULT_SIGNATURE_NAME, each)):
        signature = version.for_predict[name]
        ends = (*signature.inputs.values(), *signature.outputs.values())
        if name.startswith(LOADER_SIGNATURES) or not all(each.dtype in _IN_JSON for each in ends):
            continue
        own = names.of(name)
        made[f"{own}InferRequest"] = _request(name, signature)
        if name in version.examples.infer:
            examples[own] = {"summary": name, "value": version.examples.infer[name]}
    if not made:
        return None, {}
    requests = list(map(ref, made))
    content: Json = {"schema": requests[0] if len(requests) == 1 else {"oneOf": requests}}
    if examples:
        content["examples"] = examples
    asked = {"required": True, "content": {"application/json": content}}
    return _called("infer", f"Infer with {version.id.name}", asked), made


def _request(name: str, signature: Signature) -> Json:
    tensors = [_tensor(alias, info) for alias, info in signature.inputs.items()]
    needed = len(tensors) - len(signature.defaults)
    items: Json = tensors[0] if len(tensors) == 1 else {"anyOf": tensors} if tensors else {}
    members: Json = {"inputs": {**list_of(items), "minItems": needed, "maxItems": len(tensors)}, "id": _NAME}
    required = ["inputs"]
    if name != DEFAULT_SIGNATURE_NAME:
        members["parameters"] = message({"signature_name": {"type": "string", "const": name}})
        required.append("parameters")
    return {"type": "object", "properties": members, "required": required, "additionalProperties": False}


def _tensor(alias: str, info: TensorInfo) -> Json:
    """An input: its values are in a list without nesting, as many as the shape says."""
    rank = {} if info.shape is None else {"minItems": len(info.shape), "maxItems": len(info.shape)}
    element = {"type": "string"} if info.dtype is DataType.STRING else schemas.sent(alias, info, ())
    return message(
        {
            "name": {"type": "string", "const": alias},
            "datatype": {"type": "string", "const": DATATYPES[info.dtype]},
            "shape": {**_SHAPE, **rank},
            "data": list_of(element),
        },
        additionalProperties=False,
    )


def _called(operation_id: str, summary: str, asked: Json) -> Json:
    responses = {"200": answered("The answer.", ref("InferAnswer")), **errors(_CALL_ERRORS)}
    return operation(operation_id, _TAG, summary, responses, requestBody=asked, **{"x-right": "predict"})


def _get(operation_id: str, summary: str, schema: str, right: str | None = "read") -> Json:
    responses = {"200": answered(summary + ".", ref(schema)), **errors(_READ_ERRORS)}
    return operation(operation_id, _TAG, summary, responses, **{"x-right": right})


_DATATYPE = {"type": "string", "enum": sorted(DATATYPES.values())}
_VALUES = list_of({"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "boolean"}]})
_DESCRIBED = list_of(
    message({"name": _NAME, "datatype": {"type": "string"}, "shape": list_of({"type": "integer"})}),
)
_TYPED = list_of(message({"name": _NAME, "data_type": _NAME, "dims": list_of({"type": "integer"})}))
_SCHEMAS: Json = {
    "InferRequest": message(
        {"inputs": list_of(message({"name": _NAME, "datatype": _DATATYPE, "shape": _SHAPE, "data": list_of({})}))},
    ),
    "InferAnswer": {
        **message({"model_name": _NAME, "model_version": _NAME, "id": _NAME, "outputs": list_of(ref("InferOutput"))}),
        "required": ["model_name", "model_version", "outputs"],
    },
    "InferOutput": message({"name": _NAME, "datatype": _DATATYPE, "shape": _SHAPE, "data": _VALUES}),
    "ServerMetadata": message({"name": _NAME, "version": _NAME, "extensions": list_of(_NAME)}),
    "ServerLive": message({"live": {"type": "boolean"}}),
    "ServerReady": message({"ready": {"type": "boolean"}}),
    "ModelReady": message({"name": _NAME, "ready": {"type": "boolean"}}),
    "TensorMetadata": message(
        {
            "name": _NAME,
            "versions": list_of(_NAME),
            "platform": _NAME,
            "inputs": _DESCRIBED,
            "outputs": _DESCRIBED,
        }
    ),
    "ModelConfig": message(
        {"name": _NAME, "platform": _NAME, "max_batch_size": {"type": "integer"}, "input": _TYPED, "output": _TYPED}
    ),
    "ModelStatistics": message({"model_stats": list_of(message({"name": _NAME, "version": _NAME}))}),
}
