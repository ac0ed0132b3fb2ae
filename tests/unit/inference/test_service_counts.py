"""What the service counts, and that it lets go of the version: once for each request, however it ends."""

import json
from typing import Any

import pytest

from serving.core.model_spec import ModelSpec
from serving.core.servable import ServableId
from serving.errors import Code, ServingError
from serving.inference.call import Call
from serving.inference.context import RequestContext
from serving.inference.placement import Workers
from serving.protos import ClassificationRequest, PredictRequest, RegressionRequest
from tests.unit.inference.asking import (
    EXAMPLES,
    LONG,
    NPY,
    NPZ,
    PREDICTS,
    PROTOBUF,
    WAYS,
    Asked,
    grpc,
    multi_inference,
    npz,
    predict,
    rest,
    with_examples,
)
from tests.unit.inference.house import FAILING, House, Model

NOT_COUNTED = "MultiInference"
"""TensorFlow Serving counts its Examples, and no request."""


@pytest.mark.parametrize("name", WAYS)
def test_answer_is_counted_once(name: str) -> None:
    """With OK, and its time from when it came; the version is let go."""
    house = House()
    reply = WAYS[name].begin(house)
    assert isinstance(reply, Call)
    house.clock.advance(0.5)
    reply.here()
    assert house.counts() == ({} if name == NOT_COUNTED else {("m", "OK"): 1})
    latencies = {labels: each.value.sum for labels, each in house.metrics.request_latency.points()}
    assert list(latencies.values()) == ([] if name == NOT_COUNTED else [0.5e6])
    assert house.is_released()


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        pytest.param("gRPC", ("m", "Predict", "GRPC"), id="gRPC predict"),
        pytest.param("JSON rows", ("m", "predict", "REST"), id="REST predict"),
        pytest.param("npz", ("m", "predict", "REST"), id="REST npz"),
        pytest.param("gRPC classify", ("m", "Classify", "GRPC"), id="gRPC classify"),
        pytest.param("gRPC regress", ("m", "Regress", "GRPC"), id="gRPC regress"),
        pytest.param("JSON classify", ("m", "classify", "REST"), id="REST classify"),
        pytest.param("JSON regress", ("m", "regress", "REST"), id="REST regress"),
    ],
)
def test_time_has_the_words_of_the_door(name: str, labels: tuple[str, ...]) -> None:
    """The method is written as the door writes it, runs are called the same at both."""
    house = House()
    WAYS[name].answer(house)
    assert [each for each, _ in house.metrics.request_latency.points()] == [labels]
    assert [each for each, _ in house.metrics.runtime_latency.points()] == [("m", labels[1].capitalize(), "TF1")]


def test_multi_inference_counts_its_examples() -> None:
    """Once it has run."""
    house = House()
    reply = grpc("MultiInference", multi_inference(3)).call(house)
    assert house.metrics.example_count_total.points() == []
    reply.here()
    assert [(labels, each.value) for labels, each in house.metrics.example_count_total.points()] == [(("m",), 3)]


TWO = {"a": [1.0], "b": [1.0]}

