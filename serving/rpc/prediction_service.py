"""``tensorflow.serving.PredictionService``: serialised requests in, replies out (docs/compatibility.md, "gRPC")."""

from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from serving.codecs.predict import response as predict_response
from serving.codecs.predict.request import Reader
from serving.codecs.protobuf import inference_response, model_spec
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.handle import Handle
from serving.core.manager import Manager
from serving.core.model_spec import ModelSpec
from serving.core.predict_plan import Prediction
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError
from serving.inference import classify, messages, metadata, multi_inference, regress
from serving.inference.examples import Planner
from serving.inference.work import Answered, Work
from serving.protos import (
    ClassificationRequest,
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    MultiInferenceRequest,
    PredictRequest,
    RegressionRequest,
)
from serving.request_log.log import RequestLog
from serving.telemetry.serving_metrics import UNCOUNTED, Call, ServingMetrics

ReadT = TypeVar("ReadT")

ResultEncoder = Callable[[dict[str, Tensor], int], bytes]
"""Makes the serialised result of the outputs by alias and the number of Examples."""


class PredictionService:
    """The service's methods, bound to the models and to the settings that change answers.

    ``metrics`` counts Predict, Classify and Regress, and the Examples of MultiInference, as TensorFlow Serving does;
    ``request_log`` keeps some of the requests.
    """

    def __init__(
        self,
        manager: Manager,
        *,
        as_content: bool,
        check_method_name: bool,
        metrics: ServingMetrics | None = None,
        request_log: RequestLog | None = None,
    ) -> None:
        self._manager = manager
        self._requests = Reader()
        self._request_log = request_log if request_log is not None else RequestLog()
        self._metrics = metrics if metrics is not None else ServingMetrics()
        self._as_content = as_content
        self._check_method_name = check_method_name

    def predict(self, payload: bytes, timeout_ms: int) -> Work:
        """``Predict``; steps and texts as docs/compatibility.md, "gRPC Predict"."""
        request = parsed(PredictRequest, payload, self._requests.read)
        with self._metrics.call("GRPC", "Predict", request.model) as call:
            spec = model_spec.present(request.spec)
            handle = self._acquire(spec)

            def encode(tensors: list[Tensor]) -> bytes:
                return predict_response.encode(
                    prediction.outputs, tensors, handle.id, spec.signature, as_content=self._as_content
                )

            with handle.released_on_error():
                prediction = messages.bind_request(handle.servable, request, check_method_name=self._check_method_name)
                log = self._log(LogType.PREDICT, handle, spec.signature, payload)
                return Work(prediction, encode, handle, timeout_ms, call, log)

    def classify(self, payload: bytes, timeout_ms: int) -> Work:
        """``Classify`` (docs/compatibility.md, "Classify and regress")."""

        def result(outputs: dict[str, Tensor], count: int) -> bytes:
            return inference_response.classification(classify.result(outputs, count))

        request = parse(ClassificationRequest, payload)
        with self._call("Classify", request) as call:
            return self._with_examples(LogType.CLASSIFY, request, payload, timeout_ms, classify.plan, result, call)

    def regress(self, payload: bytes, timeout_ms: int) -> Work:
        """``Regress`` (docs/compatibility.md, "Classify and regress")."""

        def result(outputs: dict[str, Tensor], count: int) -> bytes:
            return inference_response.regression(regress.result(outputs, count))

        request = parse(RegressionRequest, payload)
        with self._call("Regress", request) as call:
            return self._with_examples(LogType.REGRESS, request, payload, timeout_ms, regress.plan, result, call)

    def multi_inference(self, payload: bytes, timeout_ms: int) -> Work:
        """``MultiInference`` (docs/compatibility.md, "MultiInference")."""
        request = parse(MultiInferenceRequest, payload)
        first = multi_inference.model_of(messages.tasks_of(request))
        handle = self._manager.acquire(first.name, first.version, first.label)

        def encode(tensors: list[Tensor]) -> bytes:
            self._metrics.examples(first.name, _rows(planned.prediction))
            return b"".join(
                inference_response.task(handle.id, task.signature_name, result)
                for task, result in zip(planned.tasks, planned.results(tensors), strict=True)
            )

        with handle.released_on_error():
            planned = messages.bind_multi_inference(
                handle.servable, request, check_method_names=self._check_method_name
            )
            log = self._log(LogType.MULTI_INFERENCE, handle, "", payload)
            return Work(planned.prediction, encode, handle, timeout_ms, UNCOUNTED, log)

    def _log(self, kind: LogType, handle: Handle, signature_name: str, payload: bytes) -> Answered | None:
        """What keeps the request, as it came, and its answer; None nearly always."""
        if not self._request_log.draws(handle.id):
            return None
        return self._request_log.keeper(kind, handle.id, signature_name, lambda _, body: (payload, body))

    def _call(self, api: str, request: Any) -> Call:
        return self._metrics.call("GRPC", api, request.model_spec.name)

    def _acquire(self, spec: ModelSpec) -> Handle:
        model_spec.check_name(spec)
        return self._manager.acquire(spec.name, spec.version, spec.label)

    def _with_examples(
        self,
        kind: LogType,
        request: Any,
        payload: bytes,
        timeout_ms: int,
        planner: Planner,
        result: ResultEncoder,
        call: Call,
    ) -> Work:
        spec = model_spec.decode(request)
        handle = self._acquire(spec)

        def encode(tensors: list[Tensor]) -> bytes:
            named = dict(zip(prediction.outputs, tensors, strict=True))
            return inference_response.response(result(named, _rows(prediction)), handle.id, spec.signature)

        with handle.released_on_error():
            prediction = messages.bind_examples(
                handle.servable, request, planner, check_method_name=self._check_method_name
            )
            log = self._log(kind, handle, spec.signature, payload)
            return Work(prediction, encode, handle, timeout_ms, call, log)

    def get_model_metadata(self, payload: bytes, timeout_ms: int) -> bytes:
        """``GetModelMetadata``: the signatures, packed as SignatureDefMap."""
        request = parse(GetModelMetadataRequest, payload)
        spec = model_spec.decode(request)
        metadata.check_fields(request.metadata_field)
        model_spec.check_name(spec)
        with self._manager.acquire(spec.name, spec.version, spec.label) as handle:
            response = GetModelMetadataResponse()
            response.model_spec.name = handle.id.name
            response.model_spec.version.value = handle.id.version
            response.metadata[metadata.SIGNATURE_DEF].Pack(metadata.signature_def_map(handle.servable))
        return bytes(response.SerializeToString())


def parse(message_class: Any, payload: bytes) -> Any:
    """The request message; INTERNAL, as gRPC's own deserialisation, if the bytes are none."""
    return parsed(message_class, payload, message_class.FromString)


def parsed(message_class: Any, payload: bytes, read: Callable[[bytes], ReadT]) -> ReadT:
    """What ``read`` makes of a serialised message, with the same error."""
    try:
        return read(payload)
    except DecodeError:
        name = message_class.DESCRIPTOR.full_name
        raise ServingError(
            Code.INTERNAL, f"Cannot parse the request of {len(payload)} bytes; expected a {name} message"
        ) from None


def _rows(prediction: Prediction) -> int:
    """How many Examples a call is fed with."""
    return len(prediction.tensors[0].array)
