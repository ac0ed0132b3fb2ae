"""Nested Python lists, as orjson makes them of short bodies, to arrays in the storage of a data type.

They come out as ``json_tensor`` would make them of the text, or not at all: ``REFUSALS`` leave it to the exact road.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.codecs.json.fast import Layout
from serving.codecs.json.strings import base64_decoded
from serving.core.signature import TensorInfo
from serving.core.tensor import STORAGE, DataType


class DeclinedError(ValueError):
    """Only the exact road can say what a value is."""


REFUSALS = (ValueError, TypeError, OverflowError)
"""``DeclinedError``, and how numpy refuses: uneven nesting, objects, integers out of range."""

_FLOAT, _DOUBLE = DataType.FLOAT, DataType.DOUBLE
_FLOAT32, _array = np.dtype(np.float32), np.array
# The narrow types are read as int32 and wrap around afterwards.
_READ_AS = {
    _DOUBLE: np.dtype(np.float64),
    **{dtype: STORAGE[dtype] for dtype in (DataType.INT32, DataType.INT64, DataType.UINT32, DataType.UINT64)},
    **dict.fromkeys((DataType.INT16, DataType.INT8, DataType.UINT8), np.dtype(np.int32)),
}

# Up to 24 digits, both parsers' doubles are less than 32 units in the last place apart.
_LOWER, _HIGHER = 1 - 2.0**-47, 1 + 2.0**-47

_B64 = "b64"


def is_base64(value: dict[str, Any]) -> bool:
    """Whether an object stands for a string."""
    return len(value) == 1 and type(value.get(_B64)) is str


def columns(layout: Layout, value: Any, inputs: Mapping[str, TensorInfo]) -> Mapping[str, Any] | None:
    """The nested lists by alias: the instances of every input one after the other, or its own member of the inputs."""
    if layout is Layout.ROW:
        if type(value) is not list or not value:
            return None
        if type(value[0]) is dict and not is_base64(value[0]):
            names = inputs.keys()
            if any(type(row) is not dict or row.keys() != names or is_base64(row) for row in value):
                return None
            return {name: [row[name] for row in value] for name in names}
    elif type(value) is dict and not is_base64(value):
        return value if value.keys() >= inputs.keys() else None
    return dict.fromkeys(inputs, value) if len(inputs) == 1 else None


def numbers(values: Any, dtype: DataType, long: bool) -> NDArray[Any]:
    """A number, or lists of nothing but numbers without exponents, with up to 24 digits, or 15 if not ``long``.

    Raises one of ``REFUSALS``, also if there are no numbers.
    """
    if dtype is _FLOAT:
        array: NDArray[Any] = _narrowed(values) if long else _array(values, _FLOAT32)
    else:
        read_as = _READ_AS.get(dtype)
        if read_as is None or (long if dtype is _DOUBLE else np.array(values).dtype.kind != "i"):
            raise DeclinedError
        array = np.array(values, read_as).astype(STORAGE[dtype], copy=False)
    if not array.size:
        raise DeclinedError
    return array


def leaves(values: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of regular lists without empty ones, and their leaves. Raises ``DeclinedError``."""
    shape: list[int] = []
    level = [values]
    while type(level[0]) is list:
        size = len(level[0])
        if not size or any(type(child) is not list or len(child) != size for child in level):
            raise DeclinedError
        shape.append(size)
        level = [leaf for child in level for leaf in child]
    return tuple(shape), level


def flat(found: list[Any], dtype: DataType, *, long: bool) -> NDArray[Any]:
    """A vector of ``leaves``; for numbers what ``numbers`` says. Raises one of ``REFUSALS``."""
    kinds = set(map(type, found))
    if dtype is DataType.STRING:
        strings = np.empty(len(found), dtype=object)
        strings[:] = [_bytes(leaf) for leaf in found]
        return strings
    if dtype is DataType.BOOL and kinds == {bool}:
        return np.array(found, np.bool_)
    if kinds <= {int, float}:
        return numbers(found, dtype, long)
    raise DeclinedError


def _bytes(leaf: Any) -> bytes:
    if type(leaf) is str:
        return leaf.encode()
    data = base64_decoded(leaf[_B64].encode()) if type(leaf) is dict and is_base64(leaf) else None
    if data is None:
        raise DeclinedError
    return data


def _narrowed(values: Any) -> NDArray[np.float32]:
    """``values`` as floats, if both parsers' doubles round to the same: none of them is subnormal or infinite."""
    wide = np.array(values, np.float64)
    lower, higher = (wide * _LOWER).astype(np.float32), (wide * _HIGHER).astype(np.float32)
    if lower.tobytes() != higher.tobytes():
        raise DeclinedError
    return lower
