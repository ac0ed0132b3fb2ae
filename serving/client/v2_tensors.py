"""numpy arrays <-> tensors of the Open Inference Protocol: a datatype, a shape, and the elements as raw bytes.

Sent are raw contents alone; read are those and the typed ones. The type of half precision that numpy lacks, BF16, is
bfloat16 of the package ml_dtypes.
"""

import math
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client.messages import Message
from serving.client.tensors import ml_dtype, to_array

_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "BOOL": "bool",
        "INT8": "int8",
        "INT16": "int16",
        "INT32": "int32",
        "INT64": "int64",
        "UINT8": "uint8",
        "UINT16": "uint16",
        "UINT32": "uint32",
        "UINT64": "uint64",
        "FP16": "float16",
        "BF16": "bfloat16",
        "FP32": "float32",
        "FP64": "float64",
        "BYTES": "string",
    }
)
"""The protocol's datatypes and what users call them."""

_DATATYPES: Mapping[str, str] = MappingProxyType({name: datatype for datatype, name in _NAMES.items()})

_TYPED: Mapping[str, str] = MappingProxyType(
    {
        "BOOL": "bool_contents",
        "INT8": "int_contents",
        "INT16": "int_contents",
        "INT32": "int_contents",
        "INT64": "int64_contents",
        "UINT8": "uint_contents",
        "UINT16": "uint_contents",
        "UINT32": "uint_contents",
        "UINT64": "uint64_contents",
        "FP32": "fp32_contents",
        "FP64": "fp64_contents",
        "BYTES": "bytes_contents",
    }
)
"""The typed field of each datatype; those of 16 bits have raw contents alone."""

_LENGTH = struct.Struct("<I")
"""What stands before each string of raw contents."""


def dtype_name(datatype: str) -> str:
    """What users call a datatype: numpy's name, ``bfloat16`` or ``string``; in lower case if it is another."""
    return _NAMES.get(datatype, datatype.lower())


def fill(tensor: Message, value: Any) -> bytes:
    """Write the type and the shape of what ``to_array`` makes of a value into a tensor; gives its raw contents.

    TypeError for types that the protocol lacks, and otherwise what ``to_array`` raises.
    """
    array = to_array(value)
    name = "string" if array.dtype.kind == "O" else array.dtype.name
    if name not in _DATATYPES:
        raise TypeError(f"expected a type that the v2 protocol has ({', '.join(_DATATYPES)}), got {name}")
    tensor.datatype = _DATATYPES[name]
    tensor.shape.extend(array.shape)
    return _raw_strings(array) if name == "string" else array.tobytes()


def _raw_strings(array: NDArray[Any]) -> bytes:
    return b"".join(part for each in array.ravel().tolist() for part in (_LENGTH.pack(len(each)), each))


def read(tensor: Message, raw: bytes | None) -> NDArray[Any]:
    """The array of a tensor whose raw contents are these, or typed if None; strings are objects of ``bytes``.

    ValueError if there are not as many elements as the shape has, TypeError if the datatype is not known.
    """
    shape = tuple(tensor.shape)
    if any(size < 0 for size in shape):
        raise ValueError(f"expected a tensor of known shape, got {list(shape)}")
    dtype = _numpy_dtype(tensor.datatype)
    if raw is None:
        flat = _read_typed(tensor, dtype)
    elif dtype.kind == "O":
        flat = _read_raw_strings(raw)
    elif len(raw) % dtype.itemsize:
        raise ValueError(f"expected elements of {dtype.itemsize} bytes, got {len(raw)} bytes")
    else:
        flat = np.frombuffer(raw, dtype).copy()
    if len(flat) != math.prod(shape):
        raise ValueError(f"expected {math.prod(shape)} elements, for the shape {list(shape)}, got {len(flat)}")
    return flat.reshape(shape)


def _numpy_dtype(datatype: str) -> np.dtype[Any]:
    if datatype not in _NAMES:
        raise TypeError(f"expected a datatype of the v2 protocol ({', '.join(_NAMES)}), got {datatype!r}")
    if datatype == "BYTES":
        return np.dtype(object)
    return ml_dtype("bfloat16") if datatype == "BF16" else np.dtype(_NAMES[datatype]).newbyteorder("<")


def _read_typed(tensor: Message, dtype: np.dtype[Any]) -> NDArray[Any]:
    if tensor.datatype not in _TYPED:
        raise ValueError(f"expected raw contents for {tensor.datatype}, which has no typed ones")
    values = getattr(tensor.contents, _TYPED[tensor.datatype])
    if dtype.kind == "O":
        return _objects(list(values))
    return np.array(values, dtype)


def _read_raw_strings(raw: bytes) -> NDArray[Any]:
    found, position = [], 0
    while position < len(raw):
        begin = position + _LENGTH.size
        position = begin + _LENGTH.unpack_from(raw, position)[0] if begin <= len(raw) else len(raw) + 1
        if position > len(raw):
            raise ValueError(f"expected strings, each with its length before it, got {len(raw)} bytes that end in one")
        found.append(raw[begin:position])
    return _objects(found)


def _objects(values: list[bytes]) -> NDArray[Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return array
