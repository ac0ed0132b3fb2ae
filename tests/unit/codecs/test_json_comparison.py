"""The answer to a comparison as JSON."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from serving.codecs.json.comparison import Side, written
from serving.core.tensor import DataType, Tensor


def side(version: int, outputs: Mapping[str, Any]) -> Side:
    """What a version has answered with these floats, in columns."""
    tensors = {name: Tensor(DataType.FLOAT, np.array(values, np.float32)) for name, values in outputs.items()}
    body = json.dumps({"outputs": outputs}).encode()
    return Side(version=version, body=body, outputs=tensors, seconds=0.25)


@pytest.mark.parametrize(
    ("second", "largest", "reasons", "agreement"),
    [
        pytest.param({"y": [[1.0, 2.5]]}, {"y": 0.5}, {}, 1.0, id="close"),
        pytest.param({"y": [[2.0, 1.0]]}, {"y": 1.0}, {}, 0.0, id="another class"),
        pytest.param({"y": [[1.0]]}, {"y": None}, {"y": "the shapes differ: [1, 2] and [1, 1]"}, None, id="shapes"),
        pytest.param(
            {"z": [1.0]},
            {"y": None, "z": None},
            {"y": "only version 1 has it", "z": "only version 2 has it"},
            None,
            id="other outputs",
        ),
    ],
)
def test_two_answers(
    second: Mapping[str, Any], largest: object, reasons: Mapping[str, str], agreement: float | None
) -> None:
    """Each with its body's members, then what is different by output, with a reason where nobody can tell."""
    first = {"y": [[1.0, 2.0]]}
    document = json.loads(written([side(1, first), side(2, second)]))
    assert document == {
        "answers": [
            {"version": "1", "seconds": 0.25, "outputs": first},
            {"version": "2", "seconds": 0.25, "outputs": second},
        ],
        "largest_difference": largest,
        "not_compared": reasons,
        "top_1_agreement": agreement,
    }


def test_an_error_in_place_of_an_answer() -> None:
    """Names that come from a URL may be no Unicode; what is not there has no difference."""
    missing = Side(version=None, label="no\udcff", error="Unrecognized label: no\udcff")
    document = json.loads(written([side(1, {"y": [1.0]}), missing]))
    assert document["answers"][1] == {"label": "no\ufffd", "error": "Unrecognized label: no\ufffd"}
    assert (document["largest_difference"], document["top_1_agreement"]) == (None, None)
