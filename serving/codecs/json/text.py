"""JSON text to values, with the leniencies, error texts and offsets of TensorFlow Serving's parser.

The slow, exact road: iterative, so that depth is bounded by memory only, and linear in the length of the body. Not a
validator of UTF-8: strings are the bytes of the body (docs/compatibility.md, "Request JSON").
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import NoReturn, TypeAlias

from serving.codecs.json.numbers import consume, parse_error, scan
from serving.codecs.json.strings import unescaped
from serving.errors import invalid_argument

JsonValue: TypeAlias = "bool | int | float | bytes | list[JsonValue] | JsonObject | None"


@dataclass(frozen=True, slots=True)
class JsonObject:
    """Members in the order of the text, duplicates included."""

    members: "list[tuple[bytes, JsonValue]]"

    def __contains__(self, key: bytes) -> bool:
        return any(name == key for name, _ in self.members)

    def get(self, key: bytes, default: JsonValue = None) -> JsonValue:
        """The value of the first member named ``key``."""
        return next((value for name, value in self.members if name == key), default)


def parse(body: bytes) -> JsonValue:
    """The first value of ``body``; what follows it is ignored, as is a byte order mark before it.

    Raises ServingError, INVALID_ARGUMENT ``JSON Parse error: … at offset: N``.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    return _Reader(body).read()


class _State(Enum):
    """What was read last."""

    START = auto()
    OBJECT_START = auto()
    KEY = auto()
    COLON = auto()
    MEMBER = auto()
    MEMBER_COMMA = auto()
    ARRAY_START = auto()
    ELEMENT = auto()
    ELEMENT_COMMA = auto()
    FINISH = auto()


_MISSING = {
    _State.START: "The document is empty.",
    _State.OBJECT_START: "Missing a name for object member.",
    _State.KEY: "Missing a colon after a name of object member.",
    _State.COLON: "Invalid value.",
    _State.MEMBER: "Missing a comma or '}' after an object member.",
    _State.MEMBER_COMMA: "Missing a name for object member.",
    _State.ARRAY_START: "Invalid value.",
    _State.ELEMENT: "Missing a comma or ']' after an array element.",
    _State.ELEMENT_COMMA: "Invalid value.",
}

_SPACE = re.compile(rb"[ \n\r\t]*")
_STRING = re.compile(rb'"((?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*+)"')
_STRING_STOP = re.compile(rb'["\\\x00-\x1f]')
_HEX4 = re.compile(rb"[0-9A-Fa-f]{4}")
_BACKSLASH = ord("\\")
_WORDS: dict[bytes, tuple[bytes, bool | None]] = {b"n": (b"null", None), b"t": (b"true", True), b"f": (b"false", False)}

# A NUL ends the text wherever a token could start: the original reads C strings.
_END = (b"", b"\0")


