"""What another list of models changes, in words."""

from pathlib import Path
from typing import Any

import pytest

from serving.configuration.changes import changes
from serving.configuration.model_config import ModelConfig
from serving.core.request_logging import RequestLogging, TaskSampling
from serving.core.version_policy import All, Specific

LOGGING = RequestLogging(filename_prefix="p", rate=0.5)


def model(name: str = "m", **fields: Any) -> ModelConfig:
    """An entry of a list."""
    return ModelConfig(name=name, **{"base_path": Path("/a"), **fields})


def told(before: list[ModelConfig], after: list[ModelConfig]) -> list[str]:
    """The lines."""
    return [each.text % each.arguments for each in changes(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        pytest.param([model()], [model()], [], id="nothing"),
        pytest.param([model("a"), model("b")], [model("b"), model("a")], [], id="another order"),
        pytest.param([], [model()], ["Model m is new: base path /a, versions latest 1, not logged"], id="new"),
        pytest.param([model()], [], ["Model m is not configured any more"], id="gone"),
        pytest.param(
            [model()],
            [model(base_path=Path("/b"), policy=Specific(versions=frozenset((2, 1))))],
            ["Model m is changed: base path /a -> /b; versions latest 1 -> specific 1, 2"],
            id="path and versions",
        ),
        pytest.param([model(policy=All())], [model()], ["Model m is changed: versions all -> latest 1"], id="versions"),
        pytest.param(
            [model()],
            [model(logging=LOGGING)],
            ["Model m is changed: requests not logged -> logged at rate 0.5 as p"],
            id="logged",
        ),
        pytest.param(
            [model(logging=LOGGING)],
            [
                model(
                    logging=RequestLogging(
                        filename_prefix="p",
                        rate=0.5,
                        tasks=(TaskSampling(rate=1, dc="x"), TaskSampling(rate=0, index=3)),
                        attributes=7,
                    )
                )
            ],
            [
                "Model m is changed: requests logged at rate 0.5 as p -> "
                "logged at rate 0.5, 1 in dc x, 0 in any dc, task 3, attributes 7 as p"
            ],
            id="logged otherwise",
        ),
        pytest.param(
            [model(labels={"stable": 1, "old": 1})],
            [model(labels={"stable": 2, "canary": 3})],
            [
                "Label canary of model m is new, for version 3",
                "Label old of model m is gone; it was for version 1",
                "Label stable of model m moves from version 1 to 2",
            ],
            id="labels",
        ),
        pytest.param(
            [model(labels={"stable": 1})],
            [],
            ["Model m is not configured any more", "Label stable of model m is gone; it was for version 1"],
            id="gone with its labels",
        ),
    ],
)
def test_changes_are_told(before: list[ModelConfig], after: list[ModelConfig], lines: list[str]) -> None:
    """One line for each model and each label of which something is another, and none for the rest."""
    assert told(before, after) == lines


def test_facts_of_a_label() -> None:
    """What the line says in words is there as fields, too."""
    (move,) = changes([model(labels={"stable": 1})], [model(labels={"stable": 2})])
    assert move.facts == {"model": "m", "label": "stable", "version": 2, "former_version": 1}
