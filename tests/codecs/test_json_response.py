"""Answers as JSON: golden layouts, the rule for decimals, and errors."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serving.codecs import json_decimals
from serving.codecs.json_decimals import MOST_EXACT, NUMBERS, float_texts
from serving.codecs.json_response import error, outputs, predictions
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


FLOAT32_TEXTS = [
    (2.5, "2.5"),
    (3, "3.0"),
    (9000000, "9e+06"),
    (999999, "999999.0"),
    (0.00003, "3e-05"),
    (1 / 3, "0.333333343"),
    (12345678, "12345678.0"),
    (1435774380, "1.43577434e+09"),
    (-0.0, "-0.0"),
    (2.33333325, "2.33333325"),
    (16777216, "16777216.0"),
    (67108896, "6.71089e+07"),
    (67108904, "67108904.0"),
    (3.4028234663852886e38, "3.40282347e+38"),
    (1e-45, "1.4013e-45"),
]
FLOAT64_TEXTS = [
    (1 / 3, "0.33333333333333331"),
    (1e22, "1e+22"),
    (1e300, "1e+300"),
    (123456.7, "123456.7"),
    (0.1, "0.1"),
]


@pytest.mark.parametrize(("value", "text"), FLOAT32_TEXTS, ids=[text for _, text in FLOAT32_TEXTS])
def test_floats_have_six_digits_or_nine(value: float, text: str) -> None:
    """Six significant digits if they give the float back, else nine; whole numbers get a fraction."""
    assert float_texts(np.array([value], np.float32)) == [text.encode()]


@pytest.mark.parametrize(("value", "text"), FLOAT64_TEXTS, ids=[text for _, text in FLOAT64_TEXTS])
def test_doubles_have_six_digits_or_seventeen(value: float, text: str) -> None:
    """The same for doubles, with seventeen."""
    assert float_texts(np.array([value], np.float64)) == [text.encode()]


def by_definition(value: np.floating[Any]) -> str:
    """The rule, one value at a time."""
    if not np.isfinite(value):
        return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    text = f"{float(value):g}"
    if type(value)(text) != value:
        text = f"{float(value):.{9 if value.dtype == np.float32 else 17}g}"
    return text if "." in text or "e" in text else f"{text}.0"


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float", "double"])
@given(data=st.data())
def test_bulk_formatting_follows_the_definition(dtype: type[np.floating[Any]], data: st.DataObject) -> None:
    """Formatting many values at once gives what the rule gives for each."""
    short = st.decimals(-(10**7), 10**7, places=3).map(lambda number: float(dtype(str(number))))
    element = arrays.from_dtype(np.dtype(dtype)) | short
    values = np.array(data.draw(st.lists(element, max_size=20)), dtype=dtype)
    assert float_texts(values) == [by_definition(value).encode() for value in values]


# Floats at the edges of what is written in bulk, and floats that no bulk takes.
EDGES = [
    *(float(np.nextafter(np.float32(f"1e{power}"), np.float32(to))) for power in range(-16, 11) for to in (0, 1e30)),
    *(
        float(f"{digits}e{power}")
        for digits in ("1", "9.99999", "9.999995", "1.5", "3.14159")
        for power in range(-16, 11)
    ),
    *(0.0, -0.0, 1e-45, 1.17549435e-38, 3.4028234663852886e38, 16777217.0, 999999.5, 0.5000001, 2.0**-20),
    *(math.nan, math.inf, -math.inf),
]


def test_many_floats_follow_the_definition_at_the_edges() -> None:
    """Powers of ten, where the number of zeros and the exponents change, and what is not finite."""
    values = np.array([sign * value for value in EDGES for sign in (1, -1)], np.float32)
    assert float_texts(values) == [by_definition(value).encode() for value in values]


@pytest.mark.parametrize("low", [-14, -5, -1, 5], ids=["tiny", "small", "usual", "large"])
def test_many_random_floats_follow_the_definition(low: int) -> None:
    """More floats than are written in one block, over all decades with and without exponents."""
    random = np.random.default_rng(low + 20)
    values = (10 ** random.uniform(low, low + 6, 10_000) * random.choice([-1, 1], 10_000)).astype(np.float32)
    values[::7] = [np.float32(f"{value:.3g}") for value in values[::7]]
    assert float_texts(values) == [by_definition(value).encode() for value in values]


def by_element(value: Any, depth: int, *, lines: bool) -> str:
    """The layout, one list at a time."""
    if not isinstance(value, list):
        return str(value)
    elements = [by_element(element, depth + 1, lines=lines) for element in value]
    if not lines or not elements:
        return f"[{', '.join(elements)}]"
    indent = "\n" + "    " * (depth + 1)
    return f"[{indent}{f',{indent}'.join(elements)}{indent[:-4]}]"


SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@pytest.mark.parametrize("dtype", sorted(NUMBERS), ids=lambda dtype: dtype.word)
@given(data=st.data())
def test_numbers_of_every_type_and_shape_are_laid_out_alike(dtype: DataType, data: st.DataObject) -> None:
    """Rows, columns, and both with a second output, as the rule lays out each list."""
    values = data.draw(arrays.arrays(STORAGE[dtype], SHAPES))
    words = np.array([word(value) for value in values.ravel()], object).reshape(values.shape).tolist()
    columns = {"y": Tensor(dtype, values)}
    assert outputs(columns).decode() == f'{{\n    "outputs": {by_element(words, 1, lines=True)}\n}}'
    assert f'"y": {by_element(words, 2, lines=True)},\n' in outputs(columns | {"z": tensor(INT32, 1)}).decode()
    if values.ndim and len(values):
        rows = by_element(words, 0, lines=False).removesuffix("]")
        assert predictions(columns).decode() == f'{{\n    "predictions": {rows}\n    ]\n}}'
        both = predictions(columns | {"z": tensor(INT32, [1] * len(values))}).decode()
        assert [f'"y": {by_element(row, 0, lines=False)},' in both for row in words] == [True] * len(words)


def word(value: Any) -> str:
    """One number or boolean, by the rule."""
    return by_definition(value) if isinstance(value, np.floating) else str(value).lower()


@pytest.mark.parametrize(
    "values", [np.ones((3, 4), np.float32)[:, ::2], np.ones((2, 3), np.int64).T], ids=["cut", "turned"]
)
def test_arrays_need_not_be_contiguous(values: np.ndarray[Any, Any]) -> None:
    """Parts of arrays and transposed ones are written like their copies."""
    assert json_decimals.text(values, exact_digits=True) == json_decimals.text(values.copy("C"), exact_digits=True)


@pytest.mark.parametrize("dtype", [DataType.FLOAT, DataType.DOUBLE], ids=["float", "double"])
def test_long_outputs_have_the_shortest_digits(dtype: DataType) -> None:
    """Above the limit only the digits change; the values, the blanks and the lines do not."""
    values = np.full((MOST_EXACT + 1, 1), 1 / 3, STORAGE[dtype])
    values[:5, 0] = math.nan, math.inf, -math.inf, 1e-7, 3
    answer = {"y": Tensor(dtype, values)}
    third = json.dumps(float(str(values[5, 0])))
    for write in (predictions, outputs):
        exact, short = write(answer), write(answer, exact_digits=False)
        full = by_definition(values[5, 0])
        assert short == exact.replace(b"1e-07", b"1e-7").replace(full.encode(), third.encode())
        (found,) = json.loads(short).values()
        np.testing.assert_array_equal(np.array(found, STORAGE[dtype]), values)


def test_long_outputs_of_finite_floats_are_whole() -> None:
    """Nothing has to be put between the numbers then."""
    values = np.arange(MOST_EXACT + 2, dtype=np.float32).reshape(2, -1)
    text = predictions({"y": Tensor(FLOAT, values)}, exact_digits=False)
    assert json.loads(text) == {"predictions": values.tolist()}


@pytest.mark.parametrize("write", [predictions, outputs], ids=["rows", "columns"])
def test_outputs_up_to_the_limit_keep_the_digits_of_the_original(write: Any) -> None:
    """Every output counts for itself, and integers always look the same."""
    short = np.full(MOST_EXACT, 1 / 3, np.float32)
    for answer in ({"y": Tensor(FLOAT, short)}, {"y": Tensor(INT32, np.zeros(MOST_EXACT + 1, np.int32))}):
        assert write(answer, exact_digits=False) == write(answer)


@given(arrays.arrays(np.float32, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0)))
def test_answers_hold_the_tensor(values: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    """A reader of either layout gets shape and values back."""
    answer = {"y": Tensor(FLOAT, values)}
    texts = [outputs(answer), predictions(answer)] if values.ndim else [outputs(answer)]
    for text in texts:
        (found,) = json.loads(text).values()
        np.testing.assert_array_equal(np.array(found, dtype=np.float32).reshape(values.shape), values)
