"""Byte strings inside JSON: escaping as TensorFlow Serving writes it, base64 as it reads it.

Nothing here validates UTF-8.
"""

import binascii
import re

_SPECIAL = re.compile(rb'[\x00-\x1f"\\]')
_SHORT = {8: b"\\b", 9: b"\\t", 10: b"\\n", 12: b"\\f", 13: b"\\r", 34: b'\\"', 92: b"\\\\"}
_ESCAPED = {byte: _SHORT.get(byte, b"\\u%04X" % byte) for byte in (*range(32), 34, 92)}
_SPACE = b" \t\n\v\f\r"
_PADDING_WANTED = {0: 0, 2: 2, 3: 1}


def quoted(text: bytes) -> bytes:
    """``text`` as a JSON string. Only quotes, backslashes and control characters are escaped."""
    if _SPECIAL.search(text) is None:
        return b'"%b"' % text
    return b'"%b"' % _SPECIAL.sub(lambda match: _ESCAPED[match[0][0]], text)


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
    text = text.translate(None, _SPACE).replace(b".", b"=")
    core = text.rstrip(b"=")
    wanted = _PADDING_WANTED.get(len(core) % 4)
    if wanted is None or len(text) - len(core) not in (0, wanted):
        return None
    try:
        return binascii.a2b_base64(core + b"=" * wanted, strict_mode=True)
    except binascii.Error:
        return None
