"""The protocol's datatypes and ours (docs/dialects.md, "Open Inference Protocol")."""

from collections.abc import Mapping
from types import MappingProxyType

from serving.core.tensor import DataType
from serving.errors import ServingError, invalid_argument

BYTES = "BYTES"

NO_DATATYPE = "INVALID"
"""What descriptions call a type that the protocol has no name for, as Triton does."""

_NAMES = {
    DataType.BOOL: "BOOL",
    DataType.UINT8: "UINT8",
    DataType.UINT16: "UINT16",
    DataType.UINT32: "UINT32",
    DataType.UINT64: "UINT64",
    DataType.INT8: "INT8",
    DataType.INT16: "INT16",
    DataType.INT32: "INT32",
    DataType.INT64: "INT64",
    DataType.HALF: "FP16",
    DataType.FLOAT: "FP32",
    DataType.DOUBLE: "FP64",
    DataType.BFLOAT16: "BF16",
    DataType.STRING: BYTES,
}

DATATYPES: Mapping[DataType, str] = MappingProxyType(_NAMES)
"""The protocol's name of each type; complex, quantised and 8-bit float types have none."""

DTYPES: Mapping[str, DataType] = MappingProxyType({name: dtype for dtype, name in _NAMES.items()})
"""The type of each of the protocol's names."""


def dtype_of(datatype: str, name: str) -> DataType:
    """The type of the input ``name``. Raises ServingError, INVALID_ARGUMENT, for a datatype that there is not."""
    dtype = DTYPES.get(datatype)
    if dtype is None:
        raise invalid_argument(
            f'Input "{name}" has the datatype "{datatype[:32]}"; expected one of {", ".join(sorted(DTYPES))}'
        )
    return dtype


def undeclarable(kind: str, name: str, dtype: DataType) -> ServingError:
    """The error for an ``Input`` or ``Output`` of a type that the protocol has no name for."""
    return invalid_argument(
        f'{kind} "{name}" is {dtype.word}, a type that the Open Inference Protocol has no datatype for; expected '
        "TensorFlow Serving's API for this signature"
    )


def config_type(dtype: DataType) -> str:
    """The type in the words of Triton's model configuration, such as ``TYPE_FP32``."""
    name = DATATYPES.get(dtype, NO_DATATYPE)
    return "TYPE_STRING" if name == BYTES else f"TYPE_{name}"
