"""How far two answers to one request are apart: by output, by their best columns, and whether they say the same."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.core.tensor import DataType, Tensor

TOLERANCE = 1e-4
"""The largest difference of two answers that agree, in proportion to the largest magnitude in the tensor."""

_SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)
"""TensorFlow itself gives numbers below this in some threads, and zeros in others."""

_CODED = frozenset(data_type for data_type in DataType if data_type.name.startswith(("FLOAT8", "Q")))
"""Types whose numbers no array of numpy's has: what is stored are codes."""


class Difference(NamedTuple):
    """Of two tensors: the largest absolute difference of an element; or None, and why there is none."""

    largest: float | None
    reason: str = ""


class TopOne(NamedTuple):
    """Rows whose largest column is the same in both, of so many rows."""

    agreed: int
    rows: int


def difference(first: Tensor, second: Tensor) -> Difference:
    """The largest absolute difference; places where both have NaN, or the same infinity, do not differ.

    Data types may be two: 0.5 is 0.5 in each.
    """
    for tensor in (first, second):
        if tensor.dtype is DataType.STRING:
            return Difference(None, "strings are no numbers")
        if tensor.dtype in _CODED:
            return Difference(None, f"values of type {tensor.dtype.word} are not compared")
    if first.array.shape != second.array.shape:
        return Difference(None, f"the shapes differ: {list(first.array.shape)} and {list(second.array.shape)}")
    largest = _largest(_numbers(first), _numbers(second))
    if not np.isfinite(largest):
        return Difference(None, "a value is finite in one answer and not in the other")
    return Difference(largest)


def top_one(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> TopOne:
    """Which rows agree on their largest column, over all float outputs of two or more dimensions and columns.

    A row is everything along the last axis. Outputs that only one has, or whose shapes differ, are left out.
    """
    agreed = rows = 0
    for name in first.keys() & second.keys():
        one, other = _scores(first[name]), _scores(second[name])
        if one is None or other is None or one.shape != other.shape:
            continue
        same = one.argmax(axis=-1) == other.argmax(axis=-1)
        agreed += int(same.sum())
        rows += same.size
    return TopOne(agreed, rows)


def agree(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether two answers have the same outputs, types and shapes, and values that are equal or, of floats, close.

    Close is within ``TOLERANCE`` of the largest magnitude in the first; what is not finite has to be the same.
    """
    return first.keys() == second.keys() and all(_agrees(first[name], second[name]) for name in first)


def _agrees(first: Tensor, second: Tensor) -> bool:
    expected, given = first.array, second.array
    if first.dtype is not second.dtype or expected.shape != given.shape:
        return False
    if first.dtype is DataType.BFLOAT16:
        expected, given = _numbers(first), _numbers(second)
    if expected.dtype.kind not in "fc":
        return np.array_equal(expected, given)
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], given[~finite], equal_nan=True) or not np.isfinite(given[finite]).all():
        return False
    largest = float(np.abs(expected[finite]).max(initial=0.0)) or 1.0
    apart = _largest(expected[finite], given[finite])
    return apart < _SMALLEST_NORMAL or apart <= TOLERANCE * largest


def _largest(first: NDArray[Any], second: NDArray[Any]) -> float:
    if first.dtype.kind in "iu" and first.dtype == second.dtype:  # exact, also where the difference has 64 bits
        high, low = np.maximum(first, second), np.minimum(first, second)
        return float((high.astype(np.uint64) - low.astype(np.uint64)).max(initial=0))
    one, other = _wide(first), _wide(second)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(all="ignore"):
        return float(np.abs(np.where(same, 0, one - other)).max(initial=0.0))


def _wide(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _numbers(tensor: Tensor) -> NDArray[Any]:
    """The values of a numeric tensor; those of bfloat16 are bit patterns before that."""
    if tensor.dtype is not DataType.BFLOAT16:
        return tensor.array
    return (tensor.array.astype(np.uint32) << 16).view(np.float32)


def _scores(tensor: Tensor) -> NDArray[Any] | None:
    array = _numbers(tensor)
    wanted = array.dtype.kind == "f" and array.ndim > 1 and array.shape[-1] > 1 and array.size > 0
    return array if wanted else None