class _Reader:
    """One pass over a body: the open containers, innermost last, and the key of the member being read."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._pos = _after_byte_order_mark(body)
        self._open: list[list[JsonValue] | JsonObject] = []
        self._key = b""
        self._root: JsonValue = None

    def read(self) -> JsonValue:
        steps = {
            _State.KEY: self._colon,
            _State.OBJECT_START: self._key_or_close,
            _State.MEMBER_COMMA: self._key_or_close,
            _State.MEMBER: self._after_member,
            _State.ELEMENT: self._after_element,
        }
        space, body, state = _SPACE, self._body, _State.START
        while state is not _State.FINISH:
            match = space.match(body, self._pos)
            pos = self._pos = match.end() if match else self._pos
            token = body[pos : pos + 1]
            if token in _END:
                self._fail(state)
            state = steps.get(state, self._value)(state, token)
        return self._root

    def _fail(self, state: _State) -> NoReturn:
        parse_error(_MISSING[state], self._pos)

    def _value(self, state: _State, token: bytes) -> _State:
        if token == b"[":
            return self._enter([], _State.ARRAY_START)
        if token == b"{":
            return self._enter(JsonObject([]), _State.OBJECT_START)
        if token == b"]" and state is _State.ARRAY_START:
            return self._close()
        if token in b"]},:":
            self._fail(state)
        return self._place(self._scalar(token))

    def _key_or_close(self, state: _State, token: bytes) -> _State:
        if token == b'"':
            self._key = self._string()
            return _State.KEY
        if token == b"}" and state is _State.OBJECT_START:
            return self._close()
        return self._fail(state)

    def _colon(self, state: _State, token: bytes) -> _State:
        return self._step(_State.COLON) if token == b":" else self._fail(state)

    def _after_member(self, state: _State, token: bytes) -> _State:
        if token == b",":
            return self._step(_State.MEMBER_COMMA)
        return self._close() if token == b"}" else self._fail(state)

    def _after_element(self, state: _State, token: bytes) -> _State:
        if token == b",":
            return self._step(_State.ELEMENT_COMMA)
        return self._close() if token == b"]" else self._fail(state)

    def _step(self, state: _State) -> _State:
        self._pos += 1
        return state

    def _enter(self, container: list[JsonValue] | JsonObject, state: _State) -> _State:
        self._place(container)
        self._open.append(container)
        return self._step(state)

    def _close(self) -> _State:
        self._open.pop()
        return self._step(self._after_value())

    def _place(self, value: JsonValue) -> _State:
        if not self._open:
            self._root = value
        elif isinstance(parent := self._open[-1], list):
            parent.append(value)
        else:
            parent.members.append((self._key, value))
        return self._after_value()

    def _after_value(self) -> _State:
        if not self._open:
            return _State.FINISH
        return _State.ELEMENT if isinstance(self._open[-1], list) else _State.MEMBER

    def _scalar(self, token: bytes) -> JsonValue:
        if token == b'"':
            return self._string()
        if token in _WORDS:
            word, constant = _WORDS[token]
            self._pos = consume(self._body, self._pos, word)
            return constant
        number, self._pos = scan(self._body, self._pos)
        return number

    def _string(self) -> bytes:
        """The string whose opening quote is next, unescaped."""
        match = _STRING.match(self._body, self._pos)
        text = unescaped(match[1]) if match else None
        if match is None or text is None:
            self._fail_string()
        self._pos = match.end()
        return text

    def _fail_string(self) -> NoReturn:
        """Go through a string that is none, step by step, to what is wrong with it."""
        body, pos = self._body, self._pos + 1
        while True:
            match = _STRING_STOP.search(body, pos)
            stop = match.start() if match else len(body)
            if body[stop : stop + 1] in _END:
                parse_error("Missing a closing quotation mark in string.", stop)
            if body[stop] != _BACKSLASH:
                parse_error("Invalid escape character in string.", stop)
            pos = _after_escape(body, stop)


def _after_byte_order_mark(body: bytes) -> int:
    pos = 0
    for byte in b"\xef\xbb\xbf":
        # Each byte of the mark is skipped by itself, so that a part of the mark is skipped as well.
        if body[pos : pos + 1] == bytes((byte,)):
            pos += 1
    return pos


def _after_escape(body: bytes, backslash: int) -> int:
    """The offset behind the escape sequence at ``backslash``. Raises ServingError if it is none."""
    kind = body[backslash + 1 : backslash + 2]
    if kind == b"u":
        return _after_unicode_escape(body, backslash)
    if not kind or kind not in b'"\\/bfnrt':
        parse_error("Invalid escape character in string.", backslash)
    return backslash + 2


def _after_unicode_escape(body: bytes, backslash: int) -> int:
    code, pos = _hex4(body, backslash + 2, backslash), backslash + 6
    if 0xD800 <= code <= 0xDBFF:
        if body[pos : pos + 2] != b"\\u" or not 0xDC00 <= _hex4(body, pos + 2, backslash) <= 0xDFFF:
            parse_error("The surrogate pair in string is invalid.", backslash)
        pos += 6
    return pos


def _hex4(body: bytes, pos: int, backslash: int) -> int:
    match = _HEX4.match(body, pos)
    if match is None:
        parse_error("Incorrect hex digit after \\u escape in string.", backslash)
    return int(match[0], 16)
