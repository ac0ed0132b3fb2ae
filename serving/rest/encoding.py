"""Compressed request bodies: as TensorFlow Serving takes them (docs/rest.md, "gzip"), and as others do."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from serving.codecs.protobuf.wire import STEP, joined
from serving.errors import Code, ServingError, invalid_argument
from serving.inference.operations import Form
from serving.inference.placement import TooLongHereError, check_inline

LARGEST_INFLATED = 100 * 2**20
_SIZE_BYTES = 4
_GZIP_ONLY = 31
_KINDS = {"gzip": _GZIP_ONLY, "deflate": zlib.MAX_WBITS}


_BYTE_SECONDS = 2e-8
"""To inflate to one byte, and what is to be read then."""


FormT = TypeVar("FormT", bound=Form)


def as_encoded(form: FormT, encoding: str) -> FormT:
    """The form of a body with this Content-Encoding, as TensorFlow Serving looks at it."""
    if "gzip" not in encoding:
        return form
    return replace(form, read=partial(inflated, form.read), is_message=False)


def inflated(read: Callable[[bytes, bool], Any], payload: bytes, limited: bool) -> Any:
    """What ``read`` makes of the content of a compressed body. TooLongHereError as from ``read``."""
    check_inline(min(_declared(payload), LARGEST_INFLATED) * _BYTE_SECONDS, limited=limited)
    return read(inflate(payload), limited)


def decompressed(encoding: str, read: Callable[[bytes, bool], Any], payload: bytes, limited: bool) -> Any:
    """What ``read`` makes of the content of a body with the Content-Encoding ``gzip`` or ``deflate``.

    Raises ServingError: INVALID_ARGUMENT for another encoding and for what is not compressed so, RESOURCE_EXHAUSTED for
    over 100 MiB; and TooLongHereError as from ``read``.
    """
    kind = _KINDS.get(encoding.strip().lower())
    if kind is None:
        raise invalid_argument(f'The Content-Encoding is "{encoding[:64]}"; expected gzip, deflate or none')
    if limited:  # nothing bounds before how large it becomes
        raise TooLongHereError
    content, whole = _content(payload, kind, LARGEST_INFLATED)
    if len(content) > LARGEST_INFLATED:
        raise ServingError(
            Code.RESOURCE_EXHAUSTED,
            f"The compressed body has over {LARGEST_INFLATED} bytes of content; expected at most as many",
        )
    if not whole:
        raise invalid_argument(f"The body cannot be decompressed; expected one {encoding} stream, all of it")
    return read(content, limited)


def _declared(body: bytes) -> int:
    """How large the content says that it is, which bounds how much is inflated."""
    return int.from_bytes(body[-_SIZE_BYTES:], "little")


def inflate(body: bytes) -> bytes:
    """The content of one gzip member. Corrupt data, a second member or over 100 MiB give an empty body."""
    size = _declared(body)
    if len(body) < _SIZE_BYTES or not 0 < size <= LARGEST_INFLATED:
        return b""
    content, whole = _content(body, _GZIP_ONLY, size)
    return content if whole and len(content) == size else b""


def _content(body: bytes, kind: int, most: int) -> tuple[bytes, bool]:
    """At most ``most`` + 1 bytes of what a stream of this ``kind`` holds; whether that, and the body, is all of it."""
    inflater = zlib.decompressobj(kind)
    pieces, rest, left = [], body, most + 1
    try:
        while left > 0 and not inflater.eof and (piece := inflater.decompress(rest, min(left, STEP))):
            pieces.append(piece)
            rest, left = inflater.unconsumed_tail, left - len(piece)
    except zlib.error:
        return b"", False
    return joined(pieces), inflater.eof and not inflater.unused_data
