"""Tensors as bytes: elements in row-major order, little endian, strings with their lengths before them."""

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.codecs.open_inference.datatypes import BYTES, DATATYPES
from serving.codecs.protobuf.wire import joined
from serving.core.tensor import MAX_DIMENSIONS, STORAGE, DataType, Tensor, truths
from serving.errors import invalid_argument

_LENGTH_BYTES = 4
_SMALL = 4096
"""Fewer bytes are copied once more faster than they are looked at where they are."""
_STRING, _BOOL = DataType.STRING, DataType.BOOL


def check_shape(name: str, shape: tuple[int, ...]) -> None:
    """Raise ServingError, INVALID_ARGUMENT, for a shape of the input ``name`` that no tensor has."""
    if len(shape) > MAX_DIMENSIONS or min(shape, default=0) < 0:
        shown = f"{len(shape)} dimensions" if len(shape) > MAX_DIMENSIONS else f"the shape {list(shape)}"
        raise invalid_argument(
            f'Input "{name}" has {shown}; expected at most {MAX_DIMENSIONS} dimensions, none of them negative'
        )


def shaped(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """``array``, which has as many elements, in ``shape``; INVALID_ARGUMENT for sizes beyond what can be addressed."""
    try:
        return array.reshape(shape)
    except ValueError:  # without elements, and yet with huge sizes
        raise invalid_argument(
            f'Input "{name}" has the shape {list(shape)}; expected sizes that fit into memory'
        ) from None


def read(name: str, dtype: DataType, shape: tuple[int, ...], data: bytes | memoryview) -> Tensor:
    """The tensor of the input ``name``, whose numbers refer to ``data``; strings are copied.

    Raises ServingError, INVALID_ARGUMENT: a wrong number of bytes, an impossible shape, strings that are cut off.
    """
    storage = STORAGE[dtype]
    expected = _bytes_of(dtype, shape)
    if dtype is _STRING or len(data) != expected or not expected:
        return _read_slowly(name, dtype, shape, data)
    array = np.frombuffer(data, storage)
    if len(shape) != 1:
        array = array.reshape(shape)
    return Tensor(dtype, truths(array) if dtype is _BOOL else array)


@lru_cache(1024)
def _bytes_of(dtype: DataType, shape: tuple[int, ...]) -> int:
    """How many bytes a tensor of numbers has; 0 also for a shape that no tensor has."""
    possible = len(shape) <= MAX_DIMENSIONS and min(shape, default=0) >= 0
    return prod(shape) * STORAGE[dtype].itemsize if possible else 0


def _read_slowly(name: str, dtype: DataType, shape: tuple[int, ...], data: bytes | memoryview) -> Tensor:
    """The same for strings, for no elements, and for what is refused."""
    check_shape(name, shape)
    count = prod(shape)
    if dtype is _STRING:
        return Tensor(dtype, shaped(name, _strings(name, count, data), shape))
    size = count * STORAGE[dtype].itemsize
    if len(data) != size:
        raise invalid_argument(
            f'Input "{name}" has {len(data)} bytes; expected {size} for the datatype {DATATYPES[dtype]} and the shape '
            f"{list(shape)}"
        )
    return Tensor(dtype, shaped(name, np.frombuffer(data, STORAGE[dtype]), shape))


def _strings(name: str, count: int, data: bytes | memoryview) -> NDArray[Any]:
    if count * _LENGTH_BYTES > len(data):  # before anything is made for so many
        raise _not_strings(name, count, len(data))
    values, at = np.empty(count, object), 0
    for index in range(count):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "little")
        values[index] = bytes(data[start:at])
    if at != len(data):  # also where one is cut off: a slice beyond the end is short, and ``at`` is behind the end
        raise _not_strings(name, count, len(data))
    return values


def _not_strings(name: str, count: int, size: int) -> Exception:
    return invalid_argument(
        f'Input "{name}" has {size} bytes, which are not {count} strings; expected each of the datatype {BYTES} after '
        "its length in 4 bytes, little endian, as many as the shape has elements"
    )


def write(tensor: Tensor) -> bytes | memoryview:
    """The bytes of a tensor; those of numbers are the array's own memory, where they lie in order."""
    dtype, array = tensor
    if dtype is not _STRING:
        if array.nbytes < _SMALL:
            return array.tobytes()
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    parts: list[bytes] = []
    for value in array.ravel().tolist():
        parts += (len(value).to_bytes(_LENGTH_BYTES, "little"), value)
    return joined(parts)
