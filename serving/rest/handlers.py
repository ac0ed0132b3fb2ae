"""What each route answers: decode, call the inference room, encode."""

from collections.abc import Callable
from functools import partial

from serving.codecs.json import example as json_example
from serving.codecs.json import proto as json_proto
from serving.codecs.json import request as json_request
from serving.codecs.json import response as json_response
from serving.codecs.json import results as json_results
from serving.codecs.json.request import Layout
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.handle import Handle
from serving.core.manager import Manager
from serving.core.predict_plan import PredictPlan
from serving.core.servable import ServableState
from serving.core.signature import DEFAULT_SIGNATURE_NAME
from serving.core.tensor import Tensor
from serving.errors import invalid_argument
from serving.inference import classify, examples, metadata, predict, regress, status
from serving.inference.examples import Planner
from serving.inference.work import Reply, Work
from serving.protos import GetModelStatusResponse, ModelSpec, SignatureDefMap
from serving.request_log.log import RequestLog
from serving.rest import logged, media, signatures
from serving.rest.binary import BinaryPredict
from serving.rest.media import Forms
from serving.rest.routes import Route
from serving.telemetry.serving_metrics import Call, ServingMetrics

ResultWriter = Callable[[dict[str, Tensor], int], bytes]
"""Makes the body of the outputs by alias and the number of Examples."""


class Handlers:
    """The API's handlers, bound to the models and to the settings that change answers.

    ``metrics`` counts them all; ``request_log`` keeps some of the inference requests.
    """

    def __init__(
        self,
        manager: Manager,
        *,
        timeout_ms: int,
        check_method_name: bool,
        as_content: bool = False,
        exact_digits: bool = False,
        metrics: ServingMetrics | None = None,
        request_log: RequestLog | None = None,
    ) -> None:
        self._manager = manager
        self._request_log = request_log if request_log is not None else RequestLog()
        self._metrics = metrics if metrics is not None else ServingMetrics()
        self._timeout_ms = timeout_ms
        self._check_method_name = check_method_name
        self._predictions = partial(json_response.predictions, exact_digits=exact_digits)
        self._outputs = partial(json_response.outputs, exact_digits=exact_digits)
        self._binary = BinaryPredict(
            manager,
            self._request_log,
            timeout_ms=timeout_ms,
            check_method_name=check_method_name,
            as_content=as_content,
            exact_digits=exact_digits,
        )
        self._inference = {"predict": self.predict, "classify": self.classify, "regress": self.regress}

    def post(self, route: Route, body: bytes, forms: Forms = media.JSON_ONLY) -> Reply:
        """An inference request. ``forms`` may be others than JSON for Predict alone."""
        call = self._metrics.call("REST", route.method, route.name)
        try:
            if forms is not media.JSON_ONLY:
                return self._binary.predict(route, body, forms, call)
            return self._inference[route.method](route, body, call)
        except BaseException as error:
            call.failed(error)
            raise

    def get(self, route: Route) -> bytes:
        """Status or metadata."""
        with self._metrics.call("REST", "", route.name) as call:
            reply = self.metadata(route) if route.method == "metadata" else self.status(route)
        call.answered()
        return reply

    def predict(self, route: Route, body: bytes, call: Call) -> Work:
        """Predict in row or columnar form (docs/compatibility.md, "REST predict")."""
        document = json_request.read(body)
        handle = self._manager.acquire(route.name, route.version, route.label)

        def encode(tensors: list[Tensor]) -> bytes:
            return write(dict(zip(prediction.outputs, tensors, strict=True)))

        try:
            plan = handle.plans.get(document.signature_name) or _planned(handle, document.signature_name)
            layout, inputs = document.tensors(plan.signature.inputs)
            write = self._predictions if layout is Layout.ROW else self._outputs
            if self._check_method_name:
                predict.check(plan.signature)
            prediction = plan.bind(inputs)
            work = Work(prediction, encode, handle, self._timeout_ms, call)
            if self._request_log.draws(handle.id):
                messages = logged.predict(route, document.signature_name, inputs, prediction, handle.id)
                name = document.signature_name or DEFAULT_SIGNATURE_NAME
                work.log = self._request_log.keeper(LogType.PREDICT, handle.id, name, messages)
            return work
        except BaseException:
            handle.release()
            raise

    def classify(self, route: Route, body: bytes, call: Call) -> Work:
        """Classify (docs/compatibility.md, "REST classify and regress")."""

        def encode(outputs: dict[str, Tensor], count: int) -> bytes:
            return json_results.classifications(classify.result(outputs, count))

        return self._with_examples(LogType.CLASSIFY, route, body, classify.plan, encode, call)

    def regress(self, route: Route, body: bytes, call: Call) -> Work:
        """Regress (docs/compatibility.md, "REST classify and regress")."""

        def encode(outputs: dict[str, Tensor], count: int) -> bytes:
            return json_results.regressions(regress.result(outputs, count))

        return self._with_examples(LogType.REGRESS, route, body, regress.plan, encode, call)

    def _with_examples(
        self, kind: LogType, route: Route, body: bytes, planner: Planner, write: ResultWriter, call: Call
    ) -> Work:
        document = json_example.read(body)
        handle = self._manager.acquire(route.name, route.version, route.label)

        def encode(tensors: list[Tensor]) -> bytes:
            return write(dict(zip(prediction.outputs, tensors, strict=True)), len(document.examples))

        with handle.released_on_error():
            servable, name = handle.servable, document.signature_name or DEFAULT_SIGNATURE_NAME
            signature = examples.find_signature(servable, name)
            plan = planner(servable, name, signature, check_method_name=self._check_method_name)
            prediction = examples.bind(servable, plan, document.examples)
            work = Work(prediction, encode, handle, self._timeout_ms, call)
            if self._request_log.draws(handle.id):
                given = document.examples
                messages = logged.examples(kind, route, document.signature_name, given, prediction, handle.id)
                work.log = self._request_log.keeper(kind, handle.id, name, messages)
            return work

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
        call = self._metrics.call("REST", "", "")
        members = [
            f" {json_proto.quote(name)}: {json_proto.dumps(_status_message(self._manager.states(name)))}"
            for name in sorted(self._manager.models())
        ]
        reply = ('{\n"models": {\n' + ",\n".join(members) + "}\n}\n").encode("utf-8", "surrogateescape")
        call.answered()
        return reply


def _planned(handle: Handle, given: str) -> PredictPlan:
    """The plan of requests that name their signature so; kept. INVALID_ARGUMENT without such a signature."""
    plan = PredictPlan(handle.servable, signatures.for_json(handle.servable, given))
    handle.plans[given] = plan
    return plan


def _status_message(states: tuple[ServableState, ...]) -> GetModelStatusResponse:
    response = GetModelStatusResponse()
    status.fill(response, states)
    return response
