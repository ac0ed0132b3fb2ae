"""Byte strings inside JSON: escaping as TensorFlow Serving writes it, base64 as it reads it.

Nothing here validates UTF-8.
"""

import binascii
import re
from collections.abc import Iterable, Iterator
from io import BytesIO

_SPECIAL = re.compile(rb'[\x00-\x1f"\\]')
_SHORT = {8: b"\\b", 9: b"\\t", 10: b"\\n", 12: b"\\f", 13: b"\\r", 34: b'\\"', 92: b"\\\\"}
# The backslash first, so that it is not found again in the escapes of the others.
_ESCAPED = tuple((bytes((byte,)), _SHORT.get(byte, b"\\u%04X" % byte)) for byte in (92, 34, *range(32)))
_SPACE = b" \t\n\v\f\r"
_PADDING_WANTED = {0: 0, 2: 2, 3: 1}

_SIMPLE = ((b'\\"', b'"'), (b"\\/", b"/"), *((short, bytes((byte,))) for byte, short in _SHORT.items() if byte < 32))
_ANY_ESCAPE = re.compile(rb"\\(?:u([dD][89abAB]..)\\u([dD][c-fC-F]..)|u(....)|(.))", re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF = rb"([dD][%b][0-9A-Fa-f]{2})"
_SURROGATES = re.compile(
    rb"\\(?:u%b\\u%b|u%b|(.))" % tuple(_HALF % halves for halves in (b"89abAB", b"c-fC-F", b"89a-fA-F")), re.DOTALL
)
_PAIR = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..")
_MEANING = {34: b'"', 92: b"\\", 47: b"/", 98: b"\b", 102: b"\f", 110: b"\n", 114: b"\r", 116: b"\t"}


def quoted(text: bytes) -> bytes:
    """``text`` as a JSON string. Only quotes, backslashes and control characters are escaped."""
    if _SPECIAL.search(text) is None:
        return b'"%b"' % text
    for byte, escape in _ESCAPED:
        if byte in text:
            text = text.replace(byte, escape)
    return b'"%b"' % text


def unescaped(text: bytes) -> bytes | None:
    """The inside of a JSON string in which every escape is well-formed; None if a surrogate has no partner.

    A lone low surrogate is no error: it becomes three bytes that are not UTF-8.
    """
    if b"\\" not in text:
        return text
    if b"\\u" in text:
        try:
            return _ANY_ESCAPE.sub(_meaning, text)
        except _LoneSurrogateError:
            return None
    # In bulk. Control characters cannot be in the text, so that one can stand for an escaped backslash meanwhile.
    text = text.replace(b"\\\\", b"\\\x01")
    for escape, meaning in _SIMPLE:
        text = text.replace(escape, meaning)
    return text.replace(b"\\\x01", b"\\")


def without_surrogates(text: bytes) -> tuple[bytes, bytes]:
    """JSON text, and the same without escaped surrogates that Python would read otherwise than as bytes.

    Both end before the first high surrogate without the low one that belongs to it, which is no JSON.
    """
    surrogates = len(_SURROGATE.findall(text)) if b"\\ud" in text or b"\\uD" in text else 0
    if not surrogates or (b"\\\\u" not in text and 2 * len(_PAIR.findall(text)) == surrogates):
        return text, text
    try:
        return text, _SURROGATES.sub(_joined, text)
    except _LoneSurrogateError as error:
        text = text[: error.args[0]]
        return text, _SURROGATES.sub(_joined, text)


def without_escapes(text: bytes) -> bytes:
    """JSON text of the same length in which every quote begins or ends a string."""
    return text.replace(b"\\\\", b"..").replace(b'\\"', b"..") if b"\\" in text else text


def outside_strings(text: bytes) -> list[bytes]:
    """What JSON text has outside its strings and, at odd indices, inside, with quotes and backslashes hidden."""
    return without_escapes(text).split(b'"')


class _LoneSurrogateError(Exception):
    """A high surrogate without the low one that belongs to it, and where it is."""


def _joined(match: re.Match[bytes]) -> bytes:
    return _meaning(match) if match[4] is None else match[0]


def _meaning(match: re.Match[bytes]) -> bytes:
    high, low, code, simple = match.groups()
    if simple is not None:
        return _MEANING[simple[0]]
    number = int(code or high, 16)
    if low is not None:
        number = 0x10000 + ((number - 0xD800) << 10 | (int(low, 16) - 0xDC00))
    elif 0xD800 <= number <= 0xDBFF:
        raise _LoneSurrogateError(match.start())
    return chr(number).encode("utf-8", "surrogatepass")


def encoded(text: str) -> bytes:
    """Text of a message or an alias as bytes; undecodable bytes come back as they were."""
    return text.encode("utf-8", "surrogateescape")


def decoded(text: bytes) -> str:
    """The inverse of ``encoded``."""
    return text.decode("utf-8", "surrogateescape")


def base64_encoded(data: bytes) -> bytes:
    """Standard base64 with padding, on one line."""
    return binascii.b2a_base64(data, newline=False)


def base64_decoded(text: bytes) -> bytes | None:
    """The decoded bytes, or None for text that is not base64.

    Standard alphabet; ASCII white space is skipped, padding may be left out but not be wrong, ``.`` counts as ``=``.
    """
    try:
        if len(text) % 4 == 0 and not text.endswith(b"==="):
            # Usual text, and nothing else, is decoded as it is.
            return _decoded(text)
    except binascii.Error:
        pass
    text = joined([part.translate(None, _SPACE).replace(b".", b"=") for part in pieces(text)])
    core = text.rstrip(b"=")
    wanted = _PADDING_WANTED.get(len(core) % 4)
    if wanted is None or len(text) - len(core) not in (0, wanted):
        return None
    try:
        return _decoded(core + b"=" * wanted)
    except binascii.Error:
        return None


def _decoded(text: bytes) -> bytes:
    if len(text) <= PIECE:
        return binascii.a2b_base64(text, strict_mode=True)
    if b"=" in text[:-2]:
        raise binascii.Error
    return joined(binascii.a2b_base64(part, strict_mode=True) for part in pieces(text))


PIECE = 1 << 20
"""Bytes that a call in C is given at once: it lets no other thread run before it is done."""


def pieces(text: bytes) -> Iterator[bytes]:
    """All of ``text``, in pieces whose length is a multiple of four."""
    return (text[start : start + PIECE] for start in range(0, len(text), PIECE))


def joined(texts: Iterable[bytes]) -> bytes:
    """The same as ``join`` for bytes, piece by piece, and without a copy of the whole."""
    out = BytesIO()
    for text in texts:
        out.write(text)
    return out.getvalue()


def without_long_blanks(body: bytes) -> bytes:
    """The same JSON without most of stretches of blanks that are longer than a piece; ``body`` itself if it has none.

    No search through blanks lets other threads run. What is in strings stays.
    """
    if len(body) < 2 * PIECE or b"\\" in body:
        return body
    pieces, quotes = [], 0
    for at in range(0, len(body), PIECE):
        piece = body[at : at + PIECE]
        if quotes % 2 or piece.strip(_BLANKS):
            pieces.append(piece)
            quotes += piece.count(b'"')
    return body if len(pieces) == -(-len(body) // PIECE) else b"".join(pieces)


_BLANKS = b" \n\r\t"
