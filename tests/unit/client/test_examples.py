"""Mappings -> serialised tf.Examples, read by the server's message class."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from serving.client import example
from serving.client.examples import to_message
from serving.protos import Example


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        pytest.param(1.5, "float_list", [1.5], id="float"),
        pytest.param([1.5, 2], "float_list", [1.5, 2.0], id="floats"),
        pytest.param(np.array([0.5]), "float_list", [0.5], id="float64"),
        pytest.param(np.array([0.5], np.float16), "float_list", [0.5], id="half"),
        pytest.param(7, "int64_list", [7], id="int"),
        pytest.param([2**40, -1], "int64_list", [2**40, -1], id="ints"),
        pytest.param(np.array([255], np.uint8), "int64_list", [255], id="uint8"),
        pytest.param(True, "int64_list", [1], id="bool"),
        pytest.param("\u00e9", "bytes_list", [b"\xc3\xa9"], id="str"),
        pytest.param([b"\xff\0", "a"], "bytes_list", [b"\xff\0", b"a"], id="strings"),
        pytest.param(np.arange(4).reshape(2, 2), "int64_list", [0, 1, 2, 3], id="flat"),
        pytest.param([], None, [], id="empty"),
        pytest.param(np.zeros(0, np.float32), "float_list", [], id="empty array"),
    ],
)
def test_kinds_of_features(value: Any, kind: str | None, expected: list[Any]) -> None:
    """The type of the value decides; an empty list has none."""
    feature = Example.FromString(example({"x": value})).features.feature["x"]
    assert feature.WhichOneof("kind") == kind
    assert (list(getattr(feature, kind).value) if kind else []) == expected


def test_bytes_are_the_same_each_time() -> None:
    """The order of the features does not matter."""
    assert example({"a": 1, "b": 2}) == example({"b": 2, "a": 1})


def test_serialised_examples_stay_as_they_are() -> None:
    """What the client did not make it does not change."""
    data = example({"x": [1.0]})
    assert to_message(data).SerializeToString(deterministic=True) == data


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        pytest.param(None, TypeError, "feature 'x': expected numbers, or str or bytes", id="none"),
        pytest.param([[1], [2, 3]], ValueError, "feature 'x': .* lengths", id="ragged"),
        pytest.param(2**63, ValueError, "feature 'x': .* 64 bits with a sign, got 9223372036854775808", id="large"),
        pytest.param(1j, TypeError, "feature 'x': a feature has floats, ints or strings", id="complex"),
        pytest.param(np.zeros(1, ml_dtypes.bfloat16), TypeError, r'give values.astype\("float32"\)', id="bfloat16"),
        pytest.param(np.zeros(1, ml_dtypes.int4), TypeError, r'got int4; give values.astype\("int64"\)', id="int4"),
    ],
)
def test_what_is_no_feature(value: Any, error: type[Exception], expected: str) -> None:
    """The feature is named, and what was expected."""
    with pytest.raises(error, match=expected):
        example({"x": value})
