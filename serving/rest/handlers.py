"""What each route answers: decode, call the inference room, encode."""

from collections.abc import Callable

from serving.codecs import json_example, json_proto, json_request, json_response, json_results
from serving.codecs.json_request import Layout
from serving.core.manager import Manager
from serving.core.servable import ServableState
from serving.core.signature import DEFAULT_SIGNATURE_NAME, Signature
from serving.core.tensor import Tensor
from serving.errors import invalid_argument
from serving.inference import classify, examples, metadata, predict, regress, status
from serving.inference.examples import Planner
from serving.inference.work import Reply, Work
from serving.protos import GetModelStatusResponse, ModelSpec, SignatureDefMap
from serving.rest.routes import Route

ResultWriter = Callable[[dict[str, Tensor], int], bytes]
"""Makes the body of the outputs by alias and the number of Examples."""


class Handlers:
    """The API's handlers, bound to the models and to the settings that change answers."""

    def __init__(self, manager: Manager, *, timeout_ms: int, check_method_name: bool) -> None:
        self._manager = manager
        self._timeout_ms = timeout_ms
        self._check_method_name = check_method_name
        self._inference = {"predict": self.predict, "classify": self.classify, "regress": self.regress}

    def post(self, route: Route, body: bytes) -> Reply:
        """An inference request."""
        return self._inference[route.method](route, body)

    def get(self, route: Route) -> bytes:
        """Status or metadata."""
        if route.method == "metadata":
            return self.metadata(route)
        return self.status(route)

    def predict(self, route: Route, body: bytes) -> Work:
        """Predict in row or columnar form (docs/compatibility.md, "REST predict")."""
        document = json_request.read(body)
        handle = self._manager.acquire(route.name, route.version, route.label)

        def encode(tensors: list[Tensor]) -> bytes:
            return write(dict(zip(prediction.outputs, tensors, strict=True)))

        with handle.released_on_error():
            name = document.signature_name or DEFAULT_SIGNATURE_NAME
            signature = _signature(handle.servable.signatures.get(name), name, document.signature_name)
            layout, inputs = document.tensors(signature.inputs)
            write = json_response.predictions if layout is Layout.ROW else json_response.outputs
            signature = predict.find_signature(handle.servable, name, check_method_name=self._check_method_name)
            feeds = signature.feeds(tuple(inputs))
            prediction = predict.bind(handle.servable, signature, feeds, [inputs[alias] for alias in feeds.aliases])
            return Work(prediction, encode, handle, self._timeout_ms)

    def classify(self, route: Route, body: bytes) -> Work:
        """Classify (docs/compatibility.md, "REST classify and regress")."""

        def encode(outputs: dict[str, Tensor], count: int) -> bytes:
            return json_results.classifications(classify.result(outputs, count))

        return self._with_examples(route, body, classify.plan, encode)

    def regress(self, route: Route, body: bytes) -> Work:
        """Regress (docs/compatibility.md, "REST classify and regress")."""

        def encode(outputs: dict[str, Tensor], count: int) -> bytes:
            return json_results.regressions(regress.result(outputs, count))

        return self._with_examples(route, body, regress.plan, encode)

    def _with_examples(self, route: Route, body: bytes, planner: Planner, write: ResultWriter) -> Work:
        document = json_example.read(body)
        handle = self._manager.acquire(route.name, route.version, route.label)

        def encode(tensors: list[Tensor]) -> bytes:
            return write(dict(zip(prediction.outputs, tensors, strict=True)), len(document.examples))

        with handle.released_on_error():
            servable, name = handle.servable, document.signature_name or DEFAULT_SIGNATURE_NAME
            signature = examples.find_signature(servable, name)
            plan = planner(servable, name, signature, check_method_name=self._check_method_name)
            prediction = examples.bind(servable, plan, document.examples)
            return Work(prediction, encode, handle, self._timeout_ms)

    def status(self, route: Route) -> bytes:
        """The versions of a model; a label is ignored, as TensorFlow Serving does."""
        if not route.name:
            raise invalid_argument("Missing model name in request.")
        states = status.model_status(self._manager, route.name, route.version)
        return json_proto.dumps(_status_message(states)).encode("utf-8", "surrogateescape")

    def metadata(self, route: Route) -> bytes:
        """The signatures of the version that would answer."""
        if not route.name:
            raise invalid_argument("Missing model name in request.")
        with self._manager.acquire(route.name, route.version, route.label) as handle:
            spec = ModelSpec(name=handle.id.name, version={"value": handle.id.version})
            signatures: SignatureDefMap = metadata.signature_def_map(handle.servable)
        return (
            f'{{\n"model_spec":{json_proto.dumps(spec)},\n'
            f'"metadata": {{"signature_def": {json_proto.dumps(signatures)}}}\n}}\n'
        ).encode("utf-8", "surrogateescape")

    def models(self) -> bytes:
        """Every model with the states of its versions; TensorFlow Serving has no such list."""
        members = [
            f" {json_proto.quote(name)}: {json_proto.dumps(_status_message(self._manager.states(name)))}"
            for name in sorted(self._manager.models())
        ]
        return ('{\n"models": {\n' + ",\n".join(members) + "}\n}\n").encode("utf-8", "surrogateescape")


def _signature(signature: Signature | None, name: str, given: str) -> Signature:
    """The signature whose inputs type the JSON; its absence is worded differently here than over gRPC."""
    if signature is None:
        raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
    if not signature.inputs:
        raise invalid_argument(f"Failed to get input map for signature: {given or 'DEFAULT'}")
    return signature


def _status_message(states: tuple[ServableState, ...]) -> GetModelStatusResponse:
    response = GetModelStatusResponse()
    status.fill(response, states)
    return response
