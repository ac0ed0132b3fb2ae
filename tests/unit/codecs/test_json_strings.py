"""Escaping and base64 of byte strings."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.json.strings import base64_decoded, base64_encoded, decoded, encoded, quoted, unescaped

QUOTED = [
    ("plain", b"abc", b'"abc"'),
    ("empty", b"", b'""'),
    ("quote-and-backslash", b'"\\', b'"\\"\\\\"'),
    ("short-escapes", b"\b\t\n\f\r", rb'"\b\t\n\f\r"'),
    ("control-characters", b"\x00\x0b\x1f", rb'"\u0000\u000B\u001F"'),
    ("passed-through", b"/\x7f\xc3\xbc\xff", b'"/\x7f\xc3\xbc\xff"'),
]

UNESCAPED = [
    ("plain", b"a\xff/b", b"a\xff/b"),
    ("simple", rb"\"\\\/\b\f\n\r\t", b'"\\/\b\f\n\r\t'),
    ("escaped-backslash-before-a-letter", rb"\\n\\\n", b"\\n\\\n"),
    ("code-of-a-backslash-before-a-letter", rb"\u005cn", b"\\n"),
    ("escaped-backslash-before-u", rb"\\u0041\u0041", b"\\u0041A"),
    ("control-character", rb"\u0001\\", b"\x01\\"),
    ("pair", rb"\uD83D\ude00", "\U0001f600".encode()),
    ("low-surrogate-alone", rb"\udc00", b"\xed\xb0\x80"),
    ("high-surrogate-alone", rb"\ud800", None),
    ("high-surrogate-before-text", rb"\ud800abcdef", None),
    ("high-surrogate-twice", rb"\ud800\ud800", None),
    ("line-break-between", b"\\u0041\n\\n", b"A\n\n"),
]

BASE64 = [
    ("padded", b"aGVsbG8=", b"hello"),
    ("without-padding", b"aGVsbG8", b"hello"),
    ("points-as-padding", b"aA..", b"h"),
    ("white-space", b" aG\nVs\tbG 8 = ", b"hello"),
    ("bits-left-over", b"aGVsbG9=", b"hello"),
    ("empty", b"", b""),
    ("one-character", b"a", None),
    ("wrong-padding", b"aA=", None),
    ("too-much-padding", b"aGVs=", None),
    ("padding-inside", b"aA==aA==", None),
    ("url-alphabet", b"_-8=", None),
    ("no-alphabet", b"a!!!", None),
    ("nul", b"aGV\0", None),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in QUOTED], ids=[row[0] for row in QUOTED])
def test_strings_are_escaped_like_the_original(text: bytes, expected: bytes) -> None:
    """Only quotes, backslashes and control characters are escaped; nothing is validated."""
    assert quoted(text) == expected


@pytest.mark.parametrize(("text", "data"), [row[1:] for row in BASE64], ids=[row[0] for row in BASE64])
def test_base64_is_read_leniently(text: bytes, data: bytes | None) -> None:
    """White space and missing padding are forgiven; wrong padding and other alphabets are not."""
    assert base64_decoded(text) == data


@given(st.binary())
def test_base64_round_trip(data: bytes) -> None:
    """What is written is what any decoder reads."""
    assert base64_decoded(base64_encoded(data)) == base64.b64decode(base64_encoded(data)) == data


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in UNESCAPED], ids=[row[0] for row in UNESCAPED])
def test_escapes_are_resolved(text: bytes, expected: bytes | None) -> None:
    """Every escape stands for its character, once; a high surrogate without its partner is refused."""
    assert unescaped(text) == expected


@given(st.binary().filter(lambda data: b"\\u" not in quoted(data)))
def test_what_is_quoted_can_be_unescaped(data: bytes) -> None:
    """Quoting and resolving escapes are inverse, whatever stands next to a backslash."""
    assert unescaped(quoted(data)[1:-1]) == data


@given(st.text())
def test_quoted_text_is_json(text: str) -> None:
    """The standard library reads the text back."""
    assert json.loads(quoted(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")) == text


@given(st.binary())
def test_bytes_survive_as_text(data: bytes) -> None:
    """Bytes that are no UTF-8 go through a message unchanged."""
    assert encoded(decoded(data)) == data
