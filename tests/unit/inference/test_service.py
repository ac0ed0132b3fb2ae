"""The service: whatever is asked for, by whichever protocol, comes to one call of the version that answers."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from serving.core.model_spec import ModelSpec
from serving.core.plans import Plan
from serving.core.servable import Run, ServableId
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.inference.call import Call
from serving.inference.context import RequestContext
from serving.inference.long_call import LongCall
from serving.protos import PredictResponse, ReloadConfigRequest
from tests.support import TIMEOUT_SECONDS
from tests.unit.inference.asking import (
    EXAMPLES,
    LONG,
    NPY,
    PREDICTS,
    PROTOBUF,
    WAYS,
    Asked,
    grpc,
    npy,
    npz,
    predict,
    rest,
)
from tests.unit.inference.house import FAILING, Doubler, House, Model

HALF = [1.0, 2.0, 5.0]


class LongAnswer(Doubler):
    """A run that gives more than can be written at once."""

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        return [Tensor(DataType.FLOAT, np.zeros(200_000, np.float32))]


class Talkative(Model):
    """A model whose runs give that."""

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        return LongAnswer(fetches)


def test_every_protocol_shares_one_plan() -> None:
    """A kind of request is worked out once for a version, whoever asks, and however."""
    house = House()
    plans: list[Plan] = []
    for _ in range(2):
        for make in PREDICTS.values():
            call = make(HALF).call(house)
            plans.append(call.plan)
            call.here()
    assert len(plans) == 2 * len(PREDICTS)
    assert all(plan is plans[0] for plan in plans)
    assert house.model.resolved == [(("x:0",), ("y:0",))]


@pytest.mark.parametrize("name", PREDICTS)
def test_every_protocol_feeds_the_same(name: str) -> None:
    """The one tensor of the plan, with the numbers that were sent."""
    (tensor,) = PREDICTS[name](HALF).call(House()).tensors
    assert tensor.dtype is DataType.FLOAT
    assert tensor.array.tolist() == HALF


@pytest.mark.parametrize("name", WAYS)
def test_ways_of_writing_are_kept_apart(name: str) -> None:
    """A plan that was used by all others answers each as if it were asked for the first time."""
    fresh, used = House(), House()
    for asked in WAYS.values():
        asked.answer(used)
    assert WAYS[name].answer(used) == WAYS[name].answer(fresh)


@pytest.mark.parametrize("name", EXAMPLES)
def test_calls_with_examples_are_worked_out_once(name: str) -> None:
    """As those of Predict are."""
    house = House()
    first, again = (EXAMPLES[name].call(house) for _ in range(2))
    assert first.plan is again.plan
    assert len(house.model.resolved) == 1


def test_both_protocols_share_the_plans_of_examples() -> None:
    """Classify and Regress have one plan each for a signature."""
    house = House()
    for kind in ("classify", "regress"):
        calls = [EXAMPLES[f"{protocol} {kind}"].call(house) for protocol in ("gRPC", "JSON")]
        assert calls[0].plan is calls[1].plan


FILTERED = predict({"a": [3]}, signature_name="two", output_filter=["z"])


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(grpc("Predict", FILTERED), id="gRPC"),
        pytest.param(rest(FILTERED.SerializeToString(), PROTOBUF, PROTOBUF), id="protobuf"),
    ],
)
def test_defaults_and_filters(asked: Asked) -> None:
    """What a request leaves out is fed by default, what it does not ask for is not fetched."""
    house = House()
    call = asked.call(house)
    assert [tensor.array.tolist() for tensor in call.tensors] == [[3.0], [1.0]]
    response = PredictResponse.FromString(call.here())
    assert {alias: list(response.outputs[alias].float_val) for alias in response.outputs} == {"z": [6.0]}
    assert house.model.resolved == [(("a:0", "b:0"), ("z:0",))]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({"inputs": {"a": [3], "b": [1]}}, {"y": [6.0], "z": [6.0]}, id="everything"),
        pytest.param({"inputs": {"b": [1], "a": [3]}}, {"y": [6.0], "z": [6.0]}, id="in another order"),
    ],
)
def test_json_names_its_signature(body: dict[str, object], expected: object) -> None:
    """Inputs are told by their names, in any order."""
    answer = rest(json.dumps({"signature_name": "two", **body}).encode()).answer(House())
    assert json.loads(answer)["outputs"] == expected


@pytest.mark.parametrize(
    ("asked", "code", "text"),
    [
        pytest.param(
            grpc("Predict", predict({}, signature_name="other")),
            Code.FAILED_PRECONDITION,
            'Serving signature key "other" not found.',
            id="gRPC",
        ),
        pytest.param(
            rest(b'{"signature_name": "other", "instances": [1]}'),
            Code.INVALID_ARGUMENT,
            'Serving signature name: "other" not found in signature def',
            id="JSON",
        ),
        pytest.param(
            rest(predict({}, signature_name="other").SerializeToString(), PROTOBUF),
            Code.FAILED_PRECONDITION,
            'Serving signature key "other" not found.',
            id="protobuf",
        ),
    ],
)
def test_unknown_signature(asked: Asked, code: Code, text: str) -> None:
    """The name that was asked for, in the words of each protocol."""
    with pytest.raises(ServingError) as raised:
        asked.begin(House(check_method_names=True))
    assert (raised.value.code, raised.value.message) == (code, text)


METHODS = [grpc("Predict", predict({"x": HALF})), rest(b'{"instances": [1.0]}'), rest(npy(1), NPY, NPY)]


@pytest.mark.parametrize("asked", METHODS, ids=["gRPC", "JSON", "npy"])
@pytest.mark.parametrize("method_name", ["", "anything", "tensorflow/serving/classify"])
def test_method_name_is_not_checked_by_default(method_name: str, asked: Asked) -> None:
    """Predict works on any signature."""
    assert asked.answer(House(Model(method_name)))


@pytest.mark.parametrize("asked", METHODS, ids=["gRPC", "JSON", "npy"])
@pytest.mark.parametrize("kind", ["predict", "classify", "regress"])
def test_three_method_names_pass_the_check(kind: str, asked: Asked) -> None:
    """With the check, classify and regress signatures can be predicted with as well."""
    assert asked.answer(House(Model(f"tensorflow/serving/{kind}"), check_method_names=True))


@pytest.mark.parametrize("asked", METHODS, ids=["gRPC", "JSON", "npy"])
@pytest.mark.parametrize("method_name", ["", "tensorflow/serving/Predict"], ids=["empty", "case"])
def test_other_method_names_fail_the_check(method_name: str, asked: Asked) -> None:
    """Anything else is INTERNAL, with TensorFlow Serving's text, each time."""
    house = House(Model(method_name), check_method_names=True)
    for _ in range(2):
        with pytest.raises(ServingError) as raised:
            asked.begin(house)
        assert raised.value.code is Code.INTERNAL
        assert raised.value.message == (
            "Expected prediction signature method_name to be one of {tensorflow/serving/predict, "
            f"tensorflow/serving/classify, tensorflow/serving/regress}}. Was: {method_name}"
        )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(grpc("Predict", predict({"no": HALF})), "Expected prediction signature method_name", id="gRPC"),
        pytest.param(rest(b'{"inputs": {"no": [1]}}'), "", id="JSON"),
        pytest.param(rest(npz(no=HALF), "application/x-npz"), "Expected prediction signature method_name", id="npz"),
    ],
)
def test_method_names_come_before_inputs_but_for_json(asked: Asked, expected: str) -> None:
    """Where both are wrong the first to be looked at is told; JSON is read by the inputs' types, so they come first."""
    with pytest.raises(ServingError) as raised:
        asked.begin(House(Model("other"), check_method_names=True))
    assert raised.value.message.startswith("Expected prediction signature") is bool(expected)


