"""Tensors into and out of TensorFlow's memory (``TF_Tensor``); knows layouts, not models.

Strings are 24-byte ``TF_TString`` structures. Up to 22 bytes they hold their text themselves and are written in bulk;
longer ones own heap memory, which is freed when TensorFlow drops the last reference to the tensor, not when the request
ends: a variable or a lookup table of the model may keep sharing the buffer.
"""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.core.tensor import REF, STORAGE, DataType, Tensor
from serving.errors import Code, ServingError
from serving.servables.libtensorflow import Deallocator, Library, load

_STRING_SIZE = 24
_INLINE_BYTES = 22
_KIND_MASK, _INLINE_KIND = 0b11, 0
_LARGEST_OUTPUT = 2**31 - 1  # no message is larger, and ctypes takes no larger sizes

_DIMS: list[Any] = [ctypes.c_int64 * rank for rank in range(9)]

_owned: dict[int, NDArray[np.uint8]] = {}
"""String blocks that TensorFlow still refers to, by address."""


def _free_strings(data: int, length: int, _: object) -> None:
    library = load()
    for address in range(data, data + length, _STRING_SIZE):
        library.StringDealloc(address)
    _owned.pop(data, None)


_FREE_STRINGS = Deallocator(_free_strings)


def to_tensorflow(library: Library, tensor: Tensor) -> int:
    """A new ``TF_Tensor`` holding a copy; the caller deletes it. Any shape; dtypes as ``STORAGE``."""
    dtype, array = tensor
    shape = array.shape
    rank = len(shape)
    dims = (_DIMS[rank] if rank < len(_DIMS) else ctypes.c_int64 * rank)(*shape)
    if dtype is DataType.STRING:
        return _strings_to_tensorflow(library, array, dims, rank)
    if not array.flags.c_contiguous:
        array = np.ascontiguousarray(array)
    size = array.nbytes
    handle: int = library.AllocateTensor(dtype, dims, rank, size)
    if not handle:
        raise ServingError(Code.RESOURCE_EXHAUSTED, f"no memory for a tensor of {size} bytes, shape {list(shape)}")
    if size:
        ctypes.memmove(library.TensorData(handle), array.ctypes.data, size)
    return handle


def _strings_to_tensorflow(library: Library, array: NDArray[Any], dims: object, rank: int) -> int:
    values = array.ravel().tolist()
    if not values:
        return int(library.AllocateTensor(DataType.STRING, dims, rank, 0))
    block = np.frombuffer(bytearray(b"".join(map(_inline_string, values))), np.uint8)
    address = block.ctypes.data
    for index, value in enumerate(values):
        if len(value) > _INLINE_BYTES:
            library.StringCopy(address + index * _STRING_SIZE, value, len(value))
    _owned[address] = block
    handle = library.NewTensor(DataType.STRING, dims, rank, address, block.nbytes, _FREE_STRINGS, None)
    return int(handle)


def _inline_string(value: bytes) -> bytes:
    """The structure of a short string; for a long one an empty string, to be assigned."""
    if len(value) > _INLINE_BYTES:
        return bytes(_STRING_SIZE)
    return bytes((len(value) << 2,)) + value.ljust(_STRING_SIZE - 1, b"\0")


def from_tensorflow(library: Library, handle: int) -> Tensor:
    """A copy of a ``TF_Tensor``, which stays the caller's. UNIMPLEMENTED for resources and variants."""
    number = library.TensorType(handle)
    try:
        dtype = DataType(number % REF)
        storage = STORAGE[dtype]
    except (ValueError, KeyError):
        raise ServingError(
            Code.UNIMPLEMENTED, f"an output has data type {number}, which has no wire form; expected a plain tensor"
        ) from None
    shape = tuple(library.Dim(handle, axis) for axis in range(library.NumDims(handle)))
    data, size = library.TensorData(handle), library.TensorByteSize(handle)
    if size > _LARGEST_OUTPUT:
        raise ServingError(
            Code.RESOURCE_EXHAUSTED,
            f"an output has {size} bytes; expected at most {_LARGEST_OUTPUT}, as in one message",
        )
    if dtype is DataType.STRING:
        return Tensor(dtype, _strings_from_tensorflow(library, data, size // _STRING_SIZE).reshape(shape))
    raw = ctypes.string_at(data, size) if size else b""
    return Tensor(dtype, np.frombuffer(raw, storage).reshape(shape))


def _strings_from_tensorflow(library: Library, data: int, count: int) -> NDArray[Any]:
    values = np.empty(count, object)
    raw = ctypes.string_at(data, count * _STRING_SIZE) if count else b""
    for index in range(count):
        start = index * _STRING_SIZE
        head = raw[start]
        if head & _KIND_MASK == _INLINE_KIND:
            values[index] = raw[start + 1 : start + 1 + (head >> 2)]
        else:
            address = data + start
            values[index] = ctypes.string_at(library.StringGetDataPointer(address), library.StringGetSize(address))
    return values
