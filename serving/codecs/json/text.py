"""JSON text to values, with the leniencies, error texts and offsets of TensorFlow Serving's parser.

The exact road: Python's own scanner, with what the two read differently rewritten before or told apart afterwards. Not
a validator of UTF-8: strings are the bytes of the body, surrogate-escaped (docs/rest.md, "Request JSON").
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from itertools import accumulate, zip_longest
from typing import Any, NamedTuple, TypeAlias

from serving.codecs.json.nesting import deep_value
from serving.codecs.json.numbers import TooBigError, literal_value, may_be_inexact
from serving.codecs.json.refusals import SPACE, refuse
from serving.codecs.json.strings import PIECE, decoded, encoded, outside_strings, without_surrogates
from serving.errors import invalid_argument

JsonObject: TypeAlias = "tuple[tuple[str, JsonValue], ...]"
"""Members in the order of the text, duplicates included."""

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | JsonObject | None"

# How the scanner is told of infinities, which the original abbreviates: outside strings no other number is written so.
_INFINITY, _INFINITIES = b"9E9", {"9E9": math.inf, "-9E9": -math.inf}
_NO_VALUE = (b"", b"\0", b"]", b"}")
"""What a text cannot begin with, however long it is."""

_BESIDE_DIGITS = re.compile(rb"[0-9.](?=Inf)|Inf(?=[0-9])")
_REWRITTEN = (b"Inf", b"-NaN", _INFINITY)


class _Refusal(NamedTuple):
    """The scanner takes a text for no JSON, and noticed it at this offset, unless it is not known."""

    near: int | None


def member(value: JsonObject, key: str, default: JsonValue = None) -> JsonValue:
    """The value of the first member named ``key``."""
    return next((child for name, child in value if name == key), default)


def has_member(value: JsonObject, key: str) -> bool:
    """Whether a member is named ``key``."""
    return any(name == key for name, _ in value)


def parse(body: bytes) -> JsonValue:
    """The first value of ``body``; what follows it is ignored, as is a byte order mark before it.

    Raises ServingError, INVALID_ARGUMENT ``JSON Parse error: … at offset: N``.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    space = SPACE.match(body, _after_byte_order_mark(body))
    start = space.end() if space else 0
    if body[start : start + 1] in _NO_VALUE:
        refuse(body, start, None)
    text, joined = without_surrogates(_without_abbreviations(body[start:]))
    found = _scanned(joined)
    if isinstance(found, _Refusal) and joined is not text:
        found = _scanned(text)
    if isinstance(found, _Refusal):
        refuse(body, start, found.near)
    return found


def _scanned(text: bytes) -> "JsonValue | _Refusal":
    plain = decoded(text)
    try:
        return _read(text, plain)
    except json.JSONDecodeError as error:
        return _Refusal(error.pos if len(plain) == len(text) else len(encoded(plain[: error.pos])))
    except TooBigError as error:
        return _Refusal(_literal(text, error.args[0].encode()))
    except RecursionError:
        pass
    try:
        value: JsonValue = deep_value(text, _scanned_part)
    except (ValueError, TooBigError):
        return _Refusal(None)
    return value


def _scanned_part(text: bytes, children: Iterator[JsonValue]) -> JsonValue:
    return _read(text, decoded(text), lambda name: math.nan if name == "NaN" else next(children))


def _read(text: bytes, plain: str, constant: Callable[[str], JsonValue] | None = None) -> JsonValue:
    """The value that ``text`` starts with, its numbers read with as little of Python as their digits allow."""
    number: Callable[[str], int | float] | None = literal_value if may_be_inexact(text) else None
    decimal = _maybe_infinite if _INFINITY in text else number
    members: Callable[[list[tuple[str, Any]]], JsonObject] = tuple
    if len(text) > PIECE:
        # The scanner lets other threads run only where it calls Python.
        number, decimal, members = literal_value, decimal or literal_value, _members
    decoder = json.JSONDecoder(
        object_pairs_hook=members, parse_float=decimal, parse_int=number, parse_constant=constant
    )
    value: JsonValue = decoder.raw_decode(plain)[0]
    return value


def _members(pairs: list[tuple[str, Any]]) -> JsonObject:
    return tuple(pairs)


def _maybe_infinite(literal: str) -> int | float:
    return _INFINITIES.get(literal) or literal_value(literal)


def _without_abbreviations(text: bytes) -> bytes:
    """Text of the same length in which infinities are numbers, and ``NaN`` has no sign.

    It ends where a digit follows or precedes an infinity: there it is no JSON any more, and only there.
    """
    if not any(word in text for word in _REWRITTEN):
        return text
    parts = outside_strings(text)
    outside = b'"'.join(parts[::2])
    if not any(word in outside for word in _REWRITTEN):
        return text
    cut = _BESIDE_DIGITS.search(outside)
    if cut is not None:
        outside = outside[: cut.end()]
    outside = outside.replace(b"E", b"e").replace(b"Infinity", b"Inf     ").replace(b"Inf", _INFINITY)
    ends = list(accumulate(len(part) + 1 for part in parts))
    strings = [text[begin : end - 1] for begin, end in zip(ends[::2], ends[1::2], strict=False)]
    rewritten = outside.replace(b"-NaN", b"NaN ").split(b'"')
    if cut is not None:
        del strings[len(rewritten) - 1 :]
    return b'"'.join(part for pair in zip_longest(rewritten, strings) for part in pair if part is not None)


def _literal(text: bytes, literal: bytes) -> int:
    """The offset of the first number in ``text`` that begins with ``literal``."""
    parts = outside_strings(text)
    outside = b'"'.join(parts[::2])
    found = re.search(rb"(?<![0-9.eE+-])" + re.escape(literal), outside)
    offset = found.start() if found else 0
    strings = outside.count(b'"', 0, offset)
    return offset + sum(len(string) + 1 for string in parts[1 : 2 * strings : 2])


def _after_byte_order_mark(body: bytes) -> int:
    pos = 0
    for byte in b"\xef\xbb\xbf":
        # Each byte of the mark is skipped by itself, so that a part of the mark is skipped as well.
        if body[pos : pos + 1] == bytes((byte,)):
            pos += 1
    return pos
