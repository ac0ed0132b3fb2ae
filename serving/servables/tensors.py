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

from serving.codecs.protobuf.wire import STEP, joined
from serving.core.tensor import REF, STORAGE, DataType, Tensor
from serving.errors import Code, ServingError
from serving.servables.libtensorflow import Deallocator, Library, load

_STRING_SIZE = 24
_INLINE_BYTES = 22
_KIND_MASK, _INLINE_KIND = 0b11, 0
_LARGEST_OUTPUT = 2**31 - 1  # no message is larger, and ctypes takes no larger sizes

_FEW, _MOST_STRINGS = 64, 2**14
"""Up to so many strings are moved one by one faster than by numpy; and by numpy in one go."""

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
    library, block, count = load(), _owned.pop(data), length // _STRING_SIZE
    own_memory = range(count) if count <= _FEW else np.flatnonzero(block[::_STRING_SIZE] & _KIND_MASK).tolist()
    for index in own_memory:
        library.StringDealloc(data + index * _STRING_SIZE)


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
    if not array.size:
        return int(library.AllocateTensor(DataType.STRING, dims, rank, 0))
    if array.size <= _FEW:
        values: list[bytes] = array.ravel().tolist()
        block = np.frombuffer(bytearray(b"".join(map(_inline_string, values))), np.uint8)
        _write_long(library, block.ctypes.data, values)
    else:
        block = _written(library, array.ravel())
    address = block.ctypes.data
    _owned[address] = block
    handle = library.NewTensor(DataType.STRING, dims, rank, address, block.nbytes, _FREE_STRINGS, None)
    return int(handle)


def _write_long(library: Library, address: int, values: list[bytes]) -> None:
    for index, value in enumerate(values):
        if len(value) > _INLINE_BYTES:
            library.StringCopy(address + index * _STRING_SIZE, value, len(value))


def _written(library: Library, array: NDArray[Any]) -> NDArray[np.uint8]:
    """The structures of many strings; the short ones of a slice are written in bulk."""
    block = np.zeros((len(array), _STRING_SIZE), np.uint8)
    for at in range(0, len(array), _MOST_STRINGS):
        few: list[bytes] = array[at : at + _MOST_STRINGS].tolist()
        lengths = np.fromiter(map(len, few), np.int64, len(few))
        if not lengths.any():
            continue  # zeros are empty strings
        short, rows = lengths <= _INLINE_BYTES, block[at : at + len(few)]
        rows[:, 0] = np.where(short, lengths << 2, 0)
        texts = np.array(few, f"S{_INLINE_BYTES}").view(np.uint8).reshape(-1, _INLINE_BYTES)
        rows[:, 1 : 1 + _INLINE_BYTES] = np.where(short[:, np.newaxis], texts, 0)
        if not short.all():
            _write_long(library, rows.ctypes.data, few)
    return block.ravel()


def _inline_string(value: bytes) -> bytes:
    """The structure of a short string; for a long one an empty string, to be assigned."""
    if len(value) > _INLINE_BYTES:
        return bytes(_STRING_SIZE)
    return bytes((len(value) << 2,)) + value.ljust(_STRING_SIZE - 1, b"\0")


def from_tensorflow(library: Library, handle: int, number: int | None = None) -> Tensor:
    """A copy of a ``TF_Tensor``, which stays the caller's. UNIMPLEMENTED for resources and variants.

    ``number`` is its data type's, as the graph has it, if that is at hand: each question to TensorFlow takes as long as
    a small operation.
    """
    if number is None:
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
        values = np.frombuffer(_copied(data, size), storage)
    if rank == 1:  # as the values lie
        return Tensor(dtype, values)
    return Tensor(dtype, values.reshape([library.Dim(handle, axis) for axis in range(rank)]))


def _copied(data: int, size: int) -> bytes:
    if size <= STEP:
        return ctypes.string_at(data, size) if size else b""
    return joined(((ctypes.c_ubyte * size).from_address(data),))  # string_at would keep all threads waiting


def _strings_from_tensorflow(library: Library, data: int, count: int) -> NDArray[Any]:
    values = np.empty(count, object)
    for at in range(0, count, _MOST_STRINGS):
        few, address = values[at : at + _MOST_STRINGS], data + at * _STRING_SIZE
        raw = ctypes.string_at(address, len(few) * _STRING_SIZE)
        for index in range(count) if count <= _FEW else _read_short(few, raw):
            start = index * _STRING_SIZE
            head = raw[start]
            if head & _KIND_MASK == _INLINE_KIND:
                few[index] = raw[start + 1 : start + 1 + (head >> 2)]
            else:
                one = address + start
                few[index] = ctypes.string_at(library.StringGetDataPointer(one), library.StringGetSize(one))
    return values


def _read_short(values: NDArray[Any], raw: bytes) -> list[int]:
    """Set the short strings in bulk; the indices of what is left: long ones, and those that end in NUL."""
    block = np.frombuffer(raw, np.uint8).reshape(-1, _STRING_SIZE)
    texts = block[:, 1 : 1 + _INLINE_BYTES].copy().view(f"S{_INLINE_BYTES}")[:, 0]
    values[:] = texts
    # The head of an inline string is four times its length, that of any other kind is odd or twice an odd number.
    return np.flatnonzero(np.strings.str_len(texts) << 2 != block[:, 0]).tolist()
