"""The arrays in a graph's constants, read from their TensorProto; strings are not among them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.core.tensor import STORAGE, DataType

_VALUES: Mapping[DataType, str] = MappingProxyType(
    {
        DataType.FLOAT: "float_val",
        DataType.DOUBLE: "double_val",
        DataType.BOOL: "bool_val",
        DataType.INT64: "int64_val",
        **dict.fromkeys((DataType.INT32, DataType.INT16, DataType.INT8, DataType.UINT8, DataType.UINT16), "int_val"),
    }
)


def array(tensor: Any) -> NDArray[Any] | None:
    """The value of a TensorProto, or None for a type that OpenVINO is not given."""
    dtype = DataType(tensor.dtype)
    if dtype not in _VALUES:
        return None
    shape = tuple(dimension.size for dimension in tensor.tensor_shape.dim)
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, STORAGE[dtype]).reshape(shape)
    values = np.array(getattr(tensor, _VALUES[dtype]), STORAGE[dtype])
    count = int(np.prod(shape, dtype=np.int64))
    if len(values) < count:  # the last one stands for the rest; none at all is zeros
        values = np.pad(values, (0, count - len(values)), mode="edge" if len(values) else "constant")
    return values[:count].reshape(shape)
