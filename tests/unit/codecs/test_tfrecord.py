"""TFRecord framing: what TensorFlow's writer writes is read, and damage is told in its reader's words."""

import io
import struct

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs import tfrecord
from serving.codecs.tfrecord import DamagedError

WRITTEN = bytes.fromhex("0300000000000000 b099490e 616263 6e57f121 0000000000000000 29039807 d8ea82a2")
"""The records ``abc`` and the empty one, as TensorFlow writes them."""

TOO_LONG = [pytest.param(2**40, "truncated record at 0' failed with Read less bytes than requested", id="terabyte")] + [
    pytest.param(length, "record size too large", id=hex(length)) for length in (2**64 - 5, 2**64 - 1)
]


def read(data: bytes) -> list[bytes]:
    """The records of a file with these bytes."""
    return list(tfrecord.records(io.BytesIO(data).read, len(data)))


def read_damaged(data: bytes) -> tuple[list[bytes], str]:
    """The records before the damage, and what is said of it."""
    found: list[bytes] = []
    with pytest.raises(DamagedError) as raised:
        found.extend(tfrecord.records(io.BytesIO(data).read, len(data)))
    return found, raised.value.message


def flipped(position: int) -> bytes:
    """The written bytes with one bit another."""
    data = bytearray(WRITTEN)
    data[position] ^= 1
    return bytes(data)


def test_frames_are_tensorflows() -> None:
    """Framing gives TensorFlow's bytes."""
    assert tfrecord.frame(b"abc") + tfrecord.frame(b"") == WRITTEN


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_round_trip(records: list[bytes]) -> None:
    """Whatever is framed is read again, in order."""
    assert read(b"".join(map(tfrecord.frame, records))) == records


@pytest.mark.parametrize("length", [0, *range(19, 31)])
def test_less_than_a_header_at_the_end_is_passed_over(length: int) -> None:
    """A file may end within a header, or be empty."""
    assert read(WRITTEN[:length]) == [b"abc"] * (length > 0)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(WRITTEN[:12], "truncated record at 0' failed with Read less bytes than requested", id="no data"),
        pytest.param(WRITTEN[:18], "truncated record at 0' failed with Read less bytes than requested", id="cut data"),
        pytest.param(WRITTEN[:34], "truncated record at 19' failed with Read less bytes than requested", id="second"),
        pytest.param(flipped(0), "corrupted record at 0 (Is this even a TFRecord file?)", id="length"),
        pytest.param(flipped(8), "corrupted record at 0 (Is this even a TFRecord file?)", id="length's checksum"),
        pytest.param(flipped(12), "corrupted record at 12", id="data"),
        pytest.param(flipped(15), "corrupted record at 12", id="data's checksum"),
        pytest.param(flipped(19), "corrupted record at 19", id="second length"),
        pytest.param(b"this is no record", "corrupted record at 0 (Is this even a TFRecord file?)", id="text"),
    ],
)
def test_damage(data: bytes, expected: str) -> None:
    """What is wrong and where, as TensorFlow's reader says it."""
    assert read_damaged(data)[1] == expected


def test_records_before_the_damage_are_given() -> None:
    """A reader may stop in the middle; what it has read was whole."""
    assert read_damaged(flipped(19))[0] == [b"abc"]


@pytest.mark.parametrize(("length", "expected"), TOO_LONG)
def test_impossible_length(length: int, expected: str) -> None:
    """A length with a right checksum that the file cannot have is an error, and nobody reads that much."""
    header = struct.pack("<Q", length)
    crc = google_crc32c.value(header)
    header += struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
    asked: list[int] = []

    def at_most(count: int) -> bytes:
        asked.append(count)
        return header if len(asked) == 1 else b""

    with pytest.raises(DamagedError) as raised:
        list(tfrecord.records(at_most, len(header)))
    assert (raised.value.message, asked) == (expected, [12])


def test_file_that_shrinks_is_truncated() -> None:
    """A file that has become shorter than it was is an error like any cut one."""
    with pytest.raises(DamagedError, match="truncated record at 0'"):
        list(tfrecord.records(io.BytesIO(WRITTEN[:14]).read, len(WRITTEN)))
