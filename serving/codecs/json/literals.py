"""Nested lists of number literals, cut into pieces for the bulk parser; the part of ``fast`` that knows numbers.

What that makes of them is looked at in ``parsed_numbers``.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
import simdjson
from numpy.typing import NDArray

from serving.codecs.json.numbers import BLOCK, SHORT_TEXT
from serving.codecs.json.parsed_numbers import REFUSALS, values_of
from serving.core.tensor import MAX_DIMENSIONS, STORAGE, DataType

_NOT_STRUCTURE = b"0123456789+-.eE \t\r\n"
# Digits, minuses and points are between these two, and nothing else that JSON has outside of strings.
_FIRST_OF_NUMBERS, _LAST_OF_NUMBERS = np.uint8(ord("-")), np.uint8(ord("9"))
_SPACE = b" \t\r\n"

# A zero with such an exponent is a number for the bulk parser and an error for the exact road.
_LONG_EXPONENT = re.compile(rb"[eE]\+?[0-9]{3}")

_PIECE = 4 << 20
"""Bytes that parsers are given at once: none of them lets another thread run before it is done."""
_MOST_KEPT = 4

_STORED: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {"d": np.dtype(np.float64), "i": np.dtype(np.int64), "u": np.dtype(np.uint64)}
)
"""What the bulk parser gives, by its word for it."""

Span: TypeAlias = tuple[int, int]
"""Where in a body a value begins and ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Literals:
    """Valid JSON arrays of numbers, nested like ``shape`` unless lists in them are empty, in pieces.

    ``kept`` are texts and what was parsed of them, or nothing where there are so many that it would take much memory.
    ``longest`` is known of values without exponents: no number has more characters.
    """

    body: bytes
    spans: list[Span]
    kept: list[tuple[bytes, Any]]
    shape: tuple[int, ...]
    longest: int | None = None

    def array(self, dtype: DataType) -> NDArray[Any] | None:
        """The values in the storage of ``dtype``, or None if the exact road must decide."""
        size, filled = math.prod(self.shape), 0
        found: NDArray[Any] | None = None
        for text, parsed in self._parsed():
            values = values_of(text, parsed, dtype, self.longest)
            if values is None or filled + values.size > size:
                return None
            if values.size == size:
                return values.reshape(self.shape)
            if found is None:
                found = np.empty(size, STORAGE[dtype])
            found[filled : filled + values.size] = values
            filled += values.size
        return None if found is None or filled != size else found.reshape(self.shape)

    def plain(self, kind: Literal["d", "i", "u"]) -> NDArray[Any] | None:
        """A vector of the values as 64-bit numbers: doubles as the bulk parser rounds them, integers, unsigned ones.

        None if one of them is no such number.
        """
        found = []
        for _, parsed in self._parsed():
            try:
                found.append(np.frombuffer(parsed.as_buffer(of_type=kind), _STORED[kind]))
            except REFUSALS:
                return None
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _parsed(self) -> Iterable[tuple[bytes, Any]]:
        """Every piece, and what was or is parsed of it."""
        return self.kept or ((text, simdjson.Parser().parse(text)) for text in _pieces(self.body, self.spans))


def read_literals(body: bytes, spans: list[Span], *, stacked: bool) -> Literals | None:
    """Parse values that are all nested alike; ``stacked`` puts their number in front of the shape of one.

    Without ``stacked`` there is one value. None if that is not what there is.
    """
    start, end = spans[0]
    whole = body[start:end] if len(spans) == 1 and SHORT_TEXT <= end - start <= _PIECE else None
    structure, longest = (_structure(body, spans[0]), None) if whole is None else _separators(whole)
    shape = _shape(structure)
    if shape is None and whole is not None:  # there are blanks, or exponents
        structure, longest = structure.translate(None, _NOT_STRUCTURE), None
        shape = _shape(structure)
    if shape is None or len(shape) + stacked > MAX_DIMENSIONS:
        return None
    if not structure and not all(body[start:end].strip(_SPACE) for start, end in spans):
        return None
    if any(_structure(body, span) != structure for span in spans[1:]):
        return None
    kept: list[tuple[bytes, Any]] | None = []
    for text in _pieces(body, spans) if whole is None else (_array([whole]),):
        if len(text) > 2 * _PIECE or (longest is None and _has_long_exponent(text)):
            return None
        try:
            parsed = simdjson.Parser().parse(text)
        except REFUSALS:
            return None
        kept = [*kept, (text, parsed)] if kept is not None and len(kept) < _MOST_KEPT else None
    shape = (len(spans), *shape) if stacked else shape
    return Literals(body=body, spans=spans, kept=kept or [], shape=shape, longest=longest)