REFUSED = [
    pytest.param(grpc("Predict", predict({"x": [1]}, name="no")), ("no", "NOT_FOUND"), id="gRPC model"),
    pytest.param(grpc("Predict", predict({"x": [1]}, version=2)), ("m", "NOT_FOUND"), id="gRPC version"),
    pytest.param(grpc("Predict", predict({"x": [1]}, version_label="no")), ("m", "INVALID_ARGUMENT"), id="gRPC label"),
    pytest.param(grpc("Predict", predict({}, signature_name="no")), ("m", "FAILED_PRECONDITION"), id="gRPC signature"),
    pytest.param(grpc("Predict", predict({"no": [1]})), ("m", "INVALID_ARGUMENT"), id="gRPC input"),
    pytest.param(
        grpc("Predict", predict({"x": [1]}, output_filter=["no"])), ("m", "INVALID_ARGUMENT"), id="gRPC filter"
    ),
    pytest.param(grpc("Predict", predict({"x": [FAILING]})), ("m", "UNAVAILABLE"), id="gRPC run"),
    pytest.param(grpc("Predict", predict({"x": [1]}, name="")), ("", "INVALID_ARGUMENT"), id="gRPC no name"),
    pytest.param(grpc("Predict", PredictRequest()), ("", "INVALID_ARGUMENT"), id="gRPC no spec"),
    pytest.param(grpc("Classify", ClassificationRequest()), ("", "INVALID_ARGUMENT"), id="classify no spec"),
    pytest.param(
        grpc("Classify", with_examples(ClassificationRequest, "no")), ("m", "INVALID_ARGUMENT"), id="classify signature"
    ),
    pytest.param(
        grpc("Classify", with_examples(ClassificationRequest, "regress")), ("m", "INVALID_ARGUMENT"), id="classify kind"
    ),
    pytest.param(
        grpc("Regress", with_examples(RegressionRequest, "regress", 0)), ("m", "INVALID_ARGUMENT"), id="regress nothing"
    ),
    pytest.param(rest(b"{", path="/v1/models/no:predict"), ("no", "INVALID_ARGUMENT"), id="JSON before the model"),
    pytest.param(rest(b'{"instances": [1]}', path="/v1/models/no:predict"), ("no", "NOT_FOUND"), id="JSON model"),
    pytest.param(
        rest(b'{"instances": [1]}', path="/v1/models/m/versions/2:predict"), ("m", "NOT_FOUND"), id="JSON version"
    ),
    pytest.param(
        rest(b'{"instances": [1]}', path="/v1/models/m/labels/no:predict"), ("m", "INVALID_ARGUMENT"), id="JSON label"
    ),
    pytest.param(rest(b'{"instances": ["a"]}'), ("m", "INVALID_ARGUMENT"), id="JSON type"),
    pytest.param(rest(b'{"inputs": {"no": 1}}'), ("m", "INVALID_ARGUMENT"), id="JSON input"),
    pytest.param(rest(b'{"signature_name": "no", "instances": [1]}'), ("m", "INVALID_ARGUMENT"), id="JSON signature"),
    pytest.param(rest(json.dumps({"instances": [FAILING]}).encode()), ("m", "UNAVAILABLE"), id="JSON run"),
    pytest.param(rest(b"no", NPY), ("m", "INVALID_ARGUMENT"), id="npy"),
    pytest.param(rest(npz(no=[1]), NPZ), ("m", "INVALID_ARGUMENT"), id="npz input"),
    pytest.param(rest(b"\xff", PROTOBUF), ("m", "INVALID_ARGUMENT"), id="protobuf"),
    pytest.param(
        rest(predict({"x": [1]}, name="other").SerializeToString(), PROTOBUF),
        ("m", "INVALID_ARGUMENT"),
        id="other name",
    ),
    pytest.param(
        rest(predict(TWO, signature_name="two").SerializeToString(), PROTOBUF, NPY),
        ("m", "INVALID_ARGUMENT"),
        id="two outputs as one array",
    ),
    pytest.param(rest(b"{}", path="/v1/models/m:classify"), ("m", "INVALID_ARGUMENT"), id="JSON classify"),
]


@pytest.mark.parametrize("logged", [False, True], ids=["", "logged"])
@pytest.mark.parametrize(("asked", "labels"), REFUSED)
def test_failure_is_counted_once(asked: Asked, labels: tuple[str, str], logged: bool) -> None:
    """Under its model and with its code; the version is let go, and nothing is logged."""
    house = House()
    house.log.models = {"m": object()} if logged else {}
    with pytest.raises(ServingError) as raised:
        asked.answer(house)
    assert raised.value.code is Code[labels[1]]
    assert (house.counts(), house.is_released(), house.log.kept) == ({labels: 1}, True, [])


@pytest.mark.parametrize("name", [name for name in WAYS if WAYS[name].door == "GRPC"])
def test_what_is_no_message_is_not_counted(name: str) -> None:
    """It is for no model; gRPC itself would have refused it."""
    house = House()
    with pytest.raises(ServingError) as raised:
        Asked(path=WAYS[name].path, payload=b"\xff").begin(house)
    assert raised.value.code is Code.INTERNAL
    assert house.counts() == {}


