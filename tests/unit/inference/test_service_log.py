"""What the request log is told by the service: messages as gRPC would have carried them, whichever way they came."""

from collections.abc import Mapping
from typing import Any

import pytest

from serving.codecs.open_inference.infer import InferInput, InferRequest
from serving.codecs.protobuf import tensor_proto
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.model_spec import ModelSpec
from serving.core.plans import Plans
from serving.core.servable import ServableId
from serving.core.signature import Signature
from serving.core.tensor import DataType
from serving.inference import infer
from serving.inference.call import Call
from serving.inference.context import Door, RequestContext
from serving.inference.operations import InferForm
from serving.protos import ClassificationRequest, PredictRequest, PredictResponse, message
from tests.support.models import floats
from tests.unit.inference.asking import EXAMPLES, LONG, PREDICTS, WAYS, predict, rest
from tests.unit.inference.house import House

ClassificationResponse = message("tensorflow.serving.ClassificationResponse")


def logging() -> House:
    """A house that keeps every request of its model."""
    house = House()
    house.log.models = {"m": object()}
    return house


def values(tensors: Mapping[str, Any]) -> dict[str, list[float]]:
    """The numbers of TensorProtos by alias."""
    decoded = {alias: tensor_proto.decode(tensors[alias]) for alias in tensors}
    return {alias: tensor.array.tolist() for alias, tensor in decoded.items() if tensor is not None}


@pytest.mark.parametrize("name", PREDICTS)
def test_predictions_are_the_same_messages(name: str) -> None:
    """The request has the model, the signature as it was given and the inputs; the response has all outputs."""
    house = logging()
    PREDICTS[name]([1.0, 2.0]).answer(house)
    ((kind, signature_name, request, response),) = house.log.kept
    made, answered = PredictRequest.FromString(request), PredictResponse.FromString(response)
    assert (kind, signature_name, made.model_spec.name, made.model_spec.signature_name) == (
        LogType.PREDICT,
        "serving_default",
        "m",
        "",
    )
    assert values(made.inputs) == {"x": [1.0, 2.0]}
    assert values(answered.outputs) == {"y": [2.0, 4.0]}
    spec = answered.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 1, "serving_default")


@pytest.mark.parametrize("name", ["gRPC classify", "JSON classify"])
def test_classifications_are_the_same_messages(name: str) -> None:
    """One Example each, and its scores."""
    house = logging()
    EXAMPLES[name].answer(house)
    ((_, signature_name, request, response),) = house.log.kept
    made, answered = ClassificationRequest.FromString(request), ClassificationResponse.FromString(response)
    assert (signature_name, made.model_spec.signature_name, len(made.input.example_list.examples)) == (
        "classify",
        "classify",
        1,
    )
    assert [each.score for each in answered.result.classifications[0].classes] == [1.0]


def test_address_of_the_url_is_logged() -> None:
    """Version and label as they were asked for, as gRPC would have them in the message."""
    house = logging()
    rest(b'{"instances": [1.0]}', path="/v1/models/m/versions/1:predict").answer(house)
    rest(b'{"instances": [1.0]}', path="/v1/models/m/labels/stable:predict").answer(house)
    specs = [PredictRequest.FromString(request).model_spec for _, _, request, _ in house.log.kept]
    assert [(spec.name, spec.version.value, spec.version_label) for spec in specs] == [("m", 1, ""), ("m", 0, "stable")]


@pytest.mark.parametrize("door", ["REST", "GRPC"])
def test_messages_of_another_protocol_are_not_logged(door: Door) -> None:
    """By whichever door an inference came, what is kept of it is what Predict would have carried."""
    house = logging()
    read = lambda payload, limited: InferRequest({"x": InferInput("x", DataType.FLOAT, (2,), lambda: floats(1, 2))})  # noqa: E731

    def bind(request: InferRequest, plans: Plans, signature: Signature, _: ServableId) -> Any:
        return *infer.bind(request, plans, signature), lambda outputs: b"answer"

    form = InferForm(api="infer", log_type=LogType.PREDICT, read=read, missing=infer.missing, bind=bind)
    reply = house.service.inferring(ModelSpec("m"), form)(b"request", RequestContext(door))
    assert isinstance(reply, Call)
    assert reply.here() == b"answer"
    ((_, signature_name, request, response),) = house.log.kept
    assert (signature_name, values(PredictRequest.FromString(request).inputs)) == ("serving_default", {"x": [1.0, 2.0]})
    assert values(PredictResponse.FromString(response).outputs) == {"y": [2.0, 4.0]}


def test_defaults_are_not_logged() -> None:
    """What the client left out is no part of its request."""
    house = logging()
    asked = predict({"a": [3.0]}, signature_name="two")
    rest(asked.SerializeToString(), "application/x-protobuf").answer(house)
    ((_, signature_name, request, _),) = house.log.kept
    assert (signature_name, list(PredictRequest.FromString(request).inputs)) == ("two", ["a"])


def test_protobuf_is_logged_as_it_came() -> None:
    """With its filter and its own way of writing numbers; the model is the one that the URL names."""
    house = logging()
    asked = predict({"a": [3.0], "b": [1.0]}, signature_name="two", output_filter=["z"], name="")
    rest(asked.SerializeToString(), "application/x-protobuf").answer(house)
    ((_, _, request, response),) = house.log.kept
    asked.model_spec.name = "m"
    assert PredictRequest.FromString(request) == asked
    assert list(PredictResponse.FromString(response).outputs) == ["z"]


@pytest.mark.parametrize("name", LONG)
def test_what_a_worker_answers_is_logged_once(name: str) -> None:
    """And is drawn for once."""
    house = logging()
    LONG[name].answer(house, in_event_thread=True)
    assert (len(house.log.asked), len(house.log.kept)) == (1, 1)


@pytest.mark.parametrize("name", WAYS)
def test_models_that_are_not_logged_are_not_drawn_for(name: str) -> None:
    """Without any model that is logged a request costs nothing more."""
    house = House()
    WAYS[name].answer(house)
    assert (house.log.asked, house.log.kept) == ([], [])
