"""Nested lists of number literals, parsed in bulk; the part of ``json_fast`` that knows numbers.

The bulk parser rounds correctly, the exact road does not always: wherever the two could differ, the literals in
question are read again one by one.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import simdjson
from numpy.typing import NDArray

from serving.codecs.json.numbers import (
    BLOCK,
    BOUNDED_DIGITS,
    EXACT_DIGITS,
    SHORT_TEXT,
    has_digits,
    literal_value,
    to_float32,
)
from serving.core.tensor import MAX_DIMENSIONS, STORAGE, DataType

_NOT_STRUCTURE = b"0123456789+-.eE \t\r\n"
_NOT_NUMBERS = b"[] \t\r\n"
_SPACE = b" \t\r\n"

# A zero with such an exponent is a number for the bulk parser and an error for the exact road.
_LONG_EXPONENT = re.compile(rb"[eE]\+?[0-9]{3}")

_UNSURE_UNITS = 32

_PIECE = 4 << 20
"""Bytes that parsers are given at once: none of them lets another thread run before it is done."""
_MOST_KEPT = 4

_LOW_BITS = np.uint64(2**29 - 1)
_FIRST_UNSURE = np.uint64(2**28 - _UNSURE_UNITS)
_UNSURE_WIDTH = np.uint64(2 * _UNSURE_UNITS)

# How the bulk parser refuses: a fraction for an integer, malformed text or what does not fit, integers beyond 64 bits.
_REFUSALS = (TypeError, ValueError, RuntimeError)

_SIGNED = {
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.INT16: (-(2**31), 2**31 - 1),
    DataType.INT8: (-(2**31), 2**31 - 1),
    DataType.UINT8: (-(2**31), 2**31 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),
}
_UNSIGNED = {DataType.UINT32: 2**32 - 1, DataType.UINT64: 2**64 - 1}


Span: TypeAlias = tuple[int, int]
"""Where in a body a value begins and ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Literals:
    """Valid JSON arrays of numbers, nested like ``shape`` unless lists in them are empty, in pieces.

    ``kept`` are texts and what was parsed of them, or nothing where there are so many that it would take much memory.
    """

    body: bytes
    spans: list[Span]
    kept: list[tuple[bytes, Any]]
    shape: tuple[int, ...]

    def array(self, dtype: DataType) -> NDArray[Any] | None:
        """The values in the storage of ``dtype``, or None if the exact road must decide."""
        size, filled = math.prod(self.shape), 0
        found: NDArray[Any] | None = None
        pieces = self.kept or ((text, simdjson.Parser().parse(text)) for text in _pieces(self.body, self.spans))
        for text, parsed in pieces:
            values = _values(text, parsed, dtype)
            if values is None or filled + values.size > size:
                return None
            if values.size == size:
                return values.reshape(self.shape)
            if found is None:
                found = np.empty(size, STORAGE[dtype])
            found[filled : filled + values.size] = values
            filled += values.size
        return None if found is None or filled != size else found.reshape(self.shape)


def _values(text: bytes, parsed: Any, dtype: DataType) -> NDArray[Any] | None:
    try:
        if dtype is DataType.FLOAT or dtype is DataType.DOUBLE:
            values = np.frombuffer(parsed.as_buffer(of_type="d"), dtype=np.float64)
            return _floats(text, values) if dtype is DataType.FLOAT else _doubles(text, values)
        if dtype in _SIGNED:
            integers = np.frombuffer(parsed.as_buffer(of_type="i"), dtype=np.int64)
            return _within(integers, *_SIGNED[dtype], dtype)
        if dtype in _UNSIGNED:
            integers = np.frombuffer(parsed.as_buffer(of_type="u"), dtype=np.uint64)
            return _within(integers, 0, _UNSIGNED[dtype], dtype)
    except _REFUSALS:
        pass
    return None


def _floats(text: bytes, values: NDArray[np.float64]) -> NDArray[np.float32] | None:
    if _is_exact(text):
        return values.astype(np.float32)
    if has_digits(text, BOUNDED_DIGITS):
        return None
    unsure = _near_ties(values)
    if unsure:
        values = _corrected(values, _literals(text), unsure)
    return to_float32(values)


