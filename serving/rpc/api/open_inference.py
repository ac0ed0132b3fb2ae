"""The Open Inference Protocol's gRPC service, version 2, with Triton's extensions (docs/dialects.md)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from serving.codecs.open_inference import cost, message, response
from serving.codecs.open_inference.forms import KnownRequest, Outline, Reader, Request
from serving.codecs.open_inference.infer import InferRequest, address, results
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.plans import Encode, Plan, Plans
from serving.core.servable import ServableId
from serving.core.signature import Signature
from serving.core.tensor import Tensor
from serving.errors import invalid_argument
from serving.inference import infer, messages, model_description, statistics
from serving.inference.call import Reply
from serving.inference.context import NO_MODEL, RequestContext
from serving.inference.operations import InferForm
from serving.inference.service import Service
from serving.rpc.api import model_repository, open_inference_fixed
from serving.rpc.api.open_inference_messages import answer, parsed
from serving.rpc.api.tfs import unreadable
from serving.rpc.handler import Handler

SERVICE = "inference.GRPCInferenceService"
_PATH = f"/{SERVICE}/"
_NAME = "open_inference"

Method = Callable[[Service, bytes, RequestContext], Reply]


def handlers(service: Service) -> Mapping[str, Handler]:
    """The methods by full path but ``ModelStreamInfer``, which is a stream."""
    methods: dict[str, Method] = {
        "ServerLive": _server_live,
        "ServerReady": _server_ready,
        "ModelReady": _model_ready,
        "ServerMetadata": _server_metadata,
        "ModelMetadata": partial(_describe, "ModelMetadata", model_description.metadata),
        "ModelConfig": partial(_describe, "ModelConfig", lambda model: {"config": model_description.config(model)}),
        "ModelStatistics": _model_statistics,
        **model_repository.methods(),
        **open_inference_fixed.methods(),
    }
    bound: dict[str, Handler] = {_PATH + name: partial(method, service) for name, method in methods.items()}
    found = {_PATH + "ModelInfer": service.inferring(None, infer_form()), **bound}
    return {path: named(handler) for path, handler in found.items()}


def named(handler: Handler) -> Handler:
    """``handler``, of which policies and records learn whose message it is, as over REST."""

    def call(payload: bytes, context: RequestContext) -> Reply:
        context.protocol = _NAME
        if context.record is not None:
            context.record.protocol = _NAME
        return handler(payload, context)

    return call


def infer_form() -> InferForm:
    """How ModelInfer and ModelStreamInfer write a request; one remembers the forms of all that it reads."""
    return InferForm(
        api="infer",
        log_type=LogType.PREDICT,
        read=messages.reading(Reader(), partial(unreadable, message.ModelInferRequest), cost.seconds),
        peek=message.peek,
        missing=infer.missing,
        bind=_bind,
    )


def _bind(
    request: Request, plans: Plans, signature: Signature, servable_id: ServableId
) -> tuple[Plan, list[Tensor], Encode]:
    if not isinstance(request, KnownRequest):
        plan, tensors = infer.bind(request, plans, signature)
        classified = any(each.classes for each in request.outputs)
        return plan, tensors, _encode(plan, servable_id, request, classified, response.id_field(request.id))
    _, _, _, outline, tensors, request_id = request
    bound = plans.kept.get(outline.key)
    if bound is None:
        plan, tensors = infer.bind(request.whole(), plans, signature)
        plans.kept.keep(outline.key, plan)
    else:  # its types are those that were bound before
        plan = bound
        if plan.aliases != outline.names:
            tensors = [tensors[outline.names.index(alias)] for alias in plan.aliases]
        if plan.defaults:
            tensors = [*tensors, *plan.defaults]
    encode: Any = plan.encoders.get(_PATH)
    if encode is None or outline.classified:
        return plan, tensors, _encode(plan, servable_id, outline, outline.classified, request_id)
    return plan, tensors, (lambda outputs: encode(outputs, request_id)) if request_id else encode


def _encode(
    plan: Plan, servable_id: ServableId, request: InferRequest | Outline, classified: bool, request_id: bytes
) -> Encode:
    """What writes the answer to a request."""
    encode: Any = plan.encoders.get(_PATH)
    if encode is None:
        encode = plan.encoders[_PATH] = response.encoder(servable_id)
    if classified:
        return partial(_classified, encode, InferRequest({}, request.outputs), request_id)
    return (lambda outputs: encode(outputs, request_id)) if request_id else encode


def _classified(
    encode: response.Encode, request: InferRequest, request_id: bytes, outputs: Mapping[str, Tensor]
) -> bytes:
    return encode({wanted.name: tensor for wanted, tensor in results(request, outputs)}, request_id)


def _server_live(service: Service, payload: bytes, context: RequestContext) -> bytes:
    context.right = None  # everybody may: probes have no credentials
    service.admit(context, NO_MODEL, len(payload))
    parsed("ServerLive", payload)
    return answer("ServerLive", {"live": True})


def _server_ready(service: Service, payload: bytes, context: RequestContext) -> bytes:
    parsed("ServerReady", payload)
    return answer("ServerReady", {"ready": service.server_ready(context, len(payload))})


def _model_ready(service: Service, payload: bytes, context: RequestContext) -> bytes:
    request = parsed("ModelReady", payload)
    asked = address(request.name, request.version)
    return answer("ModelReady", {"ready": service.model_ready(asked, context, len(payload))})


def _server_metadata(service: Service, payload: bytes, context: RequestContext) -> bytes:
    parsed("ServerMetadata", payload)
    return answer("ServerMetadata", service.server_metadata(context, len(payload)))


def _describe(
    method: str,
    description: Callable[[model_description.ModelDescription], Mapping[str, Any]],
    service: Service,
    payload: bytes,
    context: RequestContext,
) -> Reply:
    """What a model's default signature is like."""
    request = parsed(method, payload)
    if not request.name:
        raise invalid_argument("The request has no name; expected the name of a model")
    write = lambda model: answer(method, description(model))  # noqa: E731
    return service.describe(address(request.name, request.version), "", write, context, len(payload))


def _model_statistics(service: Service, payload: bytes, context: RequestContext) -> Reply:
    """Of a model, of one version, or of all that there is."""
    request = parsed("ModelStatistics", payload)
    asked = address(request.name, request.version) if request.name else NO_MODEL
    write = lambda found: answer("ModelStatistics", statistics.statistics(found))  # noqa: E731
    return service.statistics(asked, write, context, len(payload))
