"""Tensor contents in JSON: lists of elements in row-major order, flat or nested, to arrays.

How a list is nested is not compared with the shape, as Triton does not: the number of elements is.
"""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.codecs.json.literals import Literals
from serving.codecs.open_inference.datatypes import DATATYPES
from serving.codecs.open_inference.raw import check_shape, shaped
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.errors import ServingError, invalid_argument

BINARY_ONLY = frozenset((DataType.HALF, DataType.BFLOAT16))
"""The types that have no form in JSON, by the specification."""

_STRING, _BOOL, _FLOAT = DataType.STRING, DataType.BOOL, DataType.FLOAT
_REAL = frozenset((_FLOAT, DataType.DOUBLE))
_FLOATS, _INTEGERS = frozenset((int, float)), frozenset((int,))


def binary_only(kind: str, name: str, dtype: DataType, member: str) -> ServingError:
    """The error for an ``Input`` or ``Output`` in JSON that has to be binary; ``member`` is the parameter for it."""
    return invalid_argument(
        f'{kind} "{name}" is {DATATYPES[dtype]}, which has no form in JSON; expected it as binary data: see the '
        f"parameter {member}"
    )


def read(name: str, dtype: DataType, shape: tuple[int, ...], data: Literals | list[Any]) -> Tensor:
    """The tensor of the input ``name`` of its ``data``: number literals, or what they are as Python's values.

    Raises ServingError, INVALID_ARGUMENT: elements of another type or out of range, another number of them than the
    shape has, an impossible shape, a datatype that has no form in JSON.
    """
    check_shape(name, shape)
    if dtype in BINARY_ONLY:
        raise binary_only("Input", name, dtype, "binary_data_size")
    array = (
        _of_literals(name, dtype, data) if isinstance(data, Literals) else _of_values(name, dtype, _leaves(name, data))
    )
    if array.size != prod(shape):
        raise invalid_argument(
            f'Input "{name}" has {array.size} elements; expected {prod(shape)} for the shape {list(shape)}'
        )
    return Tensor(dtype, shaped(name, array, shape))


def _of_literals(name: str, dtype: DataType, data: Literals) -> NDArray[Any]:
    storage = STORAGE[dtype]
    array = data.plain("u" if storage.kind == "u" else "i" if storage.kind == "i" else "d")
    if array is None or (dtype in (_STRING, _BOOL) and array.size):
        raise _unfit(name, dtype)
    return _narrowed(name, dtype, array) if array.size else np.empty(0, storage)


def _of_values(name: str, dtype: DataType, values: list[Any]) -> NDArray[Any]:
    kinds = set(map(type, values))
    if dtype is _STRING:
        if kinds - {str}:
            raise _unfit(name, dtype)
        return _strings(name, values)
    if dtype is _BOOL:
        if kinds - {bool}:
            raise _unfit(name, dtype)
        return np.array(values, np.bool_)
    real = dtype in _REAL
    if kinds - (_FLOATS if real else _INTEGERS):
        raise _unfit(name, dtype)
    try:
        wide = np.array(values, np.float64 if real else np.uint64 if STORAGE[dtype].kind == "u" else np.int64)
    except OverflowError:
        raise _unfit(name, dtype) from None
    return _narrowed(name, dtype, wide)


def _strings(name: str, values: list[str]) -> NDArray[Any]:
    array: NDArray[Any] = np.empty(len(values), object)
    try:
        array[:] = [value.encode() for value in values]
    except UnicodeEncodeError:  # half of a surrogate pair, which Python's parser lets through
        raise _unfit(name, _STRING) from None
    return array


def _narrowed(name: str, dtype: DataType, wide: NDArray[Any]) -> NDArray[Any]:
    """64-bit numbers in the storage of ``dtype``. INVALID_ARGUMENT for one that it cannot hold."""
    storage = STORAGE[dtype]
    if wide.dtype == storage:
        return wide
    if dtype is _FLOAT:
        with np.errstate(over="ignore"):
            narrow = wide.astype(storage)
        if np.isinf(narrow).sum() != np.isinf(wide).sum():
            raise _unfit(name, dtype)
        return narrow
    limits = np.iinfo(storage)
    if wide.size and (int(wide.min()) < limits.min or int(wide.max()) > limits.max):
        raise _unfit(name, dtype)
    return wide.astype(storage)


def _leaves(name: str, level: list[Any]) -> list[Any]:
    """The elements of lists that are nested to one depth."""
    while list in (kinds := set(map(type, level))):
        if len(kinds) > 1:
            raise invalid_argument(
                f'The data of input "{name}" has elements beside lists; expected either at each depth'
            )
        level = [leaf for child in level for leaf in child]
    return level


_EXPECTED = {_STRING: "strings", _BOOL: "true or false"} | dict.fromkeys(_REAL, "numbers within its range")


def _unfit(name: str, dtype: DataType) -> ServingError:
    expected = _EXPECTED.get(dtype, "integers within its range")
    return invalid_argument(
        f'The data of input "{name}" has an element that is no {DATATYPES[dtype]}; expected {expected} and nothing else'
    )
