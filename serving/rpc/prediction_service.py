"""``tensorflow.serving.PredictionService``: serialised requests in, replies out (docs/compatibility.md, "gRPC")."""

from typing import Any

from google.protobuf.message import DecodeError

from serving.codecs import example_input, inference_response, model_spec, predict_response, tensor_proto
from serving.core.manager import Manager
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError, invalid_argument
from serving.inference import classify, examples, metadata, multi_inference, predict, regress
from serving.inference.examples import ExampleEncoder, Planner
from serving.inference.multi_inference import Task
from serving.inference.work import Work
from serving.protos import (
    ClassificationRequest,
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    MultiInferenceRequest,
    PredictRequest,
    RegressionRequest,
)


class PredictionService:
    """The service's methods, bound to the models and to the settings that change answers."""

    def __init__(self, manager: Manager, *, as_content: bool, check_method_name: bool) -> None:
        self._manager = manager
        self._as_content = as_content
        self._check_method_name = check_method_name

    def predict(self, payload: bytes, timeout_ms: int) -> Work:
        """``Predict``; steps and texts as docs/compatibility.md, "gRPC Predict"."""
        request = parse(PredictRequest, payload)
        spec = model_spec.decode(request)
        model_spec.check_name(spec)
        handle = self._manager.acquire(spec.name, spec.version, spec.label)
        try:
            name = spec.signature
            signature = predict.find_signature(handle.servable, name, check_method_name=self._check_method_name)
            feeds = signature.feeds(tuple(request.inputs))
            given = [_tensor(alias, request.inputs[alias]) for alias in feeds.aliases]
            prediction = predict.bind(handle.servable, signature, feeds, given, tuple(request.output_filter))
        except BaseException:
            handle.release()
            raise
        outputs, servable_id, as_content = prediction.outputs, handle.id, self._as_content

        def encode(tensors: list[Tensor]) -> bytes:
            return predict_response.encode(outputs, tensors, servable_id, name, as_content=as_content)

        return Work(prediction, encode, handle, timeout_ms)

    def classify(self, payload: bytes, timeout_ms: int) -> Work:
        """``Classify`` (docs/compatibility.md, "Classify and regress")."""

        def result(outputs: dict[str, Tensor], count: int) -> bytes:
            return inference_response.classification(classify.result(outputs, count))

        return self._with_examples(ClassificationRequest, payload, timeout_ms, classify.plan, result)

    def regress(self, payload: bytes, timeout_ms: int) -> Work:
        """``Regress`` (docs/compatibility.md, "Classify and regress")."""

        def result(outputs: dict[str, Tensor], count: int) -> bytes:
            return inference_response.regression(regress.result(outputs, count))

        return self._with_examples(RegressionRequest, payload, timeout_ms, regress.plan, result)

    def _with_examples(
        self, message: Any, payload: bytes, timeout_ms: int, plan: Planner, result: ExampleEncoder
    ) -> Work:
        request = parse(message, payload)
        spec = model_spec.decode(request)
        model_spec.check_name(spec)
        serialized = example_input.decode(request.input)
        handle = self._manager.acquire(spec.name, spec.version, spec.label)
        servable_id, name = handle.id, spec.signature

        def encode(outputs: dict[str, Tensor], count: int) -> bytes:
            return inference_response.response(result(outputs, count), servable_id, name)

        return examples.work(
            handle, name, serialized, plan, encode, timeout_ms, check_method_name=self._check_method_name
        )

    def multi_inference(self, payload: bytes, timeout_ms: int) -> Work:
        """``MultiInference`` (docs/compatibility.md, "MultiInference")."""
        request = parse(MultiInferenceRequest, payload)
        tasks = [Task(model_spec.decode_spec(task.model_spec), task.method_name) for task in request.tasks]
        first = multi_inference.model_of(tasks)
        serialized = example_input.decode(request.input)
        handle = self._manager.acquire(first.name, first.version, first.label)
        try:
            planned = multi_inference.bind(
                handle.servable, tasks, serialized, check_method_names=self._check_method_name
            )
        except BaseException:
            handle.release()
            raise
        servable_id, count = handle.id, len(serialized)

        def encode(tensors: list[Tensor]) -> bytes:
            results = planned.results(tensors, count)
            return b"".join(
                inference_response.task(servable_id, task.signature_name, result)
                for task, result in zip(planned.tasks, results, strict=True)
            )

        return Work(planned.prediction, encode, handle, timeout_ms)

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
    try:
        return message_class.FromString(payload)
    except DecodeError:
        name = message_class.DESCRIPTOR.full_name
        raise ServingError(
            Code.INTERNAL, f"Cannot parse the request of {len(payload)} bytes; expected a {name} message"
        ) from None


def _tensor(alias: str, proto: Any) -> Tensor:
    tensor = tensor_proto.decode(proto)
    if tensor is None:
        raise invalid_argument(f"tensor parsing error: {alias}")
    return tensor
