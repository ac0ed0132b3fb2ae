"""Numbers in answers: the digits they are written with, one by one and in bulk, in arrays of every type and shape."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serving.codecs.json import decimals as json_decimals
from serving.codecs.json.decimals import MOST_EXACT, NUMBERS, float_texts
from serving.codecs.json.response import outputs, predictions
from serving.core.tensor import STORAGE, DataType, Tensor

FLOAT, INT32 = DataType.FLOAT, DataType.INT32

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
    columns, one = {"y": Tensor(dtype, values)}, {"z": Tensor(INT32, np.array(1, np.int32))}
    assert outputs(columns).decode() == f'{{\n    "outputs": {by_element(words, 1, lines=True)}\n}}'
    assert f'"y": {by_element(words, 2, lines=True)},\n' in outputs(columns | one).decode()
    if values.ndim and len(values):
        rows = by_element(words, 0, lines=False).removesuffix("]")
        assert predictions(columns).decode() == f'{{\n    "predictions": {rows}\n    ]\n}}'
        both = predictions(columns | {"z": Tensor(INT32, np.ones(len(values), np.int32))}).decode()
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
