"""One JSON value to the elements of one tensor, checked leaf by leaf; the exact road of ``json_request``.

The shape is the nesting of the value, never the declared one (docs/compatibility.md, "Predict request").
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.codecs.json.echo import echo
from serving.codecs.json.numbers import to_float32
from serving.codecs.json.strings import base64_decoded
from serving.codecs.json.text import JsonObject, JsonValue
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.errors import Code, ServingError, invalid_argument

# numpy's limit; TensorFlow would take 254, but none of its kernels that compute go beyond 8.
MAX_DIMENSIONS = 64

_B64 = b"b64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements:
    """The leaves of a regular nested list, row-major, as Python values; a scalar has the shape ``()``."""

    shape: tuple[int, ...]
    leaves: list[Any]


def is_base64(value: JsonValue) -> bool:
    """Whether ``value`` stands for a string: an object with the one member ``b64``, a string."""
    return isinstance(value, JsonObject) and len(value.members) == 1 and isinstance(value.get(_B64), bytes)


def elements(value: JsonValue, dtype: DataType) -> Elements:
    """The leaves of ``value`` as ``dtype`` takes them, in its range.

    Raises ServingError: INVALID_ARGUMENT for wrong types and irregular nesting, UNIMPLEMENTED for types that JSON
    requests cannot carry.
    """
    shape = _shape(value)
    if not isinstance(value, list):
        return Elements(shape=shape, leaves=[_leaf(value, dtype)])
    leaves: list[Any] = []
    stack: list[Iterator[JsonValue]] = [iter(value)]
    while stack:
        for child in stack[-1]:
            if isinstance(child, list):
                _check_list(child, len(stack), shape)
                stack.append(iter(child))
                break
            if len(stack) != len(shape):
                raise invalid_argument(
                    f"JSON Value: {echo(child)} found at incorrect level: {len(stack) + 1} in the JSON DOM. "
                    f"Expected at level: {len(shape)}"
                )
            leaves.append(_leaf(child, dtype))
        else:
            stack.pop()
    return Elements(shape=shape, leaves=leaves)


def tensor(alias: str, dtype: DataType, shape: tuple[int, ...], leaves: list[Any]) -> Tensor:
    """The tensor of ``shape`` with ``leaves``, row-major.

    Raises ServingError, INVALID_ARGUMENT: too many dimensions, or a type without storage (resources, variants).
    """
    if len(shape) > MAX_DIMENSIONS or dtype not in STORAGE:
        raise invalid_argument(f"tensor parsing error: {alias}")
    return Tensor(dtype, _array(dtype, leaves).reshape(shape))


def _shape(value: JsonValue) -> tuple[int, ...]:
    """The lengths met by following first elements."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def _check_list(value: list[JsonValue], level: int, shape: tuple[int, ...]) -> None:
    if level >= len(shape):
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )


def _leaf(value: JsonValue, dtype: DataType) -> Any:
    if isinstance(value, JsonObject):
        if dtype is not DataType.STRING:
            raise _type_error(value, dtype)
        return _base64_leaf(value)
    accepts = _ACCEPTS.get(dtype)
    if accepts is None:
        raise ServingError(Code.UNIMPLEMENTED, f"Conversion of JSON Value: {echo(value)} to type: {dtype.word}")
    if not accepts(value):
        raise _type_error(value, dtype)
    return value


def _base64_leaf(value: JsonObject) -> bytes:
    text = value.get(_B64)
    if not isinstance(text, bytes) or len(value.members) != 1:
        raise invalid_argument(f"JSON Value: {echo(value)} not formatted correctly for base64 data")
    return base64_bytes(text)


def base64_bytes(text: bytes) -> bytes:
    """What a base64 text stands for. Raises ServingError, INVALID_ARGUMENT."""
    data = base64_decoded(text)
    if data is None:
        raise invalid_argument("Unable to base64 decode")
    return data


def _type_error(value: JsonValue, dtype: DataType) -> ServingError:
    return invalid_argument(f"JSON Value: {echo(value)} Type: {type_word(value)} is not of expected type: {dtype.word}")


def type_word(value: JsonValue) -> str:
    """The name of a value's type in messages."""
    if value is None or isinstance(value, bool):
        return {None: "Null", True: "True", False: "False"}[value]
    return {bytes: "String", list: "Array", JsonObject: "Object"}.get(type(value), "Number")


def _integers(low: int, high: int) -> Callable[[JsonValue], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _is_number(value: JsonValue) -> bool:
    return type(value) is int or type(value) is float


# The narrow types are read as int32 and wrap around afterwards.
_INT32 = _integers(-(2**31), 2**31 - 1)
_ACCEPTS: dict[DataType, Callable[[JsonValue], bool]] = {
    DataType.FLOAT: _is_number,
    DataType.DOUBLE: _is_number,
    DataType.INT32: _INT32,
    DataType.INT16: _INT32,
    DataType.INT8: _INT32,
    DataType.UINT8: _INT32,
    DataType.INT64: _integers(-(2**63), 2**63 - 1),
    DataType.UINT32: _integers(0, 2**32 - 1),
    DataType.UINT64: _integers(0, 2**64 - 1),
    DataType.BOOL: lambda value: isinstance(value, bool),
    DataType.STRING: lambda value: isinstance(value, bytes),
}


def _array(dtype: DataType, leaves: list[Any]) -> NDArray[Any]:
    if dtype is DataType.STRING:
        strings = np.empty(len(leaves), dtype=object)
        strings[:] = leaves
        return strings
    if dtype is DataType.FLOAT:
        return to_float32(np.array(leaves, dtype=np.float64))
    if dtype in (DataType.DOUBLE, DataType.BOOL, DataType.UINT64):
        return np.array(leaves, dtype=STORAGE[dtype])
    # An empty list of a type that JSON cannot carry comes through here as well: nothing was there to refuse.
    return np.array(leaves, dtype=np.int64).astype(STORAGE[dtype])