def test_a_tensor_that_is_none_comes_before_a_filter_that_does_not_fit() -> None:
    """The filter is looked at last, as TensorFlow Serving does."""
    request = predict({"x": HALF}, output_filter=["no"])
    with pytest.raises(ServingError, match="output tensor alias not found in signature: no"):
        grpc("Predict", request).begin(House())
    request.inputs["x"].tensor_content = b"123"
    with pytest.raises(ServingError, match="tensor parsing error: x"):
        grpc("Predict", request).begin(House())


@pytest.mark.parametrize("name", LONG)
def test_what_takes_long_to_read_leaves_an_event_thread(name: str) -> None:
    """It is read by a worker there, and comes to the same answer as elsewhere."""
    house, asked = House(), LONG[name]
    put_off, at_once = asked.begin(house, in_event_thread=True), asked.begin(house)
    assert isinstance(put_off, LongCall)
    assert put_off.workers is house.workers
    assert isinstance(at_once, Call)
    assert put_off.elsewhere().result(TIMEOUT_SECONDS) == at_once.here()


@pytest.mark.parametrize("name", LONG)
def test_nothing_is_put_off_elsewhere(name: str) -> None:
    """Who serves nobody else makes the call itself, whatever it costs."""
    assert isinstance(LONG[name].begin(House()), Call)


