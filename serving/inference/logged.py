"""Requests and answers as the messages that gRPC would have carried, for the request log; not what clients get."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from serving.codecs.predict import response as predict_response
from serving.codecs.protobuf import inference_response, prediction_log
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.model_spec import ModelSpec
from serving.core.plans import Plan
from serving.core.servable import ServableId
from serving.core.tensor import Tensor
from serving.inference.call import Answered, Call
from serving.inference.classify import CLASSIFY
from serving.inference.context import Door
from serving.inference.operations import Form, InferForm, Operation
from serving.inference.regress import REGRESS

Messages = Callable[[list[Tensor], bytes], tuple[bytes, bytes]]
"""Makes the serialised request and response messages of the outputs and the answer's body."""


class RequestLog(Protocol):
    """Who keeps some of the requests, of the models in ``models``."""

    models: Mapping[str, Any]

    def draws(self, servable_id: ServableId) -> bool:
        """Whether this request is kept, once it is answered; asked once for each."""
        ...

    def keeper(self, kind: LogType, servable_id: ServableId, signature_name: str, messages: Messages) -> Answered:
        """What is to be called with the answer of a request that was drawn."""
        ...


def predict(spec: ModelSpec, plan: Plan, inputs: list[Tensor], message: bytes, servable_id: ServableId) -> Messages:
    """PredictRequest, the ``message`` that came if there is one, and PredictResponse."""

    def messages(outputs: list[Tensor], body: bytes) -> tuple[bytes, bytes]:
        given = dict(zip(plan.aliases, inputs, strict=False))  # without the defaults behind them
        request = message + prediction_log.addressed(spec) if message else prediction_log.predict_request(spec, given)
        named = dict(zip(plan.outputs, outputs, strict=True))
        response = predict_response.encode(named, servable_id, spec.signature, as_content=False)
        return request, response

    return messages


def examples(
    operation: Operation, spec: ModelSpec, plan: Plan, inputs: list[Tensor], servable_id: ServableId
) -> Messages:
    """ClassificationRequest and ClassificationResponse, or those of a regression; contexts are in the Examples."""

    def messages(outputs: list[Tensor], body: bytes) -> tuple[bytes, bytes]:
        given = inputs[0].array.tolist()
        result = operation.result(dict(zip(plan.outputs, outputs, strict=True)), len(given))
        response = inference_response.response(inference_response.encode(result), servable_id, spec.signature)
        return prediction_log.examples_request(spec, given), response

    return messages


def keeper(
    log: RequestLog, form: Form, call: Call, address: ModelSpec, document: Any, payload: bytes, door: Door
) -> Answered:
    """What keeps a request that was drawn, of which ``payload`` came and ``document`` was read."""
    given, servable_id = document.signature_name, call.handle.id
    spec, kind = address._replace(signature_name=given), form.log_type
    if door == "GRPC" and not isinstance(form, InferForm):  # whose messages are another protocol's
        made: Messages = lambda _, body: (payload, body)  # noqa: E731
    elif kind is LogType.PREDICT:
        made = predict(spec, call.plan, call.tensors, payload if form.is_message else b"", servable_id)
    else:
        operation = CLASSIFY if kind is LogType.CLASSIFY else REGRESS
        made = examples(operation, spec, call.plan, call.tensors, servable_id)
    name = "" if kind is LogType.MULTI_INFERENCE else spec.signature
    return log.keeper(kind, servable_id, name, made)
