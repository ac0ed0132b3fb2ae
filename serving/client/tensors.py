"""numpy arrays <-> TensorProto messages.

Not the server's codec: it sends one form, takes every form that a server may answer with, and speaks to users in
numpy's words. Types that numpy lacks (bfloat16, the 8-bit floats, 4-bit integers) are those of the package ml_dtypes.
"""

import importlib
import math
from collections.abc import Mapping
from numbers import Number
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client.checks import shown
from serving.client.messages import DATA_TYPES, Message

_INVALID, _STRING = 0, 7

_NUMPY: Mapping[int, str] = MappingProxyType(
    {
        1: "float32",
        2: "float64",
        3: "int32",
        4: "uint8",
        5: "int16",
        6: "int8",
        8: "complex64",
        9: "int64",
        10: "bool",
        17: "uint16",
        18: "complex128",
        19: "float16",
        22: "uint32",
        23: "uint64",
    }
)
"""Numbers of data types and numpy's names for them."""

_ML_DTYPES: Mapping[int, str] = MappingProxyType(
    {
        14: "bfloat16",
        24: "float8_e5m2",
        25: "float8_e4m3fn",
        26: "float8_e4m3fnuz",
        27: "float8_e4m3b11fnuz",
        28: "float8_e5m2fnuz",
        29: "int4",
        30: "uint4",
    }
)
"""Those that the package ml_dtypes has."""

_QUANTISED: Mapping[int, str] = MappingProxyType({11: "int8", 12: "uint8", 13: "int32", 15: "int16", 16: "uint16"})
"""Those that arrive as the integers that they are stored in; nobody can send them."""

_NUMBERS: Mapping[str, int] = MappingProxyType({name: number for number, name in {**_NUMPY, **_ML_DTYPES}.items()})

_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "float32": "float_val",
        "float64": "double_val",
        "complex64": "scomplex_val",
        "complex128": "dcomplex_val",
        "bool": "bool_val",
        "int64": "int64_val",
        "uint32": "uint32_val",
        "uint64": "uint64_val",
        "float16": "half_val",
        "bfloat16": "half_val",
    }
)
"""The typed field of each type, where it is not ``int_val`` or ``float8_val``."""

_COMPLEX: Mapping[str, str] = MappingProxyType({"complex64": "float32", "complex128": "float64"})
"""The types of the two parts of complex numbers, which lie one behind the other in their field."""


_LONGEST_LENGTH = 5
"""Bytes of a string's length in ``tensor_content``."""


def dtype_name(number: int) -> str:
    """What users call a data type: numpy's name, ``string``, or TensorFlow's name if numpy and ml_dtypes lack it."""
    if number == _STRING:
        return "string"
    return (
        _NUMPY.get(number) or _ML_DTYPES.get(number) or DATA_TYPES.get(number, str(number)).removeprefix("DT_").lower()
    )


