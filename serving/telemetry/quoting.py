"""Foreign text on its way into the log or onto a terminal: it cannot end a line, begin one, or control anything."""

import re

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls, line breaks and escapes among them
    "\u2028\u2029"  # line breaks to some
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they change the order in which text is shown
    "\ud800-\udfff]"  # no characters: the bytes of a name that is not UTF-8, and what JSON may say
)
_WITH_LINES = f"(?!\n){_UNSAFE.pattern}"
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_SURROGATE_OF_BYTE_0 = 0xDC00


def quoted(text: str) -> str:
    r"""The text in one line, its controls and what is no character as escapes: ``\n``, ``\x1b``, ``\u202e``."""
    return _UNSAFE.sub(_escape, text)


def quoted_lines(text: str) -> str:
    """The same, for a text of several lines."""
    return re.sub(_WITH_LINES, _escape, text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    if 0x80 <= code - _SURROGATE_OF_BYTE_0 <= 0xFF:
        return f"\\x{code - _SURROGATE_OF_BYTE_0:02x}"
    return _SHORT.get(character) or (f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}")
