"""TFRecord framing: length, masked CRC-32C of the length, data, masked CRC-32C of the data; never compressed.

Not files: bytes come from, and go to, whoever calls. Texts of errors are those of TensorFlow's own reader.
"""

import struct
from collections.abc import Callable, Iterator

import google_crc32c

from serving.errors import Code, ServingError

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8
_TOO_LARGE = 2**64 - 5
"""Lengths from here on leave no room for the checksum in 64 bits."""


class DamagedError(ServingError):
    """DATA_LOSS: the bytes are no TFRecords, or not whole ones."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.DATA_LOSS, message)


def frame(record: bytes) -> bytes:
    """One record as it stands in a file."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _checksum(length), record, _checksum(record)))


def records(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    """The records of a file of ``size`` bytes; ``read(n)`` gives its next ``n`` bytes.

    Fewer bytes at the end than a header has are passed over, as TensorFlow does. Raises DamagedError. A length in the
    file never makes ``read`` ask for more than the file has.
    """
    offset = 0
    while len(header := read(_HEADER.size)) == _HEADER.size:
        length = _length(header, offset)
        behind = offset + _HEADER.size + length + _CHECKSUM.size
        data = read(length + _CHECKSUM.size) if behind <= size else b""
        if len(data) < length + _CHECKSUM.size:
            raise DamagedError(f"truncated record at {offset}' failed with Read less bytes than requested")
        record = data[:length]
        if _checksum(record) != data[length:]:
            raise DamagedError(f"corrupted record at {offset + _HEADER.size}")
        yield record
        offset = behind


def _length(header: bytes, offset: int) -> int:
    length: int = _HEADER.unpack(header)[0]
    if _checksum(header[:8]) != header[8:]:
        hint = "" if offset else " (Is this even a TFRecord file?)"
        raise DamagedError(f"corrupted record at {offset}{hint}")
    if length >= _TOO_LARGE:
        raise DamagedError("record size too large")
    return length


def _checksum(data: bytes) -> bytes:
    """The checksum as it is stored: rotated and shifted, for data that hold checksums themselves."""
    crc: int = google_crc32c.value(data)
    return _CHECKSUM.pack(((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)
