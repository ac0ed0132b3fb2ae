"""Tensors into and out of TensorFlow's memory (``TF_Tensor``); knows layouts, not models.

Strings are 24-byte ``TF_TString`` structures. Up to 22 bytes they hold their text themselves and are written in bulk;
longer ones own heap memory, which is freed when TensorFlow drops the last reference to the tensor, not when the request
ends: a variable or a lookup table of the model may keep sharing the buffer.
"""

import ctypes
from ctypes import byref, c_int, c_int64, c_size_t
from functools import lru_cache
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

_SMALL_BYTES = 16 * 1024
"""Up to here a second copy costs less than asking numpy for an address."""

_LAYOUTS = 1024
"""Shapes whose arguments to TensorFlow are kept; making them anew costs a microsecond."""

_KINDS: dict[int, tuple[DataType, np.dtype[Any]]] = {
    number: (dtype, storage) for dtype, storage in STORAGE.items() for number in (dtype, dtype + REF)
}
"""By the number that TensorFlow has for a tensor's type."""

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
    if dtype is DataType.STRING:
        return _strings_to_tensorflow(library, array)
    size = array.nbytes
    large = size > _SMALL_BYTES
    if large:
        array = np.ascontiguousarray(array)
    handle: int = library.AllocateTensorPrepared(*_layout(dtype, array.shape, size))
    if not handle:
        raise ServingError(Code.RESOURCE_EXHAUSTED, f"no memory for a tensor of {size} bytes, shape {[*array.shape]}")
    if size:
        ctypes.memmove(library.TensorData(handle), array.ctypes.data if large else array.tobytes(), size)
    return handle


@lru_cache(_LAYOUTS)
def _layout(dtype: DataType, shape: tuple[int, ...], size: int) -> tuple[Any, ...]:
    """The arguments of ``TF_AllocateTensor``."""
    return c_int(dtype), byref((c_int64 * len(shape))(*shape)), c_int(len(shape)), c_size_t(size)


def _strings_to_tensorflow(library: Library, array: NDArray[Any]) -> int:
    rank = array.ndim
    dims = (c_int64 * rank)(*array.shape)
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
    kind = _KINDS.get(number)
    if kind is None:
        raise ServingError(
            Code.UNIMPLEMENTED, f"an output has data type {number}, which has no wire form; expected a plain tensor"
        )
    dtype, storage = kind
    rank, data, size = library.NumDims(handle), library.TensorData(handle), library.TensorByteSize(handle)
    if size > _LARGEST_OUTPUT:
        raise ServingError(
            Code.RESOURCE_EXHAUSTED,
            f"an output has {size} bytes; expected at most {_LARGEST_OUTPUT}, as in one message",
        )
    values: NDArray[Any]
    if dtype is DataType.STRING:
        values = _strings_from_tensorflow(library, data, size // _STRING_SIZE)
    else:
        values = np.frombuffer(ctypes.string_at(data, size) if size else b"", storage)
    if rank == 1:  # as the values lie
        return Tensor(dtype, values)
    return Tensor(dtype, values.reshape([library.Dim(handle, axis) for axis in range(rank)]))


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
