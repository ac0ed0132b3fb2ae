"""Compressed request bodies as TensorFlow Serving takes them (docs/compatibility.md, "gzip")."""

import zlib

LARGEST_INFLATED = 100 * 2**20
_SIZE_BYTES = 4
_GZIP_ONLY = 31


def inflate(body: bytes) -> bytes:
    """The content of one gzip member. Corrupt data, a second member or over 100 MiB give an empty body."""
    size = int.from_bytes(body[-_SIZE_BYTES:], "little")
    if len(body) < _SIZE_BYTES or not 0 < size <= LARGEST_INFLATED:
        return b""
    inflater = zlib.decompressobj(_GZIP_ONLY)
    try:
        content = inflater.decompress(body, size)
        if not inflater.eof:
            content += inflater.decompress(inflater.unconsumed_tail, 1)
    except zlib.error:
        return b""
    return content if inflater.eof and not inflater.unused_data and len(content) == size else b""
