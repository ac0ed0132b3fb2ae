"""Which signatures share a step, and which have none."""

from collections.abc import Hashable

import pytest

from serving.core.signature import Signature
from serving.optimizing.candidates import MAX_STEPS, Group, Grouped, NotOptimizedError, Step, Twin, grouped
from tests.unit.optimizing.graphs import signature


def different(_: Signature) -> Hashable | None:
    return None


def by_name(signature: Signature) -> Hashable | None:
    """As if signatures of the same name did the same."""
    return signature.name


def test_signatures_over_the_same_inputs_share_a_step() -> None:
    """All of their outputs are fetched; what is there for the loader does not count."""
    signatures = {
        "b": signature({"i": "z:0", "j": "x:0"}, {"y": "y:0", "w": "w:1"}),
        "a": signature({"x": "x:0", "z": "z:0"}, {"y": "y:0"}),
        "__saved_model_init_op": signature({}, {"o": "NoOp"}),
    }
    group = Group(step=Step(("x:0", "z:0"), ("y:0", "w:1")), signatures=("a", "b"))
    assert grouped(signatures, different, {}) == Grouped((group,), {})


TWINS = {
    "serve": signature({"b": "sb:0", "a": "sa:0"}, {"y": "sy:0", "z": "sz:0"}),
    "serving_default": signature({"a": "da:0", "b": "db:0"}, {"z": "dz:0", "y": "dy:0"}),
}


def test_signatures_that_do_the_same_share_a_step() -> None:
    """The default signature has the step; its twin's tensors are those with the same aliases."""
    (group,) = grouped(TWINS, by_name, {}).groups
    step = Step(("da:0", "db:0"), ("dz:0", "dy:0"))
    assert group.step == step
    assert group.signatures == ("serving_default",)
    assert group.twins == {"serve": Twin(Step(("sa:0", "sb:0"), ("sz:0", "sy:0")), step)}
    assert group.answered == ("serving_default", "serve")


@pytest.mark.parametrize(
    ("feeds", "fetches", "expected"),
    [
        pytest.param(("sb:0", "sa:0"), ("sy:0",), Step(("db:0", "da:0"), ("dy:0",)), id="twin"),
        pytest.param(("db:0", "da:0"), ("dy:0",), Step(("db:0", "da:0"), ("dy:0",)), id="own"),
        pytest.param(("sa:0", "sb:0"), ("sy:0", "sz:0"), Step(("da:0", "db:0"), ("dy:0", "dz:0")), id="all"),
        pytest.param(("sa:0",), ("sy:0",), None, id="one input less"),
        pytest.param(("sa:0", "sa:0"), ("sy:0",), None, id="one input twice"),
        pytest.param(("sa:0", "db:0"), ("sy:0",), None, id="one input of each"),
        pytest.param(("sa:0", "sb:0"), ("dy:0",), None, id="the other's output"),
        pytest.param(("sa:0", "sb:0"), ("other:0",), None, id="another output"),
    ],
)
def test_requests_by_the_step_s_tensors(
    feeds: tuple[str, ...], fetches: tuple[str, ...], expected: Step | None
) -> None:
    """A request for a twin becomes one for the step, in its own order; others are not for the step."""
    (group,) = grouped(TWINS, by_name, {}).groups
    assert group.in_step(feeds, fetches) == expected


def test_twins_of_a_signature_that_shares_a_step() -> None:
    """The step fetches more than the twin has."""
    signatures = {
        "a": signature({"x": "x:0"}, {"y": "y:0"}, name="1"),
        "b": signature({"x": "x:0"}, {"w": "w:0"}, name="2"),
        "c": signature({"x": "t:0"}, {"w": "v:0"}, name="2"),
    }
    (group,) = grouped(signatures, by_name, {}).groups
    assert group.step == Step(("x:0",), ("y:0", "w:0"))
    assert group.in_step(("t:0",), ("v:0",)) == Step(("x:0",), ("w:0",))


def test_different_signatures_have_steps_of_their_own() -> None:
    """The default signature comes first, then the others by name, up to a number."""
    names = ["f", "e", "d", "serving_default", "c", "b"]
    found = grouped({name: signature({"x": f"{name}:0"}, {"y": f"{name}/y:0"}) for name in names}, different, {})
    assert [group.signatures for group in found.groups] == [("serving_default",), ("b",), ("c",), ("d",)]
    assert len(found.groups) == MAX_STEPS
    assert found.refused == dict.fromkeys(("e", "f"), "it has more than 4 different signatures")


def test_one_refused_signature_leaves_the_others() -> None:
    """Why a signature has no step is kept, in the order of names."""
    signatures = {
        "b": signature({"x": "x:0"}, {"y": "y:0"}),
        "a": signature({"x": "x:0"}, {"y": "z:0"}),
        "c": signature({}, {"y": "z:0"}),
    }
    found = grouped(signatures, different, {"a": "state"})
    assert [group.answered for group in found.groups] == [("b",)]
    assert next(iter(found.refused.items())) == ("a", "state")
    assert "no single tensors" in found.refused["c"]


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        pytest.param(None, "it has no signatures", id="none"),
        pytest.param(({"x": "x:0"}, {"y": "x:0"}), "an input is also an output", id="identity"),
        pytest.param(({}, {"y": "y:0"}), "no single tensors", id="no input"),
        pytest.param(({"x": "x:0"}, {}), "no single tensors", id="no output"),
        pytest.param(({"x": ""}, {"y": "y:0"}), "no single tensors", id="sparse"),
        pytest.param(({"x": "x:0", "z": "x:0"}, {"y": "y:0"}), "the same tensor", id="twice"),
        pytest.param(({"x": "x:1"}, {"y": "y:0"}), "not the first output", id="second output"),
    ],
)
def test_nothing_that_a_step_can_answer(ends: tuple[dict[str, str], dict[str, str]] | None, reason: str) -> None:
    """If all are refused, the first reason is the model's."""
    signatures = {} if ends is None else {"s": signature(*ends)}
    with pytest.raises(NotOptimizedError, match=reason):
        grouped(signatures, different, {})