@pytest.mark.parametrize("name", [name for name in WAYS if "npz" not in name])
def test_what_is_short_is_answered_in_an_event_thread(name: str) -> None:
    """A small request has its answer at once there, the one that it has elsewhere, and is counted alike."""
    house, other = House(), House()
    body = WAYS[name].begin(house, in_event_thread=True)
    assert body == WAYS[name].call(other).here()
    assert (house.counts(), house.is_released()) == (other.counts(), True)


@pytest.mark.parametrize("name", [name for name in PREDICTS if name != "npz"])
def test_failing_in_an_event_thread(name: str) -> None:
    """What the model refuses there is raised and counted, and nothing is held any more."""
    house = House()
    with pytest.raises(ServingError, match="the graph says no"):
        PREDICTS[name]([FAILING]).begin(house, in_event_thread=True)
    assert (house.counts(), house.is_released()) == ({("m", "UNAVAILABLE"): 1}, True)


@pytest.mark.parametrize("name", ["gRPC", "JSON rows"])
def test_outputs_that_are_long_to_write_leave_an_event_thread(name: str) -> None:
    """The run was short, and its answer is written by a worker; the lease is held until then."""
    house = House(Talkative())
    call = PREDICTS[name](HALF).begin(house, in_event_thread=True)
    assert isinstance(call, Call)
    assert (call.inline, house.counts(), house.is_released()) == (False, {}, False)
    assert len(call.elsewhere().result(TIMEOUT_SECONDS)) > 200_000
    assert (house.counts(), house.is_released()) == ({("m", "OK"): 1}, True)


def test_reload_is_a_long_call() -> None:
    """It waits for models; nothing is applied before it is begun."""
    house = House()
    request = ReloadConfigRequest()
    request.config.model_config_list.SetInParent()
    reply = house.service.reload(
        request, lambda response: bytes(response.SerializeToString()), RequestContext("GRPC"), 3
    )
    assert house.applied == []
    assert reply.here(lambda: False) == b"\n\0"
    assert len(house.applied) == 1


def test_models_and_their_versions() -> None:
    """Metadata is of the version that answers, status and models tell of all."""
    house, context = House(), RequestContext("GRPC")
    spec = ModelSpec("m")
    given: list[tuple[ServableId, Any]] = []

    def write(servable_id: ServableId, signatures: Any) -> bytes:
        given.append((servable_id, signatures))
        return b"written"

    assert house.service.metadata(spec, write, context) == b"written"
    ((servable_id, signatures),) = given
    assert (servable_id.name, servable_id.version) == ("m", 1)
    assert sorted(signatures.signature_def) == sorted(house.model.signatures)
    assert [state.id.version for state in house.service.status(spec, context)] == [1]
    assert list(house.service.models(context)) == ["m"]
    assert house.is_released()
