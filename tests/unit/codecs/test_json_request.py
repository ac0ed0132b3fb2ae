"""Predict requests to tensors: rules and orders as recorded from TensorFlow Serving, on both roads."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from serving.codecs.json.request import Layout
from serving.core.signature import TensorInfo
from serving.core.tensor import STORAGE, DataType
from tests.support.json_requests import AB, Reader, S, X, infos

ACCEPTED = [
    (
        "float",
        DataType.FLOAT,
        b"[1, 2.5, -0.0, 1e-3, 1e30, 16777217, 1e39, 1e-45]",
        np.array([1, 2.5, -0.0, 1e-3, 1e30, 16777216, np.inf, 0], np.float32),
    ),
    ("not-finite", DataType.FLOAT, b"[NaN, Inf, -Infinity]", np.array([np.nan, np.inf, -np.inf], np.float32)),
    (
        "double",
        DataType.DOUBLE,
        b"[9007199254740993, 18446744073709551616, 2.2250738585072014e-308, 5e-324]",
        np.array([9007199254740992.0, 2.0**64, 2.2250738585072014e-308, 0.0]),
    ),
    ("int32", DataType.INT32, b"[0, -1, 2147483647, -2147483648]", np.array([0, -1, 2**31 - 1, -(2**31)], np.int32)),
    ("int16-wraps", DataType.INT16, b"[32768, -32769, 70000]", np.array([-32768, 32767, 4464], np.int16)),
    ("int8-wraps", DataType.INT8, b"[128, 300, -129]", np.array([-128, 44, 127], np.int8)),
    ("uint8-wraps", DataType.UINT8, b"[256, 300, -1]", np.array([0, 44, 255], np.uint8)),
    ("int64", DataType.INT64, b"[9007199254740993, -9223372036854775808]", np.array([9007199254740993, -(2**63)])),
    ("uint32", DataType.UINT32, b"[0, 4294967295]", np.array([0, 2**32 - 1], np.uint32)),
    ("uint64", DataType.UINT64, b"[0, 18446744073709551615]", np.array([0, 2**64 - 1], np.uint64)),
    ("bool", DataType.BOOL, b"[true, false]", np.array([True, False])),
    (
        "string",
        DataType.STRING,
        b'["a", "", "\xff", {"b64": "/+8="}]',
        np.array([b"a", b"", b"\xff", b"\xff\xef"], object),
    ),
    ("scalar", DataType.FLOAT, b"3.0", np.array(3, np.float32)),
    ("scalar-string", DataType.STRING, b'"hello"', np.array(b"hello", object)),
    ("base64-alone", DataType.STRING, b'{"b64": "aGVsbG8"}', np.array(b"hello", object)),
    ("empty", DataType.FLOAT, b"[]", np.zeros((0,), np.float32)),
    ("empty-lists", DataType.INT8, b"[[], []]", np.zeros((2, 0), np.int8)),
    ("empty-of-a-type-without-json", DataType.HALF, b"[[]]", np.zeros((1, 0), np.float16)),
    ("matrix", DataType.INT64, b"[[1, 2, 3], [4, 5, 6]]", np.arange(1, 7).reshape(2, 3)),
]


@pytest.mark.parametrize(
    ("dtype", "text", "array"), [case[1:] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED]
)
@pytest.mark.parametrize("body", [b'{"inputs": %b}', b'{"inputs": {"x": %b, "unknown": 7}}'], ids=["plain", "named"])
def test_values_become_the_tensor_they_spell(
    reader: Reader, body: bytes, dtype: DataType, text: bytes, array: NDArray[Any]
) -> None:
    """Shape from the nesting, dtype from the signature, values as the original converts them."""
    layout, tensors = reader(body % text).tensors(infos(x=dtype))
    assert layout is Layout.COLUMNAR
    assert tensors["x"].dtype is dtype
    assert tensors["x"].array.dtype == STORAGE[dtype]
    np.testing.assert_array_equal(tensors["x"].array, array, strict=True)
    if array.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(tensors["x"].array), np.signbit(array))


def test_first_of_two_columns_with_one_name_counts(reader: Reader) -> None:
    """Members are looked up, and a look-up finds the first."""
    _, tensors = reader(b'{"inputs": {"x": [1.0], "x": "no number"}}').tensors(X)
    assert tensors["x"].array.tolist() == [1.0]


ROWS = [
    ("values", X, b'{"instances": [1, 2.5]}', {"x": [1, 2.5]}),
    ("lists", X, b'{"instances": [[1, 2], [3, 4]]}', {"x": [[1, 2], [3, 4]]}),
    ("objects", X, b'{"instances": [{"x": 1.0}, {"x": 2.0}]}', {"x": [1, 2]}),
    ("object-of-lists", X, b'{"instances": [{"x": [1, 2]}]}', {"x": [[1, 2]]}),
    ("two-inputs", AB, b'{"instances": [{"a": [1], "b": 2}, {"b": 4, "a": [3]}]}', {"a": [[1], [3]], "b": [2, 4]}),
    ("first-duplicate", X, b'{"instances": [{"x": 1.0, "x": 2.0}]}', {"x": [1]}),
    ("first-of-two-lists", X, b'{"instances":[1.0],"instances":[9.0]}', {"x": [1]}),
    ("text-behind", X, b'{"instances": [1.0]} trailing', {"x": [1]}),
    ("empty-elements", X, b'{"instances": [[[]]]}', {"x": [[[]]]}),
    ("strings", S, b'{"instances": [{"b64": "aGVsbG8="}, "abc"]}', {"s": [b"hello", b"abc"]}),
]


@pytest.mark.parametrize(("inputs", "body", "expected"), [case[1:] for case in ROWS], ids=[case[0] for case in ROWS])
def test_rows_are_stacked(
    reader: Reader, inputs: dict[str, TensorInfo], body: bytes, expected: dict[str, list[object]]
) -> None:
    """Elements become one tensor per input with their number in front."""
    layout, tensors = reader(body).tensors(inputs)
    assert layout is Layout.ROW
    assert {name: tensor.array.tolist() for name, tensor in tensors.items()} == expected


def test_a_base64_row_fills_the_first_of_several_inputs(reader: Reader) -> None:
    """A base64 object is an object for one rule and a value for the next: only the first input is given."""
    _, tensors = reader(b'{"instances": [{"b64": "aA=="}]}').tensors(S | AB)
    assert {name: tensor.array.tolist() for name, tensor in tensors.items()} == {"s": [b"h"]}


NAMES = [
    (b'{"instances": [1]}', ""),
    (b'{"signature_name": "", "instances": [1]}', ""),
    (b'{"signature_name": "first", "instances": [1], "signature_name": "second"}', "first"),
    (b'{"instances": [1], "signature_name": "last"}', "last"),
    (b'{"signature_name": "\xff", "instances": [1]}', "\udcff"),
    (b'{"signature_name": "\\u0061"}', "a"),
]


@pytest.mark.parametrize(("body", "name"), NAMES, ids=range(len(NAMES)))
def test_the_signature_is_named_anywhere_or_not_at_all(reader: Reader, body: bytes, name: str) -> None:
    """The first signature_name counts; without one the name is empty."""
    assert reader(body).signature_name == name


def test_deep_nesting_in_an_ignored_key_is_no_trouble(reader: Reader) -> None:
    """Depth is limited only where a tensor is read."""
    body = b'{"other": ' + b"[" * 100_000 + b"]" * 100_000 + b', "instances": [1.0]}'
    assert reader(body).tensors(X)[1]["x"].array.tolist() == [1.0]
