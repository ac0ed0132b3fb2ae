"""Schemas of tensors, by their types and shapes; tests/foreign/test_openapi.py tries them on a validator."""

from collections.abc import Mapping
from typing import Any

import pytest

from serving.codecs.openapi import schemas
from serving.core.signature import TensorInfo
from serving.core.tensor import DataType

Shape = tuple[int, ...] | None
FLOAT: dict[str, Any] = {
    "type": "number",
    "format": "float",
    "minimum": -3.4028234663852886e38,
    "maximum": 3.4028234663852886e38,
}


def info(dtype: DataType = DataType.FLOAT, shape: Shape = (-1,)) -> TensorInfo:
    return TensorInfo(name="x:0", dtype=dtype, shape=shape)


def infos(*shapes: Shape) -> Mapping[str, TensorInfo]:
    return {f"i{n}": info(shape=shape) for n, shape in enumerate(shapes)}


@pytest.mark.parametrize(
    ("shape", "columns", "row"),
    [
        pytest.param((), FLOAT, None, id="scalar"),
        pytest.param((-1,), {"type": "array", "items": FLOAT, "minItems": 1}, FLOAT, id="vector"),
        pytest.param(
            (-1, 2),
            {"type": "array", "items": {"type": "array", "items": FLOAT, "minItems": 2, "maxItems": 2}, "minItems": 1},
            {"type": "array", "items": FLOAT, "minItems": 2, "maxItems": 2},
            id="rows of two",
        ),
        pytest.param(
            None,
            {"anyOf": [FLOAT, {"type": "array", "items": {}}]},
            {"anyOf": [FLOAT, {"type": "array", "items": {}}]},
            id="unknown rank",
        ),
    ],
)
def test_shapes(shape: Shape, columns: Any, row: Any) -> None:
    """Sizes that are known are, open ones are one at least; a row lacks the first dimension."""
    given = {"x": info(shape=shape)}
    assert schemas.columns_in(given, ()) == columns
    if row is None:
        assert not schemas.have_rows(given)
    else:
        assert schemas.rows_in(given, ()) == row


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        (((-1,), (-1, 3)), True),
        (((2,), (-1, 3)), True),
        (((2,), (3, 3)), False),
        (((-1,), ()), False),
        ((None, (-1,)), True),
        (((2,), (2,)), True),
    ],
)
def test_rows(shapes: tuple[Shape, ...], expected: bool) -> None:
    """There are rows if no tensor is a scalar and known numbers of rows agree."""
    assert schemas.have_rows(infos(*shapes)) is expected


def test_number_of_rows() -> None:
    """Known if one tensor says it."""
    assert schemas.list_of_rows(infos((-1,), (2, 3)), {}, least=1) == {
        "type": "array",
        "items": {},
        "minItems": 2,
        "maxItems": 2,
    }
    assert schemas.list_of_rows(infos((-1,)), {}) == {"type": "array", "items": {}}


def test_several_inputs() -> None:
    """They are an object of all, without others."""
    made = schemas.columns_in(infos((-1,), ()), ())
    assert (made["required"], made["additionalProperties"]) == (["i0", "i1"], False)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (DataType.INT8, -128, 127),
        (DataType.UINT8, 0, 255),
        (DataType.INT16, -(2**15), 2**15 - 1),
        (DataType.INT32, -(2**31), 2**31 - 1),
        (DataType.UINT32, 0, 2**32 - 1),
        (DataType.INT64, -(2**63), 2**63 - 1),
        (DataType.UINT64, 0, 2**64 - 1),
    ],
)
def test_integers(dtype: DataType, low: int, high: int) -> None:
    """They have the range of their type."""
    made = schemas.rows_in({"x": info(dtype)}, ())
    assert (made["type"], made["minimum"], made["maximum"]) == ("integer", low, high)


def test_strings() -> None:
    """Text or base64 where both will do, base64 where bytes are needed; answers have it by their names."""
    base64, text = {"$ref": "#/components/schemas/Base64"}, {"type": "string"}
    string = info(DataType.STRING)
    assert schemas.rows_in({"s": string}, ()) == {"anyOf": [text, base64]}
    assert schemas.rows_in({"s": string}, {"s"}) == base64
    assert schemas.rows_in({"s_bytes": string}, ()) == base64
    assert schemas.rows_out({"s": string}) == text
    assert schemas.rows_out({"s_bytes": string}) == base64


def test_truth_values() -> None:
    """They are no numbers."""
    assert schemas.rows_in({"x": info(DataType.BOOL)}, ()) == {"type": "boolean"}


@pytest.mark.parametrize("dtype", [DataType.HALF, DataType.COMPLEX64, DataType.UINT16, DataType.RESOURCE])
def test_what_json_has_not(dtype: DataType) -> None:
    """One such tensor is enough."""
    assert not schemas.are_carried({"a": info(), "b": info(dtype)})
    assert schemas.are_carried({"a": info()})
    assert not schemas.are_carried({})