@pytest.mark.parametrize("name", WAYS)
def test_defects_are_counted_and_let_go(name: str) -> None:
    """A log that breaks is a defect of ours; the version does not stay behind."""

    def broken(servable_id: ServableId) -> bool:
        raise ZeroDivisionError

    house = House()
    house.log.models = {"m": object()}
    house.log.draws = broken  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        WAYS[name].begin(house)
    assert house.counts() == ({} if name == NOT_COUNTED else {("m", "INTERNAL"): 1})
    assert house.is_released()


@pytest.mark.parametrize("name", LONG)
def test_what_a_worker_answers_is_counted_once(name: str) -> None:
    """From when it came in an event thread; the version is let go."""
    house = House()
    LONG[name].answer(house, in_event_thread=True)
    assert house.counts() == ({} if name == NOT_COUNTED else {("m", "OK"): 1})
    assert house.is_released()


@pytest.mark.parametrize("name", ["JSON", "npz", "gRPC classify"])
def test_refusal_by_full_workers_is_counted(name: str) -> None:
    """A request for which there is no worker was a request."""
    house = House(workers=Workers(1, most=0))
    reply = LONG[name].begin(house, in_event_thread=True)
    assert not isinstance(reply, bytes)
    with pytest.raises(ServingError) as raised:
        reply.elsewhere()
    assert raised.value.code is Code.RESOURCE_EXHAUSTED
    assert (house.counts(), house.is_released()) == ({("m", "RESOURCE_EXHAUSTED"): 1}, True)


def test_answer_that_nobody_can_write_is_counted() -> None:
    """Outputs that do not fit Classify fail the request when they are there."""
    house = House()
    call = EXAMPLES["gRPC classify"].call(house)
    call.tensors = [call.tensors[0]._replace(array=call.tensors[0].array.repeat(2))]
    with pytest.raises(ServingError, match="Expected scores output batch size of 1"):
        call.here()
    assert (house.counts(), house.is_released()) == ({("m", "INVALID_ARGUMENT"): 1}, True)


def written(_servable_id: ServableId, _signatures: Any) -> bytes:
    """An answer to a request for metadata."""
    return b""


def test_what_runs_no_model_is_counted_over_rest_alone() -> None:
    """As in TensorFlow Serving, without a method; over gRPC it leaves no trace."""
    house = House()
    for door in ("REST", "GRPC"):
        context = RequestContext("REST" if door == "REST" else "GRPC")
        house.service.metadata(ModelSpec("m"), written, context)
        house.service.status(ModelSpec("m"), context)
        house.service.models(context)
        with pytest.raises(ServingError):
            house.service.metadata(ModelSpec("no"), written, context)
        with pytest.raises(ServingError):
            house.service.status(ModelSpec("no"), context)
    assert house.counts() == {("m", "OK"): 2, ("", "OK"): 1, ("no", "NOT_FOUND"): 2}
    assert [labels for labels, _ in house.metrics.request_latency.points()] == [("", "", "REST"), ("m", "", "REST")]
    assert house.is_released()


@pytest.mark.parametrize("name", [name for name in WAYS if name not in PREDICTS or name in ("gRPC", "JSON rows")])
def test_answers_are_logged_after_they_were_given(name: str) -> None:
    """A request that was drawn is kept once, with its kind and the signature that was called; others are not drawn."""
    house = House()
    WAYS[name].answer(house)
    assert house.log.asked == []
    house.log.models = {"m": object()}
    body = WAYS[name].call(house)
    assert (len(house.log.asked), house.log.kept) == (1, [])
    body.here()
    ((kind, signature_name, request, _),) = house.log.kept
    expected = "" if name == NOT_COUNTED else "serving_default" if name in PREDICTS else name.split()[1]
    assert signature_name == expected
    assert kind.name.lower() == {"": "multi_inference", "serving_default": "predict"}.get(expected, expected)
    if WAYS[name].door == "GRPC":
        assert request == WAYS[name].payload


def test_model_of_the_house_is_let_go_only_when_nobody_has_it() -> None:
    """So that what is asserted above can fail."""
    house = House(Model())
    call = PREDICTS["gRPC"]([1.0]).call(house)
    assert not house.is_released()
    call.here()
    assert house.is_released()
