"""Admission: one policy hears of every request once, by its address, before anything of it is read."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from serving.core.model_spec import ModelSpec
from serving.errors import Code, ServingError
from serving.inference.context import RequestContext
from serving.inference.long_call import LongCall
from serving.inference.principal import Principal, Right
from serving.inference.repository import LoadRequest
from serving.protos import ReloadConfigRequest
from tests.unit.inference.asking import LONG, WAYS, Asked, grpc, multi_inference, predict, rest
from tests.unit.inference.house import House

REFUSAL = ServingError(Code.PERMISSION_DENIED, "not for you")


UNREADABLE_INPUT = b"\x12\x01\xff"
"""Field 2 of every request message: an entry of the inputs, or the Examples."""


def index(house: House, context: RequestContext) -> LongCall:
    """The index of models, as nothing."""
    return house.service.repository_index(lambda entries: b"", context, 7, ready=False)


def load(house: House, context: RequestContext) -> LongCall:
    """One model more."""
    return house.service.load_model(LoadRequest(name="n"), lambda done: b"", context, 7, 0)


def unload(house: House, context: RequestContext) -> LongCall:
    """One model fewer."""
    return house.service.unload_model("m", lambda done: b"", context, 7, 0)


class Policy:
    """Notes what it is asked, and refuses everything if it is told to."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.asked: list[tuple[RequestContext, ModelSpec, int]] = []
        self._refuses = refuses

    def __call__(self, context: RequestContext, address: ModelSpec, size: int) -> None:
        self.asked.append((context, address, size))
        if self._refuses:
            raise REFUSAL


@pytest.mark.parametrize("in_event_thread", [False, True], ids=["thread", "event thread"])
@pytest.mark.parametrize("name", WAYS)
def test_every_way_asks_once(name: str, in_event_thread: bool) -> None:
    """Whether the request is admitted, with its door, its model and its size."""
    policy = Policy()
    WAYS[name].answer(House(admit=policy), in_event_thread=in_event_thread)
    ((context, address, size),) = policy.asked
    assert (context.door, address.name, size) == (WAYS[name].door, "m", len(WAYS[name].payload))


@pytest.mark.parametrize("name", LONG)
def test_what_goes_to_a_worker_is_asked_for_once(name: str) -> None:
    """When it comes, and not again when a worker has time for it."""
    policy = Policy()
    house = House(admit=policy)
    reply = LONG[name].begin(house, in_event_thread=True)
    assert len(policy.asked) == 1
    assert not isinstance(reply, bytes)
    reply.elsewhere().result(60)
    assert len(policy.asked) == 1


@pytest.mark.parametrize("name", WAYS)
def test_refused_request_is_not_read(name: str) -> None:
    """The refusal comes before the request's own mistakes, such as damaged inputs; no version is held."""
    policy = Policy(refuses=True)
    house = House(admit=policy)
    asked = WAYS[name]
    damaged = asked.payload[:-1] if asked.door == "REST" else asked.payload + UNREADABLE_INPUT
    with pytest.raises(ServingError) as raised:
        replace(asked, payload=damaged).begin(house)
    assert (raised.value, len(policy.asked), house.is_released()) == (REFUSAL, 1, True)


RIGHTS: dict[str, tuple[Callable[[House, RequestContext], object], Right]] = {
    "metadata": (lambda house, context: house.service.metadata(ModelSpec("m"), lambda *_: b"", context), Right.READ),
    "status": (lambda house, context: house.service.status(ModelSpec("m"), context), Right.READ),
    "models": (lambda house, context: house.service.models(context), Right.READ),
    "metrics": (lambda house, context: house.service.metrics_page(context), Right.METRICS),
    "reload": (
        lambda house, context: house.service.reload(ReloadConfigRequest(), lambda _: b"", context, 0),
        Right.ADMIN,
    ),
    "index": (lambda house, context: index(house, context), Right.READ),
    "load": (lambda house, context: load(house, context), Right.ADMIN),
    "unload": (lambda house, context: unload(house, context), Right.ADMIN),
    **{
        name: (lambda house, context, asked=asked: asked.begin(house), Right.PREDICT)  # type: ignore[misc]
        for name, asked in WAYS.items()
    },
}


