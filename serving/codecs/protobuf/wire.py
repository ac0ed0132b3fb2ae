"""Protobuf's wire format, the little of it that is read or written without message classes: hot or huge messages."""

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_FEW = 32
"""Up to so many numbers are written one by one faster than by numpy."""
_64_BITS = 2**64 - 1

STEP = 2**20
"""Bytes that are copied or read in one go: other threads wait for a millisecond or a few at most."""
_MOST_NUMBERS = 2**16
MOST_VARINT, _MOST_TAG_OR_LENGTH = 10, 5
"""Bytes that protobuf reads of a number, and of a tag or a length."""


def varint(number: int) -> bytes:
    """A non-negative number in base-128 form."""
    if number < 128:
        return bytes((number,))
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def varints(array: NDArray[Any]) -> bytes:
    """Integers of any width, one after the other; negative ones are extended to 64 bits, as protobuf does."""
    if array.size <= _FEW:
        return b"".join([varint(number & _64_BITS) for number in array.ravel().tolist()])
    flat = array.ravel()
    return b"".join([_varints(flat[at : at + _MOST_NUMBERS]) for at in range(0, len(flat), _MOST_NUMBERS)])


def _varints(array: NDArray[Any]) -> bytes:
    wide = array if array.dtype == np.uint64 else array.astype(np.int64).view(np.uint64)
    length = max(1, -(-int(wide.max()).bit_length() // 7))
    groups = wide[:, np.newaxis] >> np.arange(0, 7 * length, 7, dtype=np.uint64)
    continued = groups > 127
    encoded = groups.astype(np.uint8) & 127 | continued.astype(np.uint8) << 7
    there = np.ones(encoded.shape, bool)
    there[:, 1:] = continued[:, :-1]
    return encoded[there].tobytes()


def numbers(data: bytes | memoryview, kind: DTypeLike = np.uint64, most: int = MOST_VARINT) -> NDArray[Any]:
    """What any encoder wrote, cast as in C. Raises ValueError: cut off, or a number of more than ``most`` bytes."""
    array = np.frombuffer(data, np.uint8)
    if len(array) and array[-1] > 127:
        raise ValueError("the last number is cut off")
    found: list[NDArray[Any]] = []
    at = 0
    while at < len(array):
        piece = array[at : at + STEP]
        last = piece < 128
        if not last[-most:].any():
            raise ValueError(f"a number has more than {most} bytes")
        whole = len(piece) - int(last[::-1].argmax())
        found.append(_numbers(piece[:whole], last[:whole], most).astype(kind))
        at += whole
    return found[0] if len(found) == 1 else np.concatenate([np.empty(0, kind), *found])


def _numbers(piece: NDArray[np.uint8], last: NDArray[np.bool_], most: int) -> NDArray[Any]:
    if last.all():
        return piece
    ends = np.flatnonzero(last)
    starts = np.concatenate((np.zeros(1, np.intp), ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > most:
        raise ValueError(f"a number has more than {most} bytes")
    values = (piece[starts] & 127).astype(np.uint64)
    for index in range(1, int(lengths.max())):
        longer = np.flatnonzero(lengths > index)
        values[longer] |= (piece[starts[longer] + index] & 127).astype(np.uint64) << np.uint64(7 * index)
    return values


def joined(parts: Sequence[Any]) -> bytes:
    """``b"".join`` of any buffers, which lets other threads run while it copies megabytes."""
    sizes = [memoryview(part).nbytes for part in parts]
    if sum(sizes) <= STEP:
        return b"".join(parts)
    made: bytes = _new_bytes(None, sum(sizes))
    address = _address_of_bytes(made)
    for part, size in zip(parts, sizes, strict=True):
        ctypes.memmove(address, np.frombuffer(part, np.uint8).ctypes.data if size else b"", size)
        address += size
    return made


_new_bytes = ctypes.pythonapi.PyBytes_FromStringAndSize
"""New bytes, to be filled before anybody else sees them: C's API allows that, and ``memmove`` releases the GIL."""
_new_bytes.restype, _new_bytes.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_ssize_t)
_address_of_bytes = ctypes.pythonapi.PyBytes_AsString
_address_of_bytes.restype, _address_of_bytes.argtypes = ctypes.c_void_p, (ctypes.py_object,)


def field(tag: bytes, value: bytes) -> bytes:
    """A length-delimited field."""
    return tag + varint(len(value)) + value


def only_field(message: bytes, number: int) -> bytes:
    """The message without all its fields but one; what is left out is skipped, not parsed.

    A MetaGraphDef's signatures are a few kilobytes beside a graph of up to two gigabytes. Raises ValueError if the
    bytes are no message.
    """
    view = memoryview(message)
    kept, began = [], 0
    for kind, _, end in fields(message, 0, len(message)):
        if kind >> 3 == number:
            kept.append(view[began:end])
        began = end
    return b"".join(kept)


def fields(message: bytes, position: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """The fields between two positions: the tag's number (field number and wire type), where the value begins and ends.

    A length-delimited value begins behind its length. Raises ValueError if the bytes are no message, or have groups.
    """
    while position < stop:
        tag, value, end = field_at(message, position, stop)
        if tag & 7 in _GROUPS:
            raise ValueError(f"wire type {tag & 7} at byte {position}; expected 0, 1, 2 or 5")
        yield tag, value, end
        position = end


_GROUPS = (3, 4)


def field_at(message: bytes, position: int, stop: int, lowest: int = 8) -> tuple[int, int, int]:
    """The field that begins at a position, as in ``fields``; of a group's start or end the tag alone.

    Raises ValueError as protobuf refuses it: cut off, longer than there is, a tag or length of too many bytes.
    """
    try:
        tag, value = read_varint(message, position, _MOST_TAG_OR_LENGTH)
        match tag & 7:
            case 0:
                _, end = read_varint(message, value, MOST_VARINT)
            case 1:
                end = value + 8
            case 2:
                length, value = read_varint(message, value, _MOST_TAG_OR_LENGTH)
                end = value + length
            case 3 | 4:
                end = value
            case 5:
                end = value + 4
            case kind:
                raise ValueError(f"wire type {kind} at byte {position}; expected 0, 1, 2 or 5")
    except IndexError:
        raise ValueError(f"the field at byte {position} is cut off") from None
    if end > stop or not lowest <= tag < 2**32:
        raise ValueError(f"the field at byte {position} is cut off, or has no number")
    return tag, value, end


def read_varint(data: bytes, position: int, most: int = MOST_VARINT) -> tuple[int, int]:
    """The number at ``position`` of at most so many bytes, and the position behind it."""
    byte = data[position]
    if byte < 128:
        return byte, position + 1
    number = byte & 127
    for index in range(1, most):
        byte = data[position + index]
        number |= (byte & 127) << 7 * index
        if byte < 128:
            return number, position + index + 1
    raise ValueError(f"the number at byte {position} has more than {most} bytes")
