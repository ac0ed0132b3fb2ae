"""Compressed request bodies as TensorFlow Serving takes them (docs/compatibility.md, "gzip")."""

import zlib
from collections.abc import Callable
from typing import Any

from serving.codecs.protobuf.wire import STEP, joined
from serving.inference.placement import check_inline

LARGEST_INFLATED = 100 * 2**20
_SIZE_BYTES = 4
_GZIP_ONLY = 31


_BYTE_SECONDS = 2e-8
"""To inflate to one byte, and what is to be read then."""


def inflated(read: Callable[[bytes, bool], Any], payload: bytes, limited: bool) -> Any:
    """What ``read`` makes of the content of a compressed body. TooLongHereError as from ``read``."""
    check_inline(min(_declared(payload), LARGEST_INFLATED) * _BYTE_SECONDS, limited=limited)
    return read(inflate(payload), limited)


def _declared(body: bytes) -> int:
    """How large the content says that it is, which bounds how much is inflated."""
    return int.from_bytes(body[-_SIZE_BYTES:], "little")


def inflate(body: bytes) -> bytes:
    """The content of one gzip member. Corrupt data, a second member or over 100 MiB give an empty body."""
    size = _declared(body)
    if len(body) < _SIZE_BYTES or not 0 < size <= LARGEST_INFLATED:
        return b""
    inflater = zlib.decompressobj(_GZIP_ONLY)
    pieces, rest, left = [], body, size + 1
    try:
        while left > 0 and not inflater.eof and (piece := inflater.decompress(rest, min(left, STEP))):
            pieces.append(piece)
            rest, left = inflater.unconsumed_tail, left - len(piece)
    except zlib.error:
        return b""
    return joined(pieces) if inflater.eof and not inflater.unused_data and left == 1 else b""