@pytest.mark.parametrize("name", RIGHTS)
def test_the_policy_is_told_what_is_asked_for(name: str) -> None:
    """The right that each request needs, whatever the context said before."""
    policy = Policy()
    ask, right = RIGHTS[name]
    ask(House(admit=policy), RequestContext("REST"))
    ((context, _, _),) = policy.asked
    assert context.right is right


def test_a_principal_sees_its_own_models() -> None:
    """In the list of all; without a principal it has all."""

    def admit(context: RequestContext, address: ModelSpec, size: int) -> None:
        context.principal = Principal(name="p", rights=frozenset(Right), models=("x*",))

    assert [*House(admit=admit).service.models(RequestContext("REST"))] == []
    assert [*House().service.models(RequestContext("REST"))] == ["m"]


_SPEC_OF_ANOTHER, _SPEC_OF_M = b"\x0a\x03\x0a\x01x", b"\x0a\x03\x0a\x01m"
_LONG_TAG = b"\x8a\x00\x03\x0a\x01m"
"""Field 1 as no writer has it, and every reader takes it."""


@pytest.mark.parametrize("name", [name for name, asked in WAYS.items() if asked.door == "GRPC"])
@pytest.mark.parametrize("last", [_SPEC_OF_ANOTHER, _SPEC_OF_M, _LONG_TAG], ids=["another", "m", "a long tag"])
def test_the_policy_is_told_of_the_model_that_answers(name: str, last: bytes) -> None:
    """A message may name several: the policy decides about the one that is then asked for."""
    policy = Policy()
    asked = replace(WAYS[name], payload=_SPEC_OF_ANOTHER + WAYS[name].payload + last)
    try:
        asked.begin(House(admit=policy))
        answers = "m"
    except ServingError as error:
        answers = "m" if "Latest(x)" not in error.text else "x"
    ((_, address, _),) = policy.asked
    if not name.endswith("MultiInference"):
        assert address.name == ("x" if last is _SPEC_OF_ANOTHER else "m")
    assert address.name in (answers, "")


@pytest.mark.parametrize("payload", [b"\xff", b"\x0a\x05"], ids=["no message", "cut off"])
@pytest.mark.parametrize("name", [name for name in WAYS if WAYS[name].door == "GRPC"])
def test_what_is_no_message_is_refused_as_without_a_policy(name: str, payload: bytes) -> None:
    """It has no address to ask for; the error is the same, and is not counted."""
    house, asked = House(admit=Policy()), replace(WAYS[name], payload=payload)
    with pytest.raises(ServingError) as expected:
        asked.begin(House())
    with pytest.raises(ServingError) as raised:
        asked.begin(house)
    assert (raised.value.code, raised.value.message) == (Code.INTERNAL, expected.value.message)
    assert house.counts() == {}


@pytest.mark.parametrize("name", LONG)
def test_refused_request_needs_no_worker(name: str) -> None:
    """However long it would take to read."""
    with pytest.raises(ServingError) as raised:
        LONG[name].begin(House(admit=Policy(refuses=True)), in_event_thread=True)
    assert raised.value is REFUSAL


@pytest.mark.parametrize("name", WAYS)
def test_refusal_is_counted_as_any_failure(name: str) -> None:
    """Under its model and with its code; MultiInference is never counted."""
    house = House(admit=Policy(refuses=True))
    with pytest.raises(ServingError):
        WAYS[name].begin(house)
    assert house.counts() == ({} if name == "MultiInference" else {("m", "PERMISSION_DENIED"): 1})


BODY = b'{"instances": [1]}'


