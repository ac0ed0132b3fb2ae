"""Plans: how a version is called, worked out once per kind of request and then kept."""

from collections.abc import Mapping
from itertools import permutations

import numpy as np
import pytest

from serving.core.plans import Plan, Plans
from serving.core.servable import Run
from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError

Resolved = tuple[tuple[str, ...], tuple[str, ...]]


class Servable:
    """Counts what is resolved, and gives it as the run."""

    def __init__(self, *signatures: Signature) -> None:
        self.resolved: list[Resolved] = []
        self.signatures: Mapping[str, Signature] = {signature.name: signature for signature in signatures}
        self.signature_defs: Mapping[str, object] = {}

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        self.resolved.append((feeds, fetches))
        return (feeds, fetches)  # type: ignore[return-value]  # what comes back is looked at, and not called

    def close(self) -> None: ...


def tensor(value: float) -> Tensor:
    return Tensor(DataType.FLOAT, np.array(value, np.float32))


def infos(names: str) -> dict[str, TensorInfo]:
    return {name: TensorInfo(name=f"{name}:0", dtype=DataType.FLOAT) for name in names}


THREE = tensor(3)
SIGNATURE = Signature(name="s", inputs=infos("abc"), outputs=infos("yz"), defaults={"c": THREE})


def run_of(plan: Plan) -> Resolved:
    """What the run of a plan was resolved for."""
    run: object = plan.run
    assert isinstance(run, tuple)
    return run


@pytest.mark.parametrize(
    ("sent", "output_filter", "run", "aliases", "defaults", "outputs"),
    [
        pytest.param("abc", "", ("abc", "yz"), "abc", [], "yz", id="as declared"),
        pytest.param("cba", "", ("abc", "yz"), "abc", [], "yz", id="in another order"),
        pytest.param("ba", "", ("abc", "yz"), "ab", [THREE], "yz", id="one by default"),
        pytest.param("abc", "z", ("abc", "z"), "abc", [], "z", id="filter"),
        pytest.param("abc", "zy", ("abc", "zy"), "abc", [], "zy", id="filter in another order"),
    ],
)
def test_inputs_are_fed_as_the_signature_has_them(
    sent: str, output_filter: str, run: tuple[str, str], aliases: str, defaults: list[Tensor], outputs: str
) -> None:
    """Whatever their order in the request; then the defaults for those it leaves out; outputs as they are asked for."""
    plan = Plans(Servable(SIGNATURE)).predict("s", tuple(sent), tuple(output_filter))
    assert run_of(plan) == tuple(tuple(f"{alias}:0" for alias in part) for part in run)
    assert (plan.aliases, plan.outputs) == (tuple(aliases), tuple(outputs))
    assert [given is wanted for given, wanted in zip(plan.defaults, defaults, strict=True)] == [True] * len(defaults)


def test_a_kind_of_request_is_worked_out_once() -> None:
    """The same object is given each time, and a request of another kind does not change what is known."""
    servable = Servable(SIGNATURE)
    plans = Plans(servable)
    kinds = [("abc", ""), ("ab", ""), ("ab", "z"), ("abc", "z")]
    first, again = ([plans.predict("s", tuple(sent), tuple(names)) for sent, names in kinds] for _ in range(2))
    assert len(servable.resolved) == len(set(map(id, first))) == len(kinds)
    assert [a is b for a, b in zip(first, again, strict=True)] == [True] * len(kinds)


def test_signatures_do_not_share_plans() -> None:
    """Two signatures with the same names of inputs and outputs are called each for itself."""
    other = Signature(name="t", inputs={"a": TensorInfo(name="b:0", dtype=DataType.FLOAT)}, outputs=infos("y"))
    plans = Plans(Servable(Signature(name="s", inputs=infos("a"), outputs=infos("y")), other))
    assert [run_of(plans.predict(name, ("a",)))[0] for name in "st"] == [("a:0",), ("b:0",)]


def test_predict_has_signatures_of_its_own() -> None:
    """Where a model has one signature for Examples and another for tensors by the same name, the second is called."""
    tensors = Signature(name="s", inputs=infos("a"), outputs=infos("y"))
    plans = Plans(Servable(Signature(name="s", inputs=infos("b"), outputs=infos("z"), predict_instead=tensors)))
    assert plans.signatures["s"] is tensors
    assert run_of(plans.predict("s", ("a",))) == (("a:0",), ("y:0",))


@pytest.mark.parametrize(
    ("sent", "output_filter", "text"),
    [
        pytest.param("abcd", "", "input size does not match signature", id="inputs"),
        pytest.param("abc", "x", "output tensor alias not found in signature: x", id="filter"),
    ],
)
def test_what_does_not_fit_is_refused_each_time(sent: str, output_filter: str, text: str) -> None:
    """With the signature's own words; nothing is resolved for it, and it takes no place."""
    servable = Servable(SIGNATURE)
    plans = Plans(servable)
    for _ in range(2):
        with pytest.raises(ServingError, match=text) as raised:
            plans.predict("s", tuple(sent), tuple(output_filter))
        assert raised.value.code is Code.INVALID_ARGUMENT
    assert (servable.resolved, len(plans.kept)) == ([], 0)


def test_what_is_kept_is_bounded() -> None:
    """A hostile client sends its inputs in ever new orders; each is answered, and memory stays as it is."""
    names = "abcdefg"
    servable = Servable(Signature(name="s", inputs=infos(names), outputs=infos("y")))
    plans = Plans(servable)
    kinds = list(permutations(names))
    for kind in kinds:
        assert plans.predict("s", kind).aliases == tuple(names)
    assert len(servable.resolved) == len(kinds) == 5040
    assert len(plans.kept) == 1024
    plans.predict("s", kinds[0])
    assert len(servable.resolved) == len(kinds)
    plans.predict("s", kinds[-1])
    assert len(servable.resolved) == len(kinds) + 1


def test_other_calls_are_kept_by_their_keys() -> None:
    """What is no Predict is worked out by who asks for it, the first time; a failure leaves nothing behind."""
    plans = Plans(Servable())

    def refuse() -> Plan:
        raise ServingError(Code.INVALID_ARGUMENT, "no")

    with pytest.raises(ServingError):
        plans.of("key", refuse)
    made = plans.of("key", lambda: plans.resolve(("a:0",), {"y": "y:0"}))
    assert plans.of("key", refuse) is made


def test_graph_tensors_are_called_as_they_are_given() -> None:
    """A plan of graph tensors feeds them in their order, and has its outputs by the keys of the fetches."""
    plan = Plans(Servable()).resolve(("b:0", "a:0"), {(0, "y"): "y:0", (1, "y"): "z:0"})
    assert run_of(plan) == (("b:0", "a:0"), ("y:0", "z:0"))
    assert (plan.aliases, plan.defaults, plan.outputs) == (("b:0", "a:0"), (), ((0, "y"), (1, "y")))
