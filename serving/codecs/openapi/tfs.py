"""TensorFlow Serving's REST API in documents: for one version by its signatures, and for any model of the server."""

from collections.abc import Mapping
from typing import Any

from serving.codecs.openapi import bodies, schemas
from serving.codecs.openapi.parts import Answered, Json, Names, Part, Server, Version, answered, errors, operation
from serving.codecs.openapi.schemas import list_of, message, ref
from serving.codecs.openapi.tfs_schemas import SCHEMAS
from serving.core.signature import (
    CLASSIFY_METHOD_NAME,
    DEFAULT_SIGNATURE_NAME,
    LOADER_SIGNATURES,
    REGRESS_METHOD_NAME,
    Signature,
)
from serving.core.tensor import DataType

_TAG = "TensorFlow Serving"
_TAGS = {_TAG: "TensorFlow Serving's REST API."}
_CALL_ERRORS = (400, 403, 404, 409, 413, 429, 499, 500, 501, 503, 504)
_READ_ERRORS = (400, 404, 500, 503, 504)

_EXAMPLES_INPUT = "inputs"
_METHODS = {"classify": (CLASSIFY_METHOD_NAME, "ClassifyAnswer"), "regress": (REGRESS_METHOD_NAME, "RegressAnswer")}


def of_version(version: Version) -> Part:
    """The paths of one version."""
    path, made = f"/v1/models/{version.path}", _Made(version)
    paths: Json = {}
    predict = made.predict()
    if predict is not None:
        paths[f"{path}:predict"] = {"post": predict}
    for verb in _METHODS:
        found = made.with_examples(verb)
        if found is not None:
            paths[f"{path}:{verb}"] = {"post": found}
    if not version.by_label:  # TensorFlow Serving passes over a label there
        paths[path] = {"get": _get("get_status", "The states of the versions", "ModelStatus")}
    paths[f"{path}/metadata"] = {"get": _get("get_metadata", "The signatures", "ModelMetadata")}
    return Part(paths, {**SCHEMAS, **made.schemas}, _TAGS)


def of_server(server: Server) -> Part:
    """The paths for all models, whatever they take."""
    paths: Json = {
        "/v1/models": {"get": _get("list_models", "The names of the models, and every model with its states", "Models")}
    }
    for suffix, what, parameters in _addresses(server):
        path = f"/v1/models/{{model}}{suffix}"
        if what != "_label":
            status = _get(f"get{what}_status", "The states of the versions", "ModelStatus")
            paths[path] = {"parameters": parameters, "get": status}
        metadata = _get(f"get{what}_metadata", "The signatures", "ModelMetadata")
        paths[f"{path}/metadata"] = {"parameters": parameters, "get": metadata}
        for verb, request, answer in _VERBS:
            body = {"required": True, "content": {"application/json": {"schema": ref(request)}}}
            called = _called(f"{verb}{what}", f"{verb.capitalize()} with any model", body, ref(answer))
            paths[f"{path}:{verb}"] = {"parameters": parameters, "post": called}
    return Part(paths, {**SCHEMAS, **_ANY_MODEL}, _TAGS)