def to_array(value: Any) -> NDArray[Any]:
    """What a user gave as an array, as it is going to be sent: little-endian, strings as objects of ``bytes``.

    Arrays, numpy's scalars and whatever else can make itself an array keep their dtype. Of everything else floats
    become float32, and ints int32, or int64 if they do not fit, as ``tf.make_tensor_proto`` has it.
    ValueError for lists of unequal lengths and for ints over 64 bits, TypeError for what else is no tensor.
    """
    given = hasattr(value, "__array__")
    try:
        array = np.asarray(value)
    except UnicodeError:  # text and bytes in one list, which numpy would make text of
        array = np.asarray(value, object)
    except ValueError as error:
        if given or "inhomogeneous" not in str(error):
            raise
        raise ValueError(f"expected a list whose rows have the same lengths, got {shown(value)}") from None
    if array.dtype.kind in "OSUT":
        return _strings(array, value)
    if not given:
        array = _narrowed(array)
    if array.dtype.name not in _NUMBERS:
        raise TypeError(f"there is no TensorFlow type for numpy's {array.dtype.name}, got {shown(value)}")
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _narrowed(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == np.int64 and array.size and not (array.min() >= -(2**31) and array.max() < 2**31):
        return array
    return array.astype(np.int32) if array.dtype == np.int64 else array


def _strings(array: NDArray[Any], value: Any) -> NDArray[Any]:
    if array.dtype.kind != "O" and not hasattr(value, "__array__"):
        # numpy cuts the zeros at the end of what it makes a fixed-width string
        array = np.asarray(value, object)
    flat = np.empty(array.size, object)
    values = array.ravel().tolist()
    for index, each in enumerate(values):
        if not isinstance(each, str | bytes):
            raise _no_string(each, values, value)
        flat[index] = each.encode() if isinstance(each, str) else each
    return flat.reshape(array.shape)


def _no_string(each: Any, values: list[Any], value: Any) -> TypeError | ValueError:
    """What is wrong with a value that numpy made objects of, ``each`` being the first that is no string."""
    if any(isinstance(number, int) and not -(2**63) <= number < 2**64 for number in values):
        return ValueError(f"expected ints of at most 64 bits, got {shown(value)}")
    if hasattr(value, "__array__") and isinstance(each, Number):
        return TypeError('expected numbers, got an array of objects; give it a dtype: numpy.asarray(values, "float32")')
    return TypeError(f"expected numbers, or str or bytes, got {type(each).__name__} in {shown(value)}")


def fill(proto: Message, value: Any) -> None:
    """Write what ``to_array`` makes of a value into an empty TensorProto. Raises what that raises."""
    array = to_array(value)
    proto.dtype = _STRING if array.dtype.kind == "O" else _NUMBERS[array.dtype.name]
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if array.dtype.kind == "O":
        proto.string_val.extend(array.ravel().tolist())
    else:
        proto.tensor_content = array.tobytes()


def read(proto: Message) -> NDArray[Any]:
    """The array of a TensorProto: its own memory, to be written to; strings are objects of ``bytes``.

    Of fewer values than elements the last is repeated, as TensorFlow does. ValueError if the message holds no tensor,
    TypeError if Python has no type for its elements.
    """
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    count = math.prod(shape)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError(f"expected a tensor of known shape, got {proto.tensor_shape}")
    if proto.dtype == _STRING:
        flat = _read_strings(proto, count)
    else:
        dtype = _numpy_dtype(proto.dtype)
        content = proto.tensor_content  # each time that it is asked for protobuf makes a copy
        flat = _read_content(content, dtype, count) if content else _read_values(proto, dtype)
    return _filled_up(flat, count).reshape(shape)


def _numpy_dtype(number: int) -> np.dtype[Any]:
    name = _NUMPY.get(number) or _QUANTISED.get(number)
    if name is not None:
        return np.dtype(name)
    if number not in _ML_DTYPES:
        raise TypeError(f"expected numbers or strings, got a tensor of the type {DATA_TYPES.get(number, number)}")
    return ml_dtype(_ML_DTYPES[number])


def ml_dtype(name: str) -> np.dtype[Any]:
    """A dtype of the package ml_dtypes by its name. TypeError without the package."""
    try:
        dtype: np.dtype[Any] = np.dtype(getattr(importlib.import_module("ml_dtypes"), name))
    except ImportError:
        raise TypeError(f"got a tensor of {name}, which numpy lacks: pip install ml_dtypes") from None
    return dtype


def _read_content(content: bytes, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    if len(content) != count * dtype.itemsize:
        raise ValueError(f"expected {count} elements of {dtype.itemsize} bytes, got {len(content)} bytes")
    return np.frombuffer(content, dtype).copy()


def _read_values(proto: Message, dtype: np.dtype[Any]) -> NDArray[Any]:
    name = _FIELDS.get(dtype.name, "float8_val" if dtype.name.startswith("float8") else "int_val")
    values = getattr(proto, name)
    if name == "float8_val":
        return np.frombuffer(values, dtype).copy()
    if name == "half_val":
        return np.array(values, np.int32).astype(np.uint16).view(dtype)
    if name == "int_val":
        return np.array(values, np.int32).astype(dtype, copy=False)
    if dtype.name in _COMPLEX:
        parts = np.array(values, _COMPLEX[dtype.name])
        return parts[: len(parts) // 2 * 2].view(dtype)
    return np.array(values, dtype)


def _read_strings(proto: Message, count: int) -> NDArray[Any]:
    content = proto.tensor_content
    if content and count:
        return _read_string_content(content, count)
    flat = np.empty(len(proto.string_val), object)
    flat[:] = proto.string_val
    return flat if len(flat) or not count else np.array([b""], object)


def _read_string_content(content: bytes, count: int) -> NDArray[Any]:
    """TensorFlow's list of strings: the length of each as a varint, then the bytes of all. ValueError if it is none."""
    if count > len(content):  # each length has a byte at least: nothing is allocated for what cannot be there
        raise ValueError(f"expected {count} strings, got {len(content)} bytes of tensor_content")
    lengths, position = [], 0
    for _ in range(count):
        length, position = _read_length(content, position)
        lengths.append(length)
    if position + sum(lengths) != len(content):
        raise ValueError(f"expected {sum(lengths)} bytes of {count} strings, got {len(content) - position}")
    flat = np.empty(count, object)
    for index, length in enumerate(lengths):
        flat[index] = content[position : position + length]
        position += length
    return flat


def _read_length(content: bytes, position: int) -> tuple[int, int]:
    """The length of a string, and the position behind it."""
    length = 0
    for shift in range(0, 7 * _LONGEST_LENGTH, 7):
        if position == len(content):
            raise ValueError("expected the lengths of all strings, got tensor_content that ends before")
        byte = content[position]
        length |= (byte & 127) << shift
        position += 1
        if byte < 128:
            if length >= 2**32:
                break
            return length, position
    raise ValueError("expected the length of a string in at most 32 bits, got a longer number")


def _filled_up(flat: NDArray[Any], count: int) -> NDArray[Any]:
    if len(flat) >= count:
        return flat[:count]
    last = flat[-1] if len(flat) else flat.dtype.type(0)
    return np.concatenate([flat, np.full(count - len(flat), last, flat.dtype)])
