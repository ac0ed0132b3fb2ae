"""Arrays of every type that the client sends, for the properties of tensors."""

from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

NUMPY_NAMES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)
ML_DTYPES_NAMES = (
    *("bfloat16", "float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz", "float8_e5m2fnuz"),
    *("int4", "uint4"),
)
NAMES = (*NUMPY_NAMES, *ML_DTYPES_NAMES, "string")
"""What the client calls the types that it sends."""

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def dtype_of(name: str) -> np.dtype[Any]:
    """The dtype of one of ``NAMES``; objects for strings."""
    if name == "string":
        return np.dtype(object)
    return np.dtype(getattr(ml_dtypes, name) if name in ML_DTYPES_NAMES else name)


@st.composite
def arrays(draw: st.DrawFn, name: str) -> NDArray[Any]:
    """Arrays of a type with up to four dimensions, some with strides, some in the other byte order."""
    shape = draw(SHAPES)
    if name == "string":
        return draw(hnp.arrays(object, shape, elements=st.binary(max_size=20)))
    if name in ML_DTYPES_NAMES:
        return draw(hnp.arrays(np.int32, shape, elements=st.integers(0, 7))).astype(dtype_of(name))
    array = draw(hnp.arrays(dtype_of(name).newbyteorder(draw(st.sampled_from("<>"))), shape))
    return array.T if draw(st.booleans()) else array


def same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Equal to the bit, whatever the order of the bytes; NaNs are told apart by their bits."""
    if one.shape != other.shape or one.dtype.name != other.dtype.name:
        return False
    if one.dtype.kind == "O":
        return bool(one.tolist() == other.tolist())
    little = [each.astype(each.dtype.newbyteorder("<")).tobytes() for each in (one, other)]
    return little[0] == little[1]