class _Made:
    """What is made of the signatures of a version; ``schemas`` grows."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self.schemas: Json = {}
        names = Names()
        self._of = {
            name: names.of(name)
            for name in sorted(version.signatures, key=lambda each: (each != DEFAULT_SIGNATURE_NAME, each))
            if not name.startswith(LOADER_SIGNATURES)
        }
        """The names of components by signature, that of the default one first."""

    def predict(self) -> Json | None:
        """The operation; None if there is no signature that JSON can call."""
        requests, answers = [], []
        examples: Json = {}
        for name in self._of:
            signature = self._version.for_predict[name]
            known = self._version.examples.predict.get(name)
            for form, request, answer in self._forms(name, signature, known):
                title = f"{self._of[name]}{form}"
                self.schemas |= {f"{title}Request": request, f"{title}Answer": answer}
                requests.append(ref(f"{title}Request"))
                answers.append(ref(f"{title}Answer"))
            examples |= self._examples(name, known)
        if not requests:
            return None
        body = _body(requests, examples)
        return _called("predict", f"Predict with {self._version.id.name}", body, _either("anyOf", answers))

    def with_examples(self, verb: str) -> Json | None:
        """The operation of Classify or Regress; None if no signature is for it."""
        method_name, answer = _METHODS[verb]
        known: Mapping[str, Json] = getattr(self._version.examples, verb)
        requests = []
        examples: Json = {}
        for name in self._of:
            signature = self._version.signatures[name]
            info = signature.inputs.get(_EXAMPLES_INPUT)
            if signature.method_name != method_name or info is None or info.dtype is not DataType.STRING:
                continue
            title = f"{self._of[name]}ExamplesRequest"
            members = {"context": ref("Example"), "examples": list_of(ref("Example"), minItems=1)}
            self.schemas[title] = _request(name, members, required="examples")
            requests.append(ref(title))
            if name in known:
                examples[self._of[name]] = {"summary": name, "value": known[name]}
        if not requests:
            return None
        summary = f"{verb.capitalize()} with {self._version.id.name}"
        return _called(verb, summary, _body(requests, examples), ref(answer))

    def _forms(self, name: str, signature: Signature, known: Answered | None) -> list[tuple[str, Json, Json]]:
        """Rows and columns, each with the schemas of its request and answer, as far as JSON has them."""
        inputs, outputs = signature.inputs, signature.outputs
        if not (schemas.are_carried(inputs) and schemas.are_carried(outputs)):
            return []
        sent = {} if known is None else known.inputs
        binary = {alias for alias, tensor in sent.items() if bodies.is_binary(alias, tensor)}
        columns = {"inputs": schemas.columns_in(inputs, binary)}
        answer = message({"outputs": schemas.columns_out(outputs)})
        made = [("Columns", _request(name, columns, required="inputs"), answer)]
        if schemas.have_rows(inputs) and schemas.have_rows(outputs):
            rows = {"instances": schemas.list_of_rows(inputs, schemas.rows_in(inputs, binary), least=1)}
            answer = message({"predictions": schemas.list_of_rows(outputs, schemas.rows_out(outputs))})
            made.insert(0, ("Rows", _request(name, rows, required="instances"), answer))
        return made

    def _examples(self, name: str, known: Answered | None) -> Json:
        if known is None:
            return {}
        title = self._of[name]
        made = {f"{title}Columns": {"summary": f"{name}, columns", "value": bodies.columns(name, known.inputs)}}
        if known.in_rows:
            rows = {"summary": f"{name}, rows", "value": bodies.rows(name, known.inputs)}
            made = {f"{title}Rows": rows, **made}
        return made


def _request(signature_name: str, members: Json, *, required: str) -> Json:
    """The body of a request for a signature, which it names unless it is the default one."""
    named = {"signature_name": {"type": "string", "const": signature_name}}
    needed = [required] if signature_name == DEFAULT_SIGNATURE_NAME else ["signature_name", required]
    return {
        "type": "object",
        "properties": {**named, **members},
        "required": needed,
        "additionalProperties": False,
    }


def _body(requests: list[Json], examples: Json) -> Json:
    content: Json = {"schema": _either("oneOf", requests)}
    if examples:
        content["examples"] = examples
    return {"required": True, "content": {"application/json": content}}


def _either(word: str, several: list[Json]) -> Json:
    return several[0] if len(several) == 1 else {word: several}


def _called(operation_id: str, summary: str, body: Json, answer: Json) -> Json:
    responses = {"200": answered("The answer.", answer), **errors(_CALL_ERRORS)}
    return operation(operation_id, _TAG, summary, responses, requestBody=body, **{"x-right": "predict"})


def _get(operation_id: str, summary: str, schema: str) -> Json:
    responses = {"200": answered(summary + ".", ref(schema)), **errors(_READ_ERRORS)}
    return operation(operation_id, _TAG, summary, responses, **{"x-right": "read"})


def _addresses(server: Server) -> list[tuple[str, str, list[Json]]]:
    """How a model is named: the end of its path, the word for it in operation ids, its parameters."""
    model: Json = {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    if server.models:
        model["examples"] = {f"model{index}": {"value": name} for index, name in enumerate(server.models)}
    number = {"type": "integer", "format": "int64", "minimum": 0, "maximum": 2**63 - 1}
    version = {"name": "version", "in": "path", "required": True, "schema": number}
    label = {"name": "label", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    return [
        ("", "_model", [model]),
        ("/versions/{version}", "_version", [model, version]),
        ("/labels/{label}", "_label", [model, label]),
    ]


_ANY: dict[str, Any] = {"description": "As the model's own document says."}
_NAME = {"signature_name": {"type": "string"}}
_ANY_MODEL: Json = {
    "PredictRequest": {
        "type": "object",
        "description": "Either instances, a list of rows, or inputs, whole tensors.",
        "properties": {**_NAME, "instances": list_of({}, minItems=1), "inputs": _ANY},
        "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
    },
    "PredictAnswer": {
        "type": "object",
        "description": "predictions for instances, outputs for inputs.",
        "properties": {"predictions": list_of({}), "outputs": _ANY},
        "oneOf": [{"required": ["predictions"]}, {"required": ["outputs"]}],
    },
    "ExamplesRequest": message(
        {"examples": list_of(ref("Example"), minItems=1)},
    ),
}
_VERBS = (
    ("predict", "PredictRequest", "PredictAnswer"),
    ("classify", "ExamplesRequest", "ClassifyAnswer"),
    ("regress", "ExamplesRequest", "RegressAnswer"),
)
