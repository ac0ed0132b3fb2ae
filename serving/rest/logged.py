"""REST requests and answers as the messages that gRPC would have carried, for the request log; not what clients get."""

from collections.abc import Mapping, Sequence

from serving.codecs.predict import response as predict_response
from serving.codecs.protobuf import inference_response, prediction_log
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.model_spec import ModelSpec
from serving.core.predict_plan import Prediction
from serving.core.servable import ServableId
from serving.core.tensor import Tensor
from serving.inference import classify, regress
from serving.protos import PredictRequest
from serving.request_log.log import Messages
from serving.rest.routes import Route


def predict(
    route: Route, signature_name: str, inputs: Mapping[str, Tensor], prediction: Prediction, servable_id: ServableId
) -> Messages:
    """PredictRequest and PredictResponse. ``signature_name`` is as the request has it, perhaps empty."""

    def messages(tensors: list[Tensor], body: bytes) -> tuple[bytes, bytes]:
        spec = _spec(route, signature_name)
        response = predict_response.encode(prediction.outputs, tensors, servable_id, spec.signature, as_content=False)
        return prediction_log.predict_request(spec, inputs), response

    return messages


def predict_message(
    route: Route, signature_name: str, payload: bytes, prediction: Prediction, servable_id: ServableId
) -> Messages:
    """The PredictRequest that came, which now names the model as the URL does, and the PredictResponse."""

    def messages(tensors: list[Tensor], body: bytes) -> tuple[bytes, bytes]:
        spec, request = _spec(route, signature_name), PredictRequest.FromString(payload)
        request.model_spec.ParseFromString(prediction_log.model_spec(spec))
        response = predict_response.encode(prediction.outputs, tensors, servable_id, spec.signature, as_content=False)
        return request.SerializeToString(), response

    return messages


def examples(
    kind: LogType,
    route: Route,
    signature_name: str,
    serialized: Sequence[bytes],
    prediction: Prediction,
    servable_id: ServableId,
) -> Messages:
    """ClassificationRequest and ClassificationResponse, or those of a regression; contexts are in the Examples."""

    def messages(tensors: list[Tensor], body: bytes) -> tuple[bytes, bytes]:
        spec = _spec(route, signature_name)
        result = _result(kind, dict(zip(prediction.outputs, tensors, strict=True)), len(serialized))
        response = inference_response.response(result, servable_id, spec.signature)
        return prediction_log.examples_request(spec, serialized), response

    return messages


def _spec(route: Route, signature_name: str) -> ModelSpec:
    return ModelSpec(route.name, route.version, route.label, signature_name)


def _result(kind: LogType, outputs: dict[str, Tensor], count: int) -> bytes:
    if kind is LogType.CLASSIFY:
        return inference_response.classification(classify.result(outputs, count))
    return inference_response.regression(regress.result(outputs, count))
