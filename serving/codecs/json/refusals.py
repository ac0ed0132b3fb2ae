"""What is wrong with JSON text that the parser in bulk refused, in TensorFlow Serving's words, and at which byte.

Reads on from the last bracket, comma or colon before the place where that parser stopped. Not a reader of values.
"""

import re
from enum import Enum, auto
from typing import NoReturn

import numpy as np

from serving.codecs.json.numbers import consume, parse_error, scan
from serving.codecs.json.strings import outside_strings, unescaped


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
    _State.FINISH: "The document root must not be followed by other values.",
}

SPACE = re.compile(rb"[ \n\r\t]*")
# `|(?!)` is for Python before 3.11.5, where a possessive repetition goes on from where its last alternative has failed.
_STRING = re.compile(rb'"((?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4}|(?!))*+)"')
_PLAIN_PART = re.compile(rb'(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u(?![dD][89abAB])[0-9A-Fa-f]{4}|(?!))*+')
_HEX4 = re.compile(rb"[0-9A-Fa-f]{4}")
_BACKSLASH = ord("\\")
_WORDS = {b"n": b"null", b"t": b"true", b"f": b"false"}
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STRUCTURE = b"[]{},:"

# Containers that open one behind the other.
_OPENING = re.compile(rb'(?:\[[ \n\r\t]*+|\{[ \n\r\t]*+"[^"\\\x00-\x1f]*+"[ \n\r\t]*+:[ \n\r\t]*+|(?!))++')

_CLOSING = re.compile(rb"[\]} \n\r\t]*+")
_OPENED = bytes.maketrans(b"]}", b"[{")

# A NUL ends the text wherever a token could start: the original reads C strings.
_END = (b"", b"\0")


def refuse(body: bytes, start: int, near: int | None) -> NoReturn:
    """Raise the INVALID_ARGUMENT of the text from ``start`` on, valid up to the token at or before ``near``."""
    pos = _last_structure(body[start:near]) if near is not None else -1
    if pos < 0:
        _Reader(body, start, bytearray()).read(_State.START)
    outside = b"".join(outside_strings(body[start : start + pos + 1])[::2])
    reader = _Reader(body, start + pos + 1, _unclosed(outside))
    reader.read(reader.state_after(body[start + pos]))


def _last_structure(text: bytes) -> int:
    """The offset of the last bracket, comma or colon that is not in a string, or -1."""
    parts = outside_strings(text)
    end = len(text)
    for index in range(len(parts) - 1, -1, -1):
        begin = end - len(parts[index])
        if index % 2 == 0:
            pos = max(text.rfind(bytes((character,)), begin, end) for character in _STRUCTURE)
            if pos >= 0:
                return pos
        end = begin - 1
    return -1


def _unclosed(outside: bytes) -> bytearray:
    """The brackets that are open at the end of valid text without strings, the innermost last."""
    brackets = np.frombuffer(outside.translate(None, _NOT_BRACKETS), dtype=np.uint8)
    opening = (brackets == ord("[")) | (brackets == ord("{"))
    depth = np.cumsum(np.where(opening, 1, -1))
    lowest_behind = np.minimum.accumulate(depth[::-1])[::-1]
    return bytearray(brackets[opening & (lowest_behind >= depth)].tobytes())


