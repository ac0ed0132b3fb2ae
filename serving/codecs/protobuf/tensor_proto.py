"""TensorProto <-> Tensor, with TensorFlow's rules for the typed fields (docs/grpc.md, "Tensor encoding")."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.codecs.protobuf import string_content
from serving.codecs.protobuf.tensor_fields import WIRE_TYPES, LongFields
from serving.codecs.protobuf.wire import STEP, joined, varint, varints
from serving.core.tensor import MAX_DIMENSIONS, STORAGE, DataType, Tensor, truths
from serving.protos import TensorProto

_LARGEST_EXPANSION = 2**27
"""Bytes that a tensor may ask for beyond what it carries ("the last is repeated"): it is copied several times on its
way, and a message of 50 bytes must not take all memory."""

_MOST_STRINGS = 2**14
"""Strings that are moved in one go."""

_STRING_BYTES = 32
"""What an empty string takes: a pointer here, a structure of 24 bytes in TensorFlow."""

Part = bytes | memoryview
"""Bytes to be joined with others."""

FIELDS: Mapping[DataType, str] = MappingProxyType(
    {
        DataType.FLOAT: "float_val",
        DataType.DOUBLE: "double_val",
        DataType.INT32: "int_val",
        DataType.UINT8: "int_val",
        DataType.INT16: "int_val",
        DataType.INT8: "int_val",
        DataType.STRING: "string_val",
        DataType.COMPLEX64: "scomplex_val",
        DataType.INT64: "int64_val",
        DataType.BOOL: "bool_val",
        DataType.QINT8: "int_val",
        DataType.QUINT8: "int_val",
        DataType.QINT32: "int_val",
        DataType.BFLOAT16: "half_val",
        DataType.QINT16: "int_val",
        DataType.QUINT16: "int_val",
        DataType.UINT16: "int_val",
        DataType.COMPLEX128: "dcomplex_val",
        DataType.HALF: "half_val",
        DataType.UINT32: "uint32_val",
        DataType.UINT64: "uint64_val",
        DataType.FLOAT8_E5M2: "float8_val",
        DataType.FLOAT8_E4M3FN: "float8_val",
        DataType.FLOAT8_E4M3FNUZ: "float8_val",
        DataType.FLOAT8_E4M3B11FNUZ: "float8_val",
        DataType.FLOAT8_E5M2FNUZ: "float8_val",
        DataType.INT4: "int_val",
        DataType.UINT4: "int_val",
    }
)
"""The typed field of each data type."""

_DATA_TYPES = MappingProxyType({int(dtype): dtype for dtype in FIELDS})

_COMPLEX = frozenset((DataType.COMPLEX64, DataType.COMPLEX128))
_FLOAT8 = frozenset(dtype for dtype, field in FIELDS.items() if field == "float8_val")


def decode(proto: Any, long: LongFields | None = None) -> Tensor | None:
    """The tensor that a TensorProto stands for, or None where TensorFlow cannot parse it either.

    Either form is taken. Fewer values than elements: the last is repeated, none at all are zeros; surplus is ignored.
    ``long`` is what was read beside the message. A shape is taken by its dimensions, whatever ``unknown_rank`` says.
    """
    dtype = _DATA_TYPES.get(proto.dtype)
    if dtype is None or len(proto.tensor_shape.dim) > MAX_DIMENSIONS:
        return None
    shape = tuple([dim.size for dim in proto.tensor_shape.dim])
    count = 1
    for size in shape:
        count *= size
        if size < 0 or count >= 2**63:  # as TensorFlow, also when a later dimension is 0
            return None
    content = proto.tensor_content if long is None or long.content is None else long.content
    flat = _content(dtype, content, count) if content else _values(dtype, _given(dtype, proto, long), count)
    if flat is None:
        return None
    try:
        return Tensor(dtype, flat.reshape(shape))
    except ValueError:  # no elements, and yet dimensions beyond what numpy can address
        return None


def _content(dtype: DataType, content: Part, count: int) -> NDArray[Any] | None:
    if count == 0:
        return np.empty(0, STORAGE[dtype])
    if dtype is DataType.STRING:
        return string_content.decode(content, count)
    if len(content) != count * STORAGE[dtype].itemsize:
        return None
    flat = np.frombuffer(content, STORAGE[dtype])
    return truths(flat) if dtype is DataType.BOOL else flat


def _values(dtype: DataType, given: NDArray[Any], count: int) -> NDArray[Any] | None:
    storage = STORAGE[dtype]
    if len(given) >= count:
        return given[:count]
    last = given[-1] if len(given) else (b"" if dtype is DataType.STRING else storage.type(0))
    element_bytes = _STRING_BYTES + len(last) if dtype is DataType.STRING else storage.itemsize
    if (count - len(given)) * element_bytes > _LARGEST_EXPANSION:
        return None
    flat = np.empty(count, storage)
    flat[: len(given)] = given
    flat[len(given) :] = last
    return flat


def _given(dtype: DataType, proto: Any, long: LongFields | None) -> NDArray[Any]:
    """The values of a typed field, in the storage of the dtype; narrow integers wrap as a C cast does."""
    storage, name = STORAGE[dtype], FIELDS[dtype]
    field = getattr(proto, name)
    if dtype in _FLOAT8:
        return np.frombuffer(field, np.uint8)
    values = _strings(field) if dtype is DataType.STRING else np.array(field, WIRE_TYPES[name])
    if long is not None:
        values = long.inserted(name, values)
    if dtype in _COMPLEX:
        return values[: len(values) // 2 * 2].view(storage)
    return values.astype(np.uint16).view(np.float16) if dtype is DataType.HALF else values.astype(storage, copy=False)


def _strings(field: Any) -> NDArray[Any]:
    values = np.empty(len(field), object)
    for at in range(0, len(values), _MOST_STRINGS):
        values[at : at + _MOST_STRINGS] = field[at : at + _MOST_STRINGS]
    return values


def encode(tensor: Tensor, *, as_content: bool = False) -> bytes:
    """The serialised TensorProto: dtype, shape (also for scalars) and one entry per element in the typed field.

    ``as_content`` puts the elements into ``tensor_content`` instead, as --enable_serialization_as_tensor_content asks.
    """
    dtype, array = tensor
    if dtype in RAW:
        return joined((head(dtype, array.shape, array.nbytes, as_content=as_content), raw(array)))
    start = _head(dtype, array.shape)
    if not array.size:
        return start
    if dtype is DataType.STRING and not as_content:
        flat = array.ravel()
        if len(flat) <= _MOST_STRINGS:
            return start + _string_values(flat)
        slices = [flat[at : at + _MOST_STRINGS] for at in range(0, len(flat), _MOST_STRINGS)]
        return joined([start, *map(_string_values, slices)])
    if as_content:
        tag, data = _CONTENT, string_content.encode(array) if dtype is DataType.STRING else raw(array)
    else:
        tag, data = _VARINTS[FIELDS[dtype]], varints(array.view(np.uint16) if dtype is DataType.HALF else array)
    parts = (start, tag, varint(memoryview(data).nbytes), data)
    return joined(parts) if array.nbytes > STEP else b"".join(parts)


def head(dtype: DataType, shape: tuple[int, ...], size: int, *, as_content: bool) -> bytes:
    """What a TensorProto of a dtype in ``RAW`` begins with, before the ``size`` bytes of its elements, 0 for none."""
    start = _head(dtype, shape)
    return start + (_CONTENT if as_content else RAW[dtype]) + varint(size) if size else start


def raw(array: NDArray[Any]) -> Part:
    """The elements as they lie in memory, in the order in which they read."""
    return array.data if array.flags.c_contiguous else np.ascontiguousarray(array).data


def _head(dtype: DataType, shape: tuple[int, ...]) -> bytes:
    return bytes((0x08, dtype)) + _shape(shape)


RAW: Mapping[DataType, bytes] = MappingProxyType(
    {
        DataType.FLOAT: b"\x2a",
        DataType.DOUBLE: b"\x32",
        DataType.COMPLEX64: b"\x4a",
        DataType.BOOL: b"\x5a",
        DataType.COMPLEX128: b"\x62",
        **dict.fromkeys(_FLOAT8, b"\x92\x01"),
    }
)
"""The data types whose typed field is, in its packed wire form, the array's memory; the tag of that field."""

_VARINTS = MappingProxyType(
    {
        "int_val": b"\x3a",
        "int64_val": b"\x52",
        "half_val": b"\x6a",
        "uint32_val": b"\x82\x01",
        "uint64_val": b"\x8a\x01",
    }
)
"""Tags of the other typed fields of numbers, whose packed wire form are varints."""

_CONTENT = b"\x22"


def _string_values(array: NDArray[Any]) -> bytes:
    return bytes(TensorProto(string_val=array.tolist()).SerializeToString())


def _shape(shape: tuple[int, ...]) -> bytes:
    dims = b""
    for size in shape:
        dim = b"\x08" + varint(size) if size else b""
        dims += b"\x12" + varint(len(dim)) + dim
    return b"\x12" + varint(len(dims)) + dims
