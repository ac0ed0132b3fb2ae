"""Protobuf's wire format, the little of it that is read or written without message classes: hot or huge messages."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEW = 32
"""Up to so many numbers are written one by one faster than by numpy."""
_64_BITS = 2**64 - 1


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
    wide = array.ravel() if array.dtype == np.uint64 else array.ravel().astype(np.int64).view(np.uint64)
    length = max(1, -(-int(wide.max()).bit_length() // 7))
    groups = wide[:, np.newaxis] >> np.arange(0, 7 * length, 7, dtype=np.uint64)
    continued = groups > 127
    encoded = groups.astype(np.uint8) & 127 | continued.astype(np.uint8) << 7
    there = np.ones(encoded.shape, bool)
    there[:, 1:] = continued[:, :-1]
    return encoded[there].tobytes()


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


def fields(message: bytes, position: int, stop: int) -> list[tuple[int, int, int]]:
    """The fields between two positions: the tag's number (field number and wire type), where the value begins and ends.

    A length-delimited value begins behind its length. Raises ValueError if the bytes are no message.
    """
    found = []
    while position < stop:
        start = position
        tag, position = _read_varint(message, position)
        value = position
        match tag & 7:
            case 0:  # varint
                _, position = _read_varint(message, position)
            case 1:  # 64 bits
                position += 8
            case 2:  # length-delimited
                length, value = _read_varint(message, position)
                position = value + length
            case 5:  # 32 bits
                position += 4
            case kind:
                raise ValueError(f"wire type {kind} at byte {start}; expected 0, 1, 2 or 5")
        found.append((tag, value, position))
    return found


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at ``position`` and the position behind it."""
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position
        shift += 7
