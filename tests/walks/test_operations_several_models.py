"""The page examples/operations/several_models: two models, and a third one that is added while they are served."""

import json
from collections.abc import Iterator

import pytest

from tests.walks.walk import Walk

X = [1.0, 2.0, 5.0]


pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with Walk("operations/several_models", tmp_path_factory.mktemp("several_models")) as walk:
        walk.run()
        yield walk


def objects(text: str) -> list[object]:
    """The JSON objects that a block printed one after the other."""
    found, decoder = [], json.JSONDecoder()
    while text := text.strip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


def test_both_models_answer(walk: Walk) -> None:
    """The two models of the first file each answer with their own slope."""
    assert objects(walk.output("models/triple:predict")) == [
        {"predictions": [2 * x for x in X]},
        {"predictions": [3 * x for x in X]},
    ]


def test_added_model_answers(walk: Walk) -> None:
    """The model that only the second file names answers without a restart."""
    assert objects(walk.output("models/half:predict")) == [{"predictions": [x / 2 for x in X]}]


def test_list_has_all_three(walk: Walk) -> None:
    """At the end the server lists three models, each with version 1 available."""
    (listed,) = objects(walk.ran[-1].output)
    assert isinstance(listed, dict)
    states = {name: [each["state"] for each in body["model_version_status"]] for name, body in listed["states"].items()}
    assert states == {name: ["AVAILABLE"] for name in ("double", "triple", "half")}


def test_nothing_was_loaded_twice(walk: Walk) -> None:
    """The second file loads the model that is new, and leaves the other two as they are."""
    loaded = [line for line in walk.server.output if "Successfully loaded servable version" in line]
    assert len(loaded) == 3