def _pieces(body: bytes, spans: list[Span]) -> Iterator[bytes]:
    """The values one after the other, cut at commas into arrays that no parser takes long for; JSON if they are."""
    short: list[bytes] = []
    size = 0
    for start, end in spans:
        if end - start <= _PIECE:
            short.append(body[start:end])
            size += end - start
        if short and (size > _PIECE or end - start > _PIECE):
            yield _array(short)
            short, size = [], 0
        if end - start > _PIECE:
            yield from _cut(body, start, end)
    if short:
        yield _array(short)


def _array(texts: list[bytes]) -> bytes:
    return texts[0] if len(texts) == 1 and texts[0].startswith(b"[") else b"[%b]" % b",".join(texts)


def _cut(body: bytes, start: int, end: int) -> Iterator[bytes]:
    depth = 0
    while start < end:
        comma = body.find(b",", start + _PIECE // 4, end)
        text = body[start : comma if comma >= 0 else end]
        inside = text.strip(_SPACE)
        if inside[:1] in (b"", b"]") or inside.endswith(b"["):
            # Nothing before or behind a comma is no JSON; the pieces alone would be.
            text = b","
        opened, depth = depth, depth + text.count(b"[") - text.count(b"]")
        yield b"[%b%b%b]" % (b"[" * opened, text, b"]" * depth)
        start = comma + 1 if comma >= 0 else end


def _structure(body: bytes, span: Span) -> bytes | bytearray:
    """The brackets and commas of a value, with whatever is no part of numbers."""
    start, end = span
    if end - start <= _PIECE:
        return body[start:end].translate(None, _NOT_STRUCTURE)
    found = bytearray()
    for begin in range(start, end, _PIECE):
        found += body[begin : min(begin + _PIECE, end)].translate(None, _NOT_STRUCTURE)
    return found


def _separators(text: bytes) -> tuple[bytes, int | None]:
    """The characters of a value that are no digits, minuses or points, and how long what is between two of them is.

    Those are its structure, if it has neither blanks nor exponents.
    """
    characters = np.frombuffer(text, dtype=np.uint8)
    places = np.flatnonzero((characters - _FIRST_OF_NUMBERS) > _LAST_OF_NUMBERS - _FIRST_OF_NUMBERS)
    structure = characters.take(places).tobytes()
    if not places.size or places[0] or places[-1] + 1 < characters.size:
        return structure, None
    return structure, int(np.diff(places).max(initial=1)) - 1


def _shape(structure: bytes | bytearray) -> tuple[int, ...] | None:
    """The shape of brackets and commas without numbers, taking no list for empty; None if it is irregular."""
    head = structure[: MAX_DIMENSIONS + 1]
    depth = len(head) - len(head.lstrip(b"["))
    if depth > MAX_DIMENSIONS:
        # Before the loop, whose work grows with the depth.
        return None
    characters = np.frombuffer(structure, dtype=np.uint8)
    shape: list[int] = []
    unit = 0
    for height in range(1, depth + 1):
        # The first list of this height ends where no comma follows an element, and repeats what its first element is.
        start = depth - height
        end = _end(structure, characters, start + 1 + unit, unit + 1)
        inside = characters[start + 1 : end - 1]
        if structure[end - 1 : end] != b"]" or not _repeats(inside, unit + 1):
            return None
        shape.append((end - start - 1) // (unit + 1))
        unit = end - start
    return tuple(reversed(shape)) if unit == len(structure) else None


def _end(structure: bytes | bytearray, characters: NDArray[np.uint8], first: int, step: int) -> int:
    """Behind the first of the characters from ``first`` on, ``step`` apart, that is no comma; 0 if there is none."""
    if step == 1:
        for start in range(first, len(structure), _PIECE):
            found = structure.find(b"]", start, start + _PIECE)
            if found >= 0:
                return found + 1
        return 0
    others = characters[first::step] != ord(",")
    index = int(others.argmax()) if others.size else 0
    return first + index * step + 1 if others.size and others[index] else 0


def _repeats(characters: NDArray[np.uint8], period: int) -> bool:
    """Whether all periods are like the first one, which ends in a comma if there is another."""
    if characters.size >= period and characters[period - 1] != ord(","):
        return False
    return all(
        np.array_equal(characters[start : start + _PIECE][: characters.size - start - period], other)
        for start in range(0, characters.size - period, _PIECE)
        if (other := characters[start + period : start + period + _PIECE]).size
    )


def _has_long_exponent(text: bytes) -> bool:
    if b"e" not in text and b"E" not in text:
        return False
    if len(text) < SHORT_TEXT:
        return _LONG_EXPONENT.search(text) is not None
    characters = np.frombuffer(text, dtype=np.uint8)
    current, following = characters[:-1], characters[1:]
    for start in range(0, current.size, BLOCK):
        marks = np.flatnonzero((current[start : start + BLOCK] | 0x20) == ord("e"))
        if (following[marks + start] != ord("-")).any():
            return _LONG_EXPONENT.search(text) is not None
    return False