@pytest.mark.parametrize(
    ("asked", "address"),
    [
        pytest.param(rest(BODY, path="/v1/models/no:predict"), ModelSpec("no"), id="REST model"),
        pytest.param(rest(BODY, path="/v1/models/m/versions/3:predict"), ModelSpec("m", 3), id="REST version"),
        pytest.param(
            rest(BODY, path="/v1/models/m/labels/stable:predict"), ModelSpec("m", None, "stable"), id="REST label"
        ),
        pytest.param(grpc("Predict", predict({}, name="no")), ModelSpec("no"), id="gRPC model"),
        pytest.param(
            grpc("Predict", predict({}, version=3, signature_name="s")),
            ModelSpec("m", 3, signature_name="s"),
            id="gRPC version and signature",
        ),
        pytest.param(
            grpc("Predict", predict({}, version_label="stable")), ModelSpec("m", None, "stable"), id="gRPC label"
        ),
        pytest.param(grpc("Predict", predict({}, name="")), ModelSpec(""), id="gRPC no name"),
        pytest.param(
            grpc("MultiInference", multi_inference()), ModelSpec("m", signature_name="classify"), id="first task"
        ),
    ],
)
def test_address(asked: Asked, address: ModelSpec) -> None:
    """What a request is for, as its URL or its message has it; whether there is such a model comes after."""
    policy = Policy(refuses=True)
    with pytest.raises(ServingError):
        asked.begin(House(admit=policy))
    assert [each for _, each, _ in policy.asked] == [address]


def reload(house: House, context: RequestContext) -> object:
    """A reload, as far as it is begun."""
    return house.service.reload(ReloadConfigRequest(), lambda response: b"", context, 7)


OTHERS: dict[str, tuple[Callable[[House, RequestContext], Any], ModelSpec, int]] = {
    "metadata": (
        lambda house, context: house.service.metadata(ModelSpec("m", 1), lambda *_: b"", context, 7),
        ModelSpec("m", 1),
        7,
    ),
    "status": (lambda house, context: house.service.status(ModelSpec("m"), context, 7), ModelSpec("m"), 7),
    "models": (lambda house, context: house.service.models(context), ModelSpec(""), 0),
    "reload": (reload, ModelSpec(""), 7),
    "index": (lambda house, context: index(house, context), ModelSpec(""), 7),
    "load": (lambda house, context: load(house, context), ModelSpec(""), 7),
    "unload": (lambda house, context: unload(house, context), ModelSpec(""), 7),
    "health": (lambda house, context: house.service.admit(context, ModelSpec(""), 7), ModelSpec(""), 7),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_runs_no_model_is_asked_for_once(name: str) -> None:
    """As everything is, and with the address that it has."""
    policy, context = Policy(), RequestContext("GRPC")
    ask, address, size = OTHERS[name]
    ask(House(admit=policy), context)
    assert policy.asked == [(context, address, size)]


@pytest.mark.parametrize("name", OTHERS)
def test_what_runs_no_model_can_be_refused(name: str) -> None:
    """Before anything is done for it."""
    house = House(admit=Policy(refuses=True))
    with pytest.raises(ServingError) as raised:
        OTHERS[name][0](house, RequestContext("GRPC"))
    assert (raised.value, house.applied) == (REFUSAL, [])


def test_a_policy_knows_who_asks() -> None:
    """A test's own rule: a header says who may use the model."""

    def only_friends(context: RequestContext, address: ModelSpec, size: int) -> None:
        if address.name == "m" and context.headers.get("x-key") != "friend":
            raise REFUSAL

    house = House(admit=only_friends)
    asked = rest(BODY)
    with pytest.raises(ServingError):
        asked.begin(house)
    assert replace(asked, headers={**asked.headers, "x-key": "friend"}).answer(house)


def test_without_a_policy_all_is_admitted() -> None:
    """Also what asks for no model."""
    house = House()
    house.service.admit(RequestContext("GRPC"), ModelSpec(""), 0)
    assert WAYS["gRPC"].answer(house)
