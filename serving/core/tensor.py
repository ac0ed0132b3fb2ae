"""Tensors as the server moves them: a TensorFlow data type and a numpy array of its storage.

Not an array library: types that numpy lacks (bfloat16, the quantised and 8-bit float types) travel as bit patterns, for
no room of this server computes with them.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class DataType(IntEnum):
    """TensorFlow's data types by their wire number (``tensorflow/core/framework/types.proto``)."""

    INVALID = 0
    FLOAT = 1
    DOUBLE = 2
    INT32 = 3
    UINT8 = 4
    INT16 = 5
    INT8 = 6
    STRING = 7
    COMPLEX64 = 8
    INT64 = 9
    BOOL = 10
    QINT8 = 11
    QUINT8 = 12
    QINT32 = 13
    BFLOAT16 = 14
    QINT16 = 15
    QUINT16 = 16
    UINT16 = 17
    COMPLEX128 = 18
    HALF = 19
    RESOURCE = 20
    VARIANT = 21
    UINT32 = 22
    UINT64 = 23
    FLOAT8_E5M2 = 24
    FLOAT8_E4M3FN = 25
    FLOAT8_E4M3FNUZ = 26
    FLOAT8_E4M3B11FNUZ = 27
    FLOAT8_E5M2FNUZ = 28
    INT4 = 29
    UINT4 = 30

    @property
    def word(self) -> str:
        """TensorFlow's name of the type in messages: ``float``, ``int64``, ``half`` …"""
        return self.name.lower()


STORAGE: Mapping[DataType, np.dtype[Any]] = MappingProxyType(
    {
        DataType.FLOAT: np.dtype(np.float32),
        DataType.DOUBLE: np.dtype(np.float64),
        DataType.INT32: np.dtype(np.int32),
        DataType.UINT8: np.dtype(np.uint8),
        DataType.INT16: np.dtype(np.int16),
        DataType.INT8: np.dtype(np.int8),
        DataType.STRING: np.dtype(object),
        DataType.COMPLEX64: np.dtype(np.complex64),
        DataType.INT64: np.dtype(np.int64),
        DataType.BOOL: np.dtype(np.bool_),
        DataType.QINT8: np.dtype(np.int8),
        DataType.QUINT8: np.dtype(np.uint8),
        DataType.QINT32: np.dtype(np.int32),
        DataType.BFLOAT16: np.dtype(np.uint16),
        DataType.QINT16: np.dtype(np.int16),
        DataType.QUINT16: np.dtype(np.uint16),
        DataType.UINT16: np.dtype(np.uint16),
        DataType.COMPLEX128: np.dtype(np.complex128),
        DataType.HALF: np.dtype(np.float16),
        DataType.UINT32: np.dtype(np.uint32),
        DataType.UINT64: np.dtype(np.uint64),
        DataType.FLOAT8_E5M2: np.dtype(np.uint8),
        DataType.FLOAT8_E4M3FN: np.dtype(np.uint8),
        DataType.FLOAT8_E4M3FNUZ: np.dtype(np.uint8),
        DataType.FLOAT8_E4M3B11FNUZ: np.dtype(np.uint8),
        DataType.FLOAT8_E5M2FNUZ: np.dtype(np.uint8),
        DataType.INT4: np.dtype(np.int8),
        DataType.UINT4: np.dtype(np.uint8),
    }
)
"""The numpy dtype that holds each type. Strings are object arrays of ``bytes``."""

MAX_DIMENSIONS = 64
"""numpy's limit on the rank of a tensor; TensorFlow's is 254."""

REF = 100
"""Added to a type's number by TF1 for reference outputs; a response carries the base type."""


class Tensor(NamedTuple):
    """One value on its way in or out: ``array`` has the dtype ``STORAGE[dtype]`` and any shape."""

    dtype: DataType
    array: NDArray[Any]


def truths(array: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The same truth values, each stored as 0 or 1: what a client sends as memory may have any bytes.

    On the wire they would be numbers that are cut off, and a graph may compute with them. Copied only where needed.
    """
    stored = array.view(np.uint8)
    return stored != 0 if stored.size and stored.max() > 1 else array