def _doubles(text: bytes, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if _is_exact(text):
        return values
    literals = _literals(text)
    unsure = [
        index for index, literal in enumerate(literals) if len(literal) >= EXACT_DIGITS or b"e" in literal.lower()
    ]
    return _corrected(values, literals, unsure)


def _is_exact(text: bytes) -> bool:
    return not (b"e" in text or b"E" in text or has_digits(text, EXACT_DIGITS))


def _literals(text: bytes) -> list[bytes]:
    return text.translate(None, _NOT_NUMBERS).split(b",")


def read_literals(body: bytes, spans: list[Span], *, stacked: bool) -> Literals | None:
    """Parse values that are all nested alike; ``stacked`` puts their number in front of the shape of one.

    Without ``stacked`` there is one value. None if that is not what there is.
    """
    structure = _structure(body, spans[0])
    shape = _shape(structure)
    if shape is None or len(shape) + stacked > MAX_DIMENSIONS:
        return None
    if not structure and not all(body[start:end].strip(_SPACE) for start, end in spans):
        return None
    if any(_structure(body, span) != structure for span in spans[1:]):
        return None
    kept: list[tuple[bytes, Any]] | None = []
    for text in _pieces(body, spans):
        if len(text) > 2 * _PIECE or _has_long_exponent(text):
            return None
        try:
            parsed = simdjson.Parser().parse(text)
        except _REFUSALS:
            return None
        kept = [*kept, (text, parsed)] if kept is not None and len(kept) < _MOST_KEPT else None
    return Literals(body=body, spans=spans, kept=kept or [], shape=(len(spans), *shape) if stacked else shape)


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
        # The first list of this height ends where so many lists end at once, and repeats what its first element is.
        start = depth - height
        end = _find(structure, b"]" * height) + height if height < depth else len(structure)
        size, rest = divmod(end - start - 1, unit + 1)
        inside = characters[start + 1 : end - 1]
        if rest or size < 1 or structure[end - 1 : end] != b"]" or not _repeats(inside, unit + 1):
            return None
        shape.append(size)
        unit = end - start
    return tuple(reversed(shape)) if unit == len(structure) else None


def _find(structure: bytes | bytearray, brackets: bytes) -> int:
    for start in range(0, len(structure), _PIECE):
        found = structure.find(brackets, start, start + _PIECE + len(brackets))
        if found >= 0:
            return found
    return -1


def _repeats(characters: NDArray[np.uint8], period: int) -> bool:
    """Whether all periods are like the first one, which ends in a comma if there is another."""
    if characters.size >= period and characters[period - 1] != ord(","):
        return False
    return all(
        np.array_equal(characters[start : start + _PIECE][: characters.size - start - period], other)
        for start in range(0, characters.size - period, _PIECE)
        if (other := characters[start + period : start + period + _PIECE]).size
    )


def _corrected(values: NDArray[np.float64], literals: list[bytes], unsure: list[int]) -> NDArray[np.float64]:
    if len(literals) != values.size:
        # There are empty lists, and values and literals cannot be matched.
        raise ValueError(values.size)
    values = values.copy()
    values[unsure] = [literal_value(literals[index].decode()) for index in unsure]
    return values


def _near_ties(values: NDArray[np.float64]) -> list[int]:
    """The indices of doubles so near to the middle between two floats that their last bits decide."""
    found: list[int] = []
    for start in range(0, values.size, BLOCK // 8):
        bits = values[start : start + BLOCK // 8].view(np.uint64)
        near = np.flatnonzero(((bits & _LOW_BITS) - _FIRST_UNSURE) <= _UNSURE_WIDTH)
        found.extend((near + start).tolist())
    return found


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


def _within(integers: NDArray[Any], low: int, high: int, dtype: DataType) -> NDArray[Any] | None:
    if integers.size and (int(integers.min()) < low or int(integers.max()) > high):
        return None
    return integers.astype(STORAGE[dtype], copy=False)
