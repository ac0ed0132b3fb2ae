"""Pictures and sounds of noise in the formats that TensorFlow decodes, to try models with: written, never read.

They are as small and plain as each format allows, and the same for the same seed.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_BLOCK = 8
"""Pixels on a side of what JPEG codes at once."""

_GIF_COLORS, _GIF_CODE_BITS, _GIF_RUN, _GIF_PIECE = 128, 7, 100, 255
_SAMPLES_PER_SECOND = 16_000


def png(width: int, height: int, seed: int) -> bytes:
    """A PNG of three colours."""
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = _noise((height, 3 * width), seed)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def jpeg(width: int, height: int, seed: int) -> bytes:
    """A baseline JPEG of three colours, each block of 8 by 8 pixels of one."""
    blocks = -(-width // _BLOCK) * -(-height // _BLOCK)
    quantization = b"\x00" + bytes([_BLOCK]) * _BLOCK**2
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"".join(bytes([each, 0x11, 0]) for each in (1, 2, 3))
    scan = b"\x03" + b"".join(bytes([each, 0]) for each in (1, 2, 3)) + b"\x00\x3f\x00"
    # Codes of our own: four bits for each size of a difference, and one bit for the end of a block.
    sizes = b"\x00" + bytes([0, 0, 0, 12, *[0] * 12]) + bytes(range(12))
    ends = b"\x10" + bytes([1, *[0] * 15]) + b"\x00"
    parts = ((0xDB, quantization), (0xC0, frame), (0xC4, sizes), (0xC4, ends), (0xDA, scan))
    head = b"".join(struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data for marker, data in parts)
    return b"\xff\xd8" + head + _coded_blocks(_noise((blocks, 3), seed).astype(np.int64) - 128) + b"\xff\xd9"


def _coded_blocks(values: NDArray[np.int64]) -> bytes:
    """The differences between each colour's values, block after block."""
    bits = []
    for difference in np.diff(values, axis=0, prepend=0).ravel().tolist():
        size = abs(difference).bit_length()
        code = difference if difference > 0 else difference + (1 << size) - 1
        bits.append(f"{size:04b}" + (f"{code:0{size}b}" if size else "") + "0")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")


def bmp(width: int, height: int, seed: int) -> bytes:
    """A BMP of three colours."""
    rows = np.zeros((height, -(-3 * width // 4) * 4), np.uint8)
    rows[:, : 3 * width] = _noise((height, 3 * width), seed)
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, rows.nbytes, 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 14 + len(head) + rows.nbytes, 0, 0, 14 + len(head)) + head + rows.tobytes()


def gif(width: int, height: int, seed: int) -> bytes:
    """A GIF of one frame, not compressed: its table of codes is cleared before codes would need a ninth bit."""
    colors = _noise((_GIF_COLORS, 3), seed).tobytes()
    pixels = (_noise((height * width,), seed) % _GIF_COLORS).tobytes()
    clear, end = bytes([_GIF_COLORS]), bytes([_GIF_COLORS + 1])
    codes = clear + clear.join(pixels[start : start + _GIF_RUN] for start in range(0, len(pixels), _GIF_RUN)) + end
    pieces = [codes[start : start + _GIF_PIECE] for start in range(0, len(codes), _GIF_PIECE)]
    data = b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\x00"
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF6, 0, 0) + colors
    return screen + struct.pack("<cHHHHBB", b",", 0, 0, width, height, 0, _GIF_CODE_BITS) + data + b";"


def wav(samples: int, seed: int) -> bytes:
    """A WAV of one channel with 16 bits a sample."""
    data = _noise((2 * samples,), seed).tobytes()
    form = struct.pack("<HHIIHH", 1, 1, _SAMPLES_PER_SECOND, 2 * _SAMPLES_PER_SECOND, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _noise(shape: tuple[int, ...], seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