class _Reader:
    """One pass over a body: the brackets of the open containers, innermost last."""

    def __init__(self, body: bytes, pos: int, unclosed: bytearray) -> None:
        self._body = body
        self._pos = pos
        self._open = unclosed

    def state_after(self, character: int) -> _State:
        """What was read when ``character``, a bracket, comma or colon, was read."""
        if character == ord(","):
            return _State.ELEMENT_COMMA if self._open[-1] == ord("[") else _State.MEMBER_COMMA
        states = {ord("["): _State.ARRAY_START, ord("{"): _State.OBJECT_START, ord(":"): _State.COLON}
        return states.get(character) or self._after_value()

    def read(self, state: _State) -> NoReturn:
        steps = {
            _State.KEY: self._colon,
            _State.OBJECT_START: self._key_or_close,
            _State.MEMBER_COMMA: self._key_or_close,
            _State.MEMBER: self._after_member,
            _State.ELEMENT: self._after_element,
            _State.FINISH: self._fail,
        }
        space, body = SPACE, self._body
        while True:
            match = space.match(body, self._pos)
            pos = self._pos = match.end() if match else self._pos
            token = body[pos : pos + 1]
            if token in _END:
                self._fail(state, token)
            state = steps.get(state, self._value)(state, token)

    def _fail(self, state: _State, token: bytes) -> NoReturn:
        parse_error(_MISSING[state], self._pos)

    def _value(self, state: _State, token: bytes) -> _State:
        if token in b"[{":
            return self._enter(token)
        if token == b"]" and state is _State.ARRAY_START:
            return self._close()
        if token in b"]},:":
            self._fail(state, token)
        self._scalar(token)
        return self._after_value()

    def _key_or_close(self, state: _State, token: bytes) -> _State:
        if token == b'"':
            self._string()
            return _State.KEY
        if token == b"}" and state is _State.OBJECT_START:
            return self._close()
        return self._fail(state, token)

    def _colon(self, state: _State, token: bytes) -> _State:
        return self._step(_State.COLON) if token == b":" else self._fail(state, token)

    def _after_member(self, state: _State, token: bytes) -> _State:
        if token == b",":
            return self._step(_State.MEMBER_COMMA)
        return self._close() if token == b"}" else self._fail(state, token)

    def _after_element(self, state: _State, token: bytes) -> _State:
        if token == b",":
            return self._step(_State.ELEMENT_COMMA)
        return self._close() if token == b"]" else self._fail(state, token)

    def _step(self, state: _State) -> _State:
        self._pos += 1
        return state

    def _enter(self, token: bytes) -> _State:
        several = _OPENING.match(self._body, self._pos)
        if several is None:
            self._open += token
            return self._step(self.state_after(token[0]))
        outside = b"".join(outside_strings(several[0])[::2])
        self._open += outside.translate(None, _NOT_BRACKETS)
        self._pos = several.end()
        return _State.ARRAY_START if self._open[-1] == ord("[") else _State.COLON

    def _close(self) -> _State:
        several = _CLOSING.match(self._body, self._pos)
        closed = several[0].translate(_OPENED, b" \n\r\t")[::-1] if several else b""
        if several is None or not self._open.endswith(closed):
            self._open.pop()
            return self._step(self._after_value())
        del self._open[-len(closed) :]
        self._pos = several.end()
        return self._after_value()

    def _after_value(self) -> _State:
        if not self._open:
            return _State.FINISH
        return _State.ELEMENT if self._open[-1] == ord("[") else _State.MEMBER

    def _scalar(self, token: bytes) -> None:
        if token == b'"':
            self._string()
        elif token in _WORDS:
            self._pos = consume(self._body, self._pos, _WORDS[token])
        else:
            _, self._pos = scan(self._body, self._pos)

    def _string(self) -> None:
        """Go behind the string whose opening quote is next."""
        match = _STRING.match(self._body, self._pos)
        if match is None or unescaped(match[1]) is None:
            self._fail_string()
        self._pos = match.end()

    def _fail_string(self) -> NoReturn:
        """Go through a string that is none to what is wrong with it."""
        body, pos = self._body, self._pos + 1
        while True:
            match = _PLAIN_PART.match(body, pos)
            stop = match.end() if match else pos
            if body[stop : stop + 1] in _END:
                parse_error("Missing a closing quotation mark in string.", stop)
            if body[stop] != _BACKSLASH:
                parse_error("Invalid escape character in string.", stop)
            pos = _after_escape(body, stop)


def _after_escape(body: bytes, backslash: int) -> int:
    """The offset behind the escape sequence at ``backslash``. Raises ServingError if it is none."""
    if body[backslash + 1 : backslash + 2] != b"u":
        parse_error("Invalid escape character in string.", backslash)
    _hex4(body, backslash + 2, backslash)
    pos = backslash + 6
    if body[pos : pos + 2] != b"\\u" or not 0xDC00 <= _hex4(body, pos + 2, backslash) <= 0xDFFF:
        parse_error("The surrogate pair in string is invalid.", backslash)
    return pos + 6


def _hex4(body: bytes, pos: int, backslash: int) -> int:
    match = _HEX4.match(body, pos)
    if match is None:
        parse_error("Incorrect hex digit after \\u escape in string.", backslash)
    return int(match[0], 16)
