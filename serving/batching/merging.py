"""Tensors of several callers into those of one run, and the run's outputs back; docs/models.md, "Batching".

An inputs sequence is what one caller feeds, always in the same order. Rows are the 0th dimension. No queues here.
"""

import math
from collections.abc import Hashable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.core.tensor import Tensor
from serving.errors import Code, ServingError, invalid_argument

Inputs = Sequence[Tensor]

_MOST_PADDED_DIMENSIONS = 6


def rows_of(inputs: Inputs, *, padding: bool) -> int:
    """How many rows a caller feeds. INVALID_ARGUMENT if that cannot be said, or if ``padding`` cannot be done."""
    if len(inputs) == 1 and not padding and inputs[0].array.ndim:
        return len(inputs[0].array)
    if not inputs:
        raise invalid_argument("Batching Run() must have at least one input tensor")
    shape = inputs[0].array.shape
    for _, array in inputs:
        if not array.ndim:
            raise invalid_argument("Batching Run() input tensors must have at least one dimension")
        if array.shape[0] != shape[0]:
            raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
        if padding and array.ndim > _MOST_PADDED_DIMENSIONS:
            raise invalid_argument("Only tensors with rank from 1 to 6 can be padded.")
    return len(inputs[0].array)


def uniform(batch: Sequence[Inputs]) -> bool:
    """Whether all of ``batch`` have the same dtypes and row shapes, as nearly always; then ``merge`` needs no care."""
    if len(batch) == 1:
        return True
    for position, (dtype, array) in enumerate(batch[0]):
        row = array.shape[1:]
        for inputs in batch:
            other = inputs[position]
            if other.dtype is not dtype or other.array.shape[1:] != row:
                return False
    return True


def alike(batch: Sequence[Inputs], *, padding: bool) -> list[list[int]]:
    """Which of ``batch``, by position, can share a run: same dtypes and row shapes, with ``padding`` only ranks."""
    groups: dict[Hashable, list[int]] = {}
    for position, inputs in enumerate(batch):
        key = tuple((dtype, array.ndim if padding else array.shape[1:]) for dtype, array in inputs)
        groups.setdefault(key, []).append(position)
    return list(groups.values())


def unpaddable(batch: Sequence[Inputs]) -> list[int]:
    """Those of ``batch``, alike, that have nothing to pad with: a tensor without elements among others with some."""
    shapes = _padded_rows(batch)
    return [
        position
        for position, inputs in enumerate(batch)
        if any(
            not array.size and len(array) and math.prod(shape) for (_, array), shape in zip(inputs, shapes, strict=True)
        )
    ]


def empty_tensor() -> ServingError:
    """What an unpaddable caller is told."""
    return invalid_argument("Got empty tensor in batch of non-empty tensors.")


def merge(batch: Sequence[Inputs], total: int, *, padding: bool) -> list[Tensor]:
    """One caller's rows after another's, then the first row of the last one again until there are ``total``.

    ``padding`` fills each caller's own rows up to the longest with the first element of that caller's tensor.
    """
    shapes = _padded_rows(batch) if padding else ()
    merged = []
    for position, (dtype, _) in enumerate(batch[0]):
        arrays = [inputs[position].array for inputs in batch]
        if padding:
            arrays = [_pad(array, shapes[position]) for array in arrays]
        missing = total - sum(map(len, arrays))
        if missing:
            last = next(array for array in reversed(arrays) if len(array))
            arrays.append(np.broadcast_to(last[:1], (missing, *last.shape[1:])))
        merged.append(Tensor(dtype, np.concatenate(arrays) if len(arrays) > 1 else arrays[0]))
    return merged


def split(outputs: Sequence[Tensor], sizes: Sequence[int], total: int) -> list[list[Tensor]]:
    """Each caller's rows of every output; rows beyond the sum of ``sizes`` are dropped.

    FAILED_PRECONDITION unless every output has ``total`` rows.
    """
    check(outputs, total)
    if len(sizes) == 1 and sizes[0] == total:
        return [list(outputs)]
    ends = accumulate(sizes, initial=0)
    return [[Tensor(dtype, array[start:stop]) for dtype, array in outputs] for start, stop in pairwise(ends)]


def check(outputs: Sequence[Tensor], total: int) -> None:
    """FAILED_PRECONDITION unless every output has ``total`` rows."""
    for _, array in outputs:
        if not array.ndim:
            raise ServingError(Code.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions")
        if len(array) != total:
            raise ServingError(
                Code.FAILED_PRECONDITION,
                "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
                "tensors",
            )


def join(parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The outputs of the parts of one caller, in the order of its rows, as one."""
    return [
        Tensor(outputs[0].dtype, np.concatenate([array for _, array in outputs]))
        for outputs in zip(*parts, strict=True)
    ]


def _padded_rows(batch: Sequence[Inputs]) -> list[tuple[int, ...]]:
    """The shape of a row of each input, large enough for everybody."""
    return [
        tuple(max(sizes) for sizes in zip(*(array.shape[1:] for _, array in tensors), strict=True))
        for tensors in zip(*batch, strict=True)
    ]


def _pad(array: NDArray[Any], row: tuple[int, ...]) -> NDArray[Any]:
    if array.shape[1:] == row:
        return array
    if not array.size:
        return array.reshape((len(array), *row))  # no elements then either: ``unpaddable`` says who has to have some
    padded = np.full((len(array), *row), array.flat[0], array.dtype)
    padded[tuple(map(slice, array.shape))] = array
    return padded
