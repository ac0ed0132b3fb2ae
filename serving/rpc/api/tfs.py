"""TensorFlow Serving's two gRPC services, PredictionService and ModelService (docs/grpc.md, "gRPC")."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import partial
from typing import Any

from google.protobuf.message import DecodeError

from serving.codecs.predict import response as predict_response
from serving.codecs.predict.request import PredictRequest, Reader
from serving.codecs.protobuf import inference_response, model_spec, pieces
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.model_spec import ModelSpec
from serving.core.plans import Encode, Plan, Plans
from serving.core.servable import ServableId
from serving.core.signature import Signature
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError
from serving.inference import messages, metadata, multi_inference, status
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.inference.messages import ExamplesMessage
from serving.inference.operations import ExamplesForm, PredictForm, Result
from serving.inference.placement import check_inline
from serving.inference.service import Service
from serving.protos import (
    ClassificationRequest,
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    MultiInferenceRequest,
    RegressionRequest,
    ReloadConfigRequest,
)
from serving.protos import PredictRequest as PredictMessage
from serving.rpc.handler import Handler

_PREDICTION, _MODEL = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"

_EXAMPLES_BYTE_SECONDS = 1e-7
"""To parse and take apart a message of many small Examples."""


def handlers(service: Service, *, as_content: bool) -> Mapping[str, Handler]:
    """The methods by full path; ``as_content`` is --enable_serialization_as_tensor_content."""
    return {
        _PREDICTION + "Predict": service.predicting(None, _predict(as_content=as_content)),
        _PREDICTION + "Classify": partial(service.classify, None, _examples("Classify", ClassificationRequest)),
        _PREDICTION + "Regress": partial(service.regress, None, _examples("Regress", RegressionRequest)),
        _PREDICTION + "MultiInference": partial(service.multi_inference, _MULTI_INFERENCE),
        _PREDICTION + "GetModelMetadata": partial(_get_model_metadata, service),
        _MODEL + "GetModelStatus": partial(_get_model_status, service),
        _MODEL + "HandleReloadConfigRequest": partial(_reload_config, service),
    }


def _predict(*, as_content: bool) -> PredictForm:
    def bind(
        request: PredictRequest, plans: Plans, name: str, signature: Signature
    ) -> tuple[Hashable, Plan, list[Tensor]]:
        plan, tensors = messages.bind(request, plans, name)
        return _PREDICTION, plan, tensors

    def encoder(key: Hashable, plan: Plan, servable_id: ServableId, name: str) -> Encode:
        return predict_response.encoder(servable_id, name, as_content=as_content)

    return PredictForm(
        api="Predict",
        log_type=LogType.PREDICT,
        read=messages.reading(Reader(), partial(unreadable, PredictMessage)),
        peek=_peek,
        missing=messages.missing,
        bind=bind,
        encoder=encoder,
    )


def _peek(payload: bytes, peek: Callable[[bytes], ModelSpec | None] = model_spec.peek) -> ModelSpec | None:
    try:
        return peek(payload)
    except DecodeError:
        return None  # reading it says what is wrong


def _examples(api: str, message_class: Any) -> ExamplesForm:
    def read(payload: bytes, limited: bool) -> ExamplesMessage:
        check_inline(len(payload) * _EXAMPLES_BYTE_SECONDS, limited=limited)
        message = parse(message_class, payload)
        spec = model_spec.decode_spec(message.model_spec) if message.HasField("model_spec") else None
        return ExamplesMessage(spec, message)

    def encode(results: Iterable[tuple[str, Result]], servable_id: ServableId) -> bytes:
        ((name, result),) = results
        return inference_response.response(inference_response.encode(result), servable_id, name)

    return ExamplesForm(api=api, log_type=LogType[api.upper()], read=read, peek=_peek, encode=encode)


def _read_multi_inference(payload: bytes, limited: bool) -> ExamplesMessage:
    check_inline(len(payload) * _EXAMPLES_BYTE_SECONDS, limited=limited)
    message = parse(MultiInferenceRequest, payload)
    tasks = messages.tasks_of(message)
    return ExamplesMessage(multi_inference.model_of(tasks), message, tasks)


def _tasks(results: Iterable[tuple[str, Result]], servable_id: ServableId) -> bytes:
    return b"".join(inference_response.task(servable_id, name, result) for name, result in results)


_MULTI_INFERENCE = ExamplesForm(
    api="",
    log_type=LogType.MULTI_INFERENCE,
    read=_read_multi_inference,
    peek=partial(_peek, peek=model_spec.peek_task),
    encode=_tasks,
)


def _get_model_metadata(service: Service, payload: bytes, context: RequestContext) -> Reply:
    """The signatures, packed as SignatureDefMap."""
    request = parse(GetModelMetadataRequest, payload)
    spec = model_spec.decode(request)
    metadata.check_fields(request.metadata_field)
    model_spec.check_name(spec)
    return service.metadata(spec, _metadata_response, context, len(payload))


def _metadata_response(servable_id: ServableId, signatures: Any) -> bytes:
    response = GetModelMetadataResponse()
    response.model_spec.name = servable_id.name
    response.model_spec.version.value = servable_id.version
    response.metadata[metadata.SIGNATURE_DEF].Pack(signatures)
    return bytes(response.SerializeToString())


def _get_model_status(service: Service, payload: bytes, context: RequestContext) -> bytes:
    """The states of a model's versions; a label is ignored, as TensorFlow Serving does."""
    spec = model_spec.decode(parse(GetModelStatusRequest, payload))
    response = GetModelStatusResponse()
    status.fill(response, service.status(spec, context, len(payload)))
    return bytes(response.SerializeToString())


def _reload_config(service: Service, payload: bytes, context: RequestContext) -> Reply:
    """Another list of models in place of the present one."""
    request = parse(ReloadConfigRequest, payload)
    return service.reload(request, lambda response: bytes(response.SerializeToString()), context, len(payload))


def parse(message_class: Any, payload: bytes) -> Any:
    """The request message; INTERNAL, as gRPC's own deserialisation, if the bytes are none."""
    try:
        return pieces.parse(message_class, payload)
    except DecodeError:
        raise unreadable(message_class, payload) from None


def unreadable(message_class: Any, payload: bytes) -> ServingError:
    """The error of bytes that are no message of this class."""
    name = message_class.DESCRIPTOR.full_name
    return ServingError(Code.INTERNAL, f"Cannot parse the request of {len(payload)} bytes; expected a {name} message")
