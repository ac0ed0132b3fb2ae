"""The classification extension: the highest values of an output instead of all of them."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.core.tensor import DataType, Tensor
from serving.errors import invalid_argument

_FLOATS = frozenset((DataType.HALF, DataType.FLOAT, DataType.DOUBLE))


def highest(name: str, tensor: Tensor, count: int) -> Tensor:
    """The ``count`` highest values of each row as strings ``value:index``, highest first, equals by their index.

    A tensor of one dimension is one row; with more, the first counts rows and the others are one. The shape is
    ``[rows, n]`` or ``[n]``, where n is at most what a row has. Raises ServingError, INVALID_ARGUMENT, for what is no
    number, and for bfloat16, with which this server does not compute.
    """
    dtype, array = tensor
    if array.dtype.hasobject or array.dtype.kind not in "fiu" or dtype is DataType.BFLOAT16:
        raise invalid_argument(
            f'Output "{name}" is {dtype.word}, which has no classes; expected a request without the parameter '
            "classification for it"
        )
    batched = array.ndim > 1
    rows = array.reshape(array.shape[0] if batched else 1, prod(array.shape[1:]) if batched else array.size)
    order = np.argsort(-rows.astype(np.float64), axis=1, kind="stable")[:, :count]
    values = np.take_along_axis(rows, order, axis=1)
    texts: NDArray[Any] = np.empty(order.shape, object)
    texts[...] = [
        [_text(dtype, value, index) for value, index in zip(*row, strict=True)]
        for row in zip(values.tolist(), order.tolist(), strict=True)
    ]
    return Tensor(DataType.STRING, texts if batched else texts[0])


def _text(dtype: DataType, value: float, index: int) -> bytes:
    """As Triton writes it: six digits behind the point, integers as they are."""
    return (f"{value:f}:{index}" if dtype in _FLOATS else f"{value}:{index}").encode()
