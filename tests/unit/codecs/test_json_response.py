"""Answers as JSON: golden layouts of rows and columns, and errors. Digits of numbers have a file of their own."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from serving.codecs.json.response import error, outputs, predictions
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.errors import Code, ServingError


def tensor(dtype: DataType, values: object) -> Tensor:
    return Tensor(dtype, np.array(values, dtype=STORAGE[dtype]))


FLOAT, INT32, STRING = DataType.FLOAT, DataType.INT32, DataType.STRING

ROWS = [
    ("numbers", {"y": tensor(FLOAT, [2.5, 3, 4.5])}, b'{\n    "predictions": [2.5, 3.0, 4.5\n    ]\n}'),
    ("lists", {"y": tensor(FLOAT, [[2.5, 3], [3.5, 4]])}, b'{\n    "predictions": [[2.5, 3.0], [3.5, 4.0]\n    ]\n}'),
    ("deep", {"y": tensor(FLOAT, [[[[[2.5]]]]])}, b'{\n    "predictions": [[[[[2.5]]]]\n    ]\n}'),
    ("empty-lists", {"y": tensor(FLOAT, [[[]]])}, b'{\n    "predictions": [[[]]\n    ]\n}'),
    ("no-rows", {"y": tensor(FLOAT, np.zeros((0, 2)))}, b'{\n    "predictions": []\n}'),
    (
        "no-rows-of-two",
        {"y": tensor(FLOAT, []), "z": tensor(FLOAT, np.zeros((0, 2)))},
        b'{\n    "predictions": []\n}',
    ),
    (
        "not-finite",
        {"y": tensor(FLOAT, [math.nan, -math.nan, math.inf, -math.inf])},
        b'{\n    "predictions": [NaN, NaN, Infinity, -Infinity\n    ]\n}',
    ),
    (
        "several",
        {"a": tensor(FLOAT, [[1, 2], [3, 4]]), "b": tensor(INT32, [5, 6])},
        b'{\n    "predictions": [\n        {\n            "a": [1.0, 2.0],\n            "b": 5\n        },\n        {\n'
        b'            "a": [3.0, 4.0],\n            "b": 6\n        }\n    ]\n}',
    ),
    (
        "bytes",
        {"y_bytes": tensor(STRING, [b"hello", b"world"])},
        b'{\n    "predictions": [{\n            "b64": "aGVsbG8="\n        }, {\n            "b64": "d29ybGQ="\n'
        b"        }\n    ]\n}",
    ),
    (
        "lists-of-bytes",
        {"y_bytes": tensor(STRING, [[b"hello", b"world"], [b"tf", b"serving"]])},
        b'{\n    "predictions": [[{\n                "b64": "aGVsbG8="\n            }, {\n'
        b'                "b64": "d29ybGQ="\n            }], [{\n                "b64": "dGY="\n            }, {\n'
        b'                "b64": "c2VydmluZw=="\n            }]\n    ]\n}',
    ),
    (
        "bytes-of-several",
        {"a_bytes": tensor(STRING, [b"h"]), "b": tensor(INT32, [1])},
        b'{\n    "predictions": [\n        {\n            "a_bytes": {\n                "b64": "aA=="\n            },\n'
        b'            "b": 1\n        }\n    ]\n}',
    ),
    ("strings", {"y": tensor(STRING, [b'\xff"', b""])}, b'{\n    "predictions": ["\xff\\"", ""\n    ]\n}'),
    ("bytes-that-are-numbers", {"y_bytes": tensor(INT32, [1])}, b'{\n    "predictions": [1\n    ]\n}'),
    ("bools", {"y": tensor(DataType.BOOL, [True, False])}, b'{\n    "predictions": [true, false\n    ]\n}'),
    (
        "int64",
        {"y": tensor(DataType.INT64, [2**63 - 1, -(2**63)])},
        b'{\n    "predictions": [9223372036854775807, -9223372036854775808\n    ]\n}',
    ),
    ("uint64", {"y": tensor(DataType.UINT64, [2**64 - 1])}, b'{\n    "predictions": [18446744073709551615\n    ]\n}'),
    ("uint8", {"y": tensor(DataType.UINT8, [0, 255])}, b'{\n    "predictions": [0, 255\n    ]\n}'),
    ("empty-of-a-type-without-json", {"y": tensor(DataType.HALF, [[]])}, b'{\n    "predictions": [[]\n    ]\n}'),
]

COLUMNS = [
    ("scalar", {"y": tensor(FLOAT, 3)}, b'{\n    "outputs": 3.0\n}'),
    ("vector", {"y": tensor(FLOAT, [2.5])}, b'{\n    "outputs": [\n        2.5\n    ]\n}'),
    (
        "matrix",
        {"y": tensor(INT32, [[1, 2]])},
        b'{\n    "outputs": [\n        [\n            1,\n            2\n        ]\n    ]\n}',
    ),
    ("empty", {"y": tensor(FLOAT, [])}, b'{\n    "outputs": []\n}'),
    ("empty-list", {"y": tensor(FLOAT, [[]])}, b'{\n    "outputs": [\n        []\n    ]\n}'),
    (
        "several",
        {"sum": tensor(FLOAT, [[6], [9]]), "b\n": tensor(INT32, 10)},
        b'{\n    "outputs": {\n        "sum": [\n            [\n                6.0\n            ],\n            [\n'
        b'                9.0\n            ]\n        ],\n        "b\\n": 10\n    }\n}',
    ),
    ("bytes-alone", {"y_bytes": tensor(STRING, b"hello")}, b'{\n    "outputs": {\n        "b64": "aGVsbG8="\n    }\n}'),
    (
        "bytes",
        {"y_bytes": tensor(STRING, [[b"a"], [b"c"]])},
        b'{\n    "outputs": [\n        [\n            {\n                "b64": "YQ=="\n            }\n        ],\n'
        b'        [\n            {\n                "b64": "Yw=="\n            }\n        ]\n    ]\n}',
    ),
]


@pytest.mark.parametrize(("tensors", "body"), [case[1:] for case in ROWS], ids=[case[0] for case in ROWS])
def test_rows_are_laid_out_like_the_original(tensors: dict[str, Tensor], body: bytes) -> None:
    """Elements stand on one line, objects do not, and the closing bracket has a line of its own."""
    assert predictions(tensors) == body


@pytest.mark.parametrize(("tensors", "body"), [case[1:] for case in COLUMNS], ids=[case[0] for case in COLUMNS])
def test_columns_are_laid_out_like_the_original(tensors: dict[str, Tensor], body: bytes) -> None:
    """Every value has a line of its own."""
    assert outputs(tensors) == body


ROW_ERRORS = [
    ("scalar", {"s": tensor(FLOAT, 1)}, "Tensor name: s has no shape information "),
    (
        "uneven",
        {"sum": tensor(FLOAT, [1, 2]), "head": tensor(FLOAT, [1])},
        "Tensor name: head has inconsistent batch size: 1 expecting: 2",
    ),
    ("half", {"y": tensor(DataType.HALF, [1])}, "Failed to write JSON value for tensor type: half"),
    ("complex", {"y": tensor(DataType.COMPLEX64, [1])}, "Failed to write JSON value for tensor type: complex64"),
    ("nothing", {}, "Cannot convert empty tensor map to JSON"),
]


@pytest.mark.parametrize(("tensors", "text"), [case[1:] for case in ROW_ERRORS], ids=[case[0] for case in ROW_ERRORS])
def test_outputs_that_are_no_rows_are_refused(tensors: dict[str, Tensor], text: str) -> None:
    """Rows need a common first dimension and types that JSON has."""
    with pytest.raises(ServingError) as caught:
        predictions(tensors)
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARGUMENT, text)


@pytest.mark.parametrize(("tensors", "text"), [case[1:] for case in ROW_ERRORS[2:]], ids=["half", "complex", "nothing"])
def test_columns_need_types_that_json_has(tensors: dict[str, Tensor], text: str) -> None:
    """Shapes are free in columns, types are not."""
    with pytest.raises(ServingError) as caught:
        outputs(tensors)
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARGUMENT, text)


ERROR_BODIES = [
    ("plain", "Missing 'inputs' or 'instances' key", b"Missing 'inputs' or 'instances' key"),
    ("escaped", 'JSON Value: {\n    "x": 1\n}', b'JSON Value: {\\n    \\"x\\": 1\\n}'),
    ("not-utf-8", "JSON Value: \udcff\udcfe", b"JSON Value: \xff\xfe"),
    ("text", "grüße", "grüße".encode()),
]


@pytest.mark.parametrize(
    ("message", "text"), [case[1:] for case in ERROR_BODIES], ids=[case[0] for case in ERROR_BODIES]
)
def test_errors_have_one_shape(message: str, text: bytes) -> None:
    """The message is escaped; bytes that are no UTF-8 come out as they came in."""
    assert error(message) == b'{\n    "error": "%b"\n}' % text


@given(arrays.arrays(np.float32, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0)))
def test_answers_hold_the_tensor(values: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    """A reader of either layout gets shape and values back."""
    answer = {"y": Tensor(FLOAT, values)}
    texts = [outputs(answer), predictions(answer)] if values.ndim else [outputs(answer)]
    for text in texts:
        (found,) = json.loads(text).values()
        np.testing.assert_array_equal(np.array(found, dtype=np.float32).reshape(values.shape), values)


@pytest.mark.parametrize("write", [outputs, predictions])
@pytest.mark.parametrize("shape", [(2**40, 0), (3, 2**30, 0), (2**20 + 1, 0, 5)], ids=str)
def test_empty_lists_without_end_are_refused(write: Any, shape: tuple[int, ...]) -> None:
    """A shape with a 0 in it carries nothing and may declare any number of lists, which would fill the memory."""
    empty = np.lib.stride_tricks.as_strided(np.empty(0, np.float32), shape)
    with pytest.raises(ServingError) as caught:
        write({"y": Tensor(FLOAT, empty)})
    assert caught.value.code is Code.RESOURCE_EXHAUSTED
    assert str(list(shape)) in caught.value.message


def test_many_empty_lists_are_written() -> None:
    """As many as one is likely to have are no matter, and of none there are none."""
    assert predictions({"y": Tensor(FLOAT, np.empty((1000, 0), np.float32))}).count(b"[]") == 1000
    assert json.loads(outputs({"y": Tensor(FLOAT, np.empty((0, 2**40), np.float32))})) == {"outputs": []}
