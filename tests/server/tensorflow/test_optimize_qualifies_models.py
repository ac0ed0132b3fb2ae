"""Which signatures of real SavedModels may be optimised, together with which others, and what they are tried with."""

from pathlib import Path

import pytest

from serving.errors import ServingError
from serving.optimizing import edges, qualifying
from serving.optimizing.candidates import Step
from serving.optimizing.comparing import Example
from serving.optimizing.examples import examples
from serving.optimizing.qualifying import Qualified
from serving.servables.saved_model import SavedModelServable
from tests.conftest import made_by
from tests.support.models import NO_LIMIT, loaded

SCRIPT = Path(__file__).with_name("make_qualifying.py")

STRINGS = [
    "jpeg",
    "cropped",
    "png",
    "bmp",
    "gif",
    "any",
    "base64",
    "zipped",
    "sound",
    "numbers",
    "raw",
    "padded",
    "columns",
    "json",
    "single",
    "parsed",
    "words",
]
"""Signatures of the model ``strings``."""

ADDS = "the operation AssignAddVariableOp (AssignAddVariableOp)"


@pytest.fixture(scope="module")
def directory(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of ``make_qualifying.py``."""
    return made_by(SCRIPT, pytestconfig, tmp_path_factory)


def qualified(path: Path, plain: SavedModelServable) -> Qualified:
    return qualifying.qualified(path / "saved_model.pb", ["serve"], plain.signatures)


@pytest.mark.parametrize(
    ("model", "groups"),
    [
        pytest.param("keras", [("serving_default", "serve")], id="Keras's export"),
        pytest.param("archive", [("serving_default", "again"), ("softmax",)], id="Keras's archive"),
        pytest.param("counter", [("serving_default",)], id="state beside it"),
        pytest.param("asserting", [("serving_default",)], id="assertions"),
        pytest.param("estimator", [("serving_default", "predict")], id="estimator"),
    ],
)
def test_groups(directory: Path, model: str, groups: list[tuple[str, ...]]) -> None:
    """Signatures that do the same, or have the same inputs, are together."""
    path = directory / model / "1"
    with loaded(path) as plain:
        found = qualified(path, plain)
    assert [group.answered for group in found.groups] == groups


def test_signatures_with_state(directory: Path) -> None:
    """What assigns, and what reads the same variable, is left as it is, each for its reason."""
    path = directory / "counter" / "1"
    with loaded(path) as plain:
        found = qualified(path, plain)
    assert found.refused == {
        "increment": f"{ADDS} keeps state from call to call",
        "read": f"{ADDS} of the signature increment changes calls, which it uses",
    }


@pytest.mark.parametrize("model", ["keras", "archive"])
def test_twins_give_the_same_answers(directory: Path, model: str) -> None:
    """What a twin is asked for, its step answers, to the bit."""
    path = directory / model / "1"
    with loaded(path) as plain:
        group = qualified(path, plain).groups[0]
        ((_, twin),) = group.twins.items()
        step = group.in_step(*twin.own)
        assert step is not None
        (example, *_) = examples(plain.signatures, step, path)
        (own,), (given,) = plain.resolve(*twin.own)(example, NO_LIMIT), plain.resolve(*step)(example, NO_LIMIT)
    assert own.array.tolist() == given.array.tolist()


def answered(plain: SavedModelServable, step: Step, tried: list[Example]) -> list[Example]:
    """The examples that the model takes."""
    taken = []
    for example in tried:
        try:
            plain.resolve(*step)(example, NO_LIMIT)
            taken.append(example)
        except ServingError:
            pass
    return taken


@pytest.mark.parametrize("name", STRINGS)
def test_strings_that_a_model_takes(directory: Path, name: str) -> None:
    """Of what is made up for each kind of string the model answers some, with one row and with two."""
    path = directory / "strings" / "1"
    with loaded(path) as plain:
        (signature,) = [each for each in plain.signatures.values() if each.name == name]
        step = Step(*[tuple(info.name for info in infos.values()) for infos in (signature.inputs, signature.outputs)])
        made = examples({name: signature}, step, path, qualified(path, plain).index)
        assert {len(example[0].array) for example in answered(plain, step, made)} == {1, 2}


def test_examples_of_an_estimator(directory: Path) -> None:
    """Serialised tf.Examples have the features that the parser asks for, with words that are in its table."""
    path = directory / "estimator" / "1"
    with loaded(path) as plain:
        found = qualified(path, plain)
        step = found.groups[0].step
        made = examples(plain.signatures, step, path, found.index)
        assert answered(plain, step, made) == made
    assert all(b"word" in text for example in made for text in example[0].array)
    assert any(b"the" in text for example in made for text in example[0].array)


def test_edges_that_a_model_refuses(directory: Path) -> None:
    """An assertion refuses those of the edges that it is there for, and each has its magnitude."""
    path = directory / "asserting" / "1"
    with loaded(path) as plain:
        step = qualified(path, plain).groups[0].step
        (example, *_) = examples(plain.signatures, step, path)
        tried = edges.edges(example)
        taken = answered(plain, step, [edge.tensors for edge in tried])
    labels = {edge.label for edge in tried if any(edge.tensors is each for each in taken)}
    assert {"floats: zero", "floats: up to 1"} <= labels
    assert not {"floats: largest", "floats: NaN", "floats: infinity among others"} & labels
