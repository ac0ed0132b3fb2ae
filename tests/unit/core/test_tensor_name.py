"""Names of graph tensors taken apart; tests/server/tensorflow/test_tensor_names.py asks TensorFlow for the same."""

import pytest

from serving.core.tensor_name import CONTROL, TensorName, parse


@pytest.mark.parametrize(
    ("name", "operation", "index", "shown"),
    [
        ("x", "x", 0, "x:0"),
        ("x:0", "x", 0, "x:0"),
        ("a/b:12", "a/b", 12, "a/b:12"),
        ("x:007", "x", 7, "x:7"),
        ("x:" + "0" * 40, "x", 0, "x:0"),
        ("", "", 0, ":0"),
        (":3", "", 3, ":3"),
        (":", ":", 0, "::0"),
        ("x:", "x:", 0, "x::0"),
        ("x:-1", "x:-1", 0, "x:-1:0"),
        ("x: 1", "x: 1", 0, "x: 1:0"),
        ("x:1\n", "x:1\n", 0, "x:1\n:0"),
        ("x:\u0663", "x:\u0663", 0, "x:\u0663:0"),
        ("x:1:2", "x:1", 2, "x:1:2"),
        ("a\nb:1", "a\nb", 1, "a\nb:1"),
        ("^x", "x", CONTROL, "^x"),
        ("^", "", CONTROL, "^"),
        ("^x:0", "^x", 0, "^x:0"),
        ("x:2147483648", "x", -(2**31), "x:-2147483648"),
        ("x:18446744073709551615", "x", CONTROL, "^x"),
        ("x:18446744073709551616", "x:18446744073709551616", 0, "x:18446744073709551616:0"),
    ],
)
def test_parse(name: str, operation: str, index: int, shown: str) -> None:
    """An operation, an index, and how TensorFlow writes the two."""
    assert parse(name) == TensorName(operation, index)
    assert str(parse(name)) == shown
