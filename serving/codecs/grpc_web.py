"""gRPC-Web's bodies: frames, as base64 for scripts that cannot read bytes, and trailers in the last of them.

It knows the bytes alone: no methods, no content types, and what is in a message is not looked at.
"""

import re
from binascii import Error, a2b_base64, b2a_base64
from collections.abc import Iterable, Iterator

from serving.codecs.protobuf.wire import STEP, joined
from serving.errors import Code, ServingError, invalid_argument

_HEAD_BYTES = 5
_DATA, _COMPRESSED, _TRAILERS = b"\x00", 1, b"\x80"
_EXPECTED = "expected one frame: a byte 0, four bytes with the length of the message, and the message"

_BYTE_SECONDS, _CHUNK_SECONDS = 2e-9, 1e-6
"""To copy or decode a byte, and to find the end of a padded chunk of base64."""

_ENCODED_AT_ONCE = 3 * 2**18
"""Bytes, without a rest in base64: other threads wait for a millisecond at most."""

_UNPRINTABLE = re.compile(rb"[^ -$&-~]")
_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_UNIT_MS = {"H": 3_600_000.0, "M": 60_000.0, "S": 1000.0, "m": 1.0, "u": 1e-3, "n": 1e-6}


def reading_seconds(body: bytes, *, text: bool) -> float:
    """How long ``message`` takes by estimate."""
    seconds = len(body) * _BYTE_SECONDS
    return seconds + body.count(b"=") * _CHUNK_SECONDS if text and len(body) <= STEP else seconds


def message(body: bytes, *, text: bool) -> bytes:
    """The message of a unary request; a body of ``text`` is base64. INVALID_ARGUMENT if it is not exactly one frame.

    UNIMPLEMENTED for a compressed message, and for several, which streams have.
    """
    frame = _decoded(body) if text else body
    if len(frame) < _HEAD_BYTES:
        raise invalid_argument(f"The body has {len(frame)} bytes; {_EXPECTED}")
    if frame[0] == _COMPRESSED:
        raise ServingError(Code.UNIMPLEMENTED, "The message is compressed; expected an uncompressed one over gRPC-Web")
    if frame[0]:
        raise invalid_argument(f"The body begins with the byte {frame[0]}; {_EXPECTED}")
    size, given = int.from_bytes(frame[1:_HEAD_BYTES], "big"), len(frame) - _HEAD_BYTES
    if size > given:
        raise invalid_argument(f"The frame announces {size} bytes and has {given}; {_EXPECTED}")
    if size < given:
        raise ServingError(
            Code.UNIMPLEMENTED,
            f"{given - size} bytes are behind the message; expected one message: no streams are taken over gRPC-Web",
        )
    return joined([memoryview(frame)[_HEAD_BYTES:]])


def _decoded(text: bytes) -> bytes:
    try:
        return joined([*_chunks(text)])
    except Error as error:
        raise invalid_argument(f"The body of {len(text)} bytes is no base64: {error}") from None


def _chunks(text: bytes) -> Iterator[bytes]:
    """The bytes of pieces of base64, each of which may be padded: a client encodes frames one by one."""
    start = 0
    while start < len(text):
        pad = text.find(b"=", start)
        end = len(text) if pad < 0 else pad + 1 + text.startswith(b"=", pad + 1)
        for at in range(start, end, STEP):
            yield a2b_base64(text[at : min(at + STEP, end)], strict_mode=True)
        start = end


def answer(payload: bytes, *, text: bool) -> bytes:
    """The body of an answer: a frame with the message, and one with the trailers of success."""
    return _body((_DATA, len(payload).to_bytes(4, "big"), payload, *_last(trailers(Code.OK, ""))), text=text)


def failure(written: bytes, *, text: bool) -> bytes:
    """The body of an answer without a message, with these trailers."""
    return _body(_last(written), text=text)


def trailers(code: Code, details: str, more: Iterable[tuple[str, str]] = ()) -> bytes:
    """Trailers as they are written: lines as those of headers."""
    lines = [b"grpc-status:%d\r\n" % code]
    if details:
        lines.append(b"grpc-message:%b\r\n" % _UNPRINTABLE.sub(_percent, details.encode()))
    return b"".join([*lines, *(f"{name}:{value}\r\n".encode() for name, value in more)])


def timeout_ms(written: str) -> float:
    """A value of ``grpc-timeout`` in milliseconds. INVALID_ARGUMENT if it is none."""
    match = _TIMEOUT.fullmatch(written)
    if match is None:
        raise invalid_argument(
            f"grpc-timeout is {written!r}; expected up to eight digits and one of H, M, S, m, u, n, as in 100m"
        )
    return int(match[1]) * _UNIT_MS[match[2]]


def _percent(match: "re.Match[bytes]") -> bytes:
    return b"%%%02X" % match[0][0]


def _last(written: bytes) -> tuple[bytes, ...]:
    return _TRAILERS, len(written).to_bytes(4, "big"), written


def _body(parts: tuple[bytes, ...], *, text: bool) -> bytes:
    body = joined(parts)
    if not text:
        return body
    starts = range(0, len(body), _ENCODED_AT_ONCE)
    return joined([b2a_base64(body[at : at + _ENCODED_AT_ONCE], newline=False) for at in starts])
