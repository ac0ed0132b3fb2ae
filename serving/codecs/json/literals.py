"""Nested lists of number literals, parsed in bulk; the part of ``json_fast`` that knows numbers.

The bulk parser rounds correctly, the exact road does not always: wherever the two could differ, the literals in
question are read again one by one.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import simdjson
from numpy.typing import NDArray

from serving.codecs.json.numbers import BLOCK, BOUNDED_DIGITS, EXACT_DIGITS, SHORT_TEXT, has_digits, scan, to_float32
from serving.core.tensor import MAX_DIMENSIONS, STORAGE, DataType

_NOT_STRUCTURE = b"0123456789+-.eE \t\r\n"
_NOT_NUMBERS = b"[] \t\r\n"

# A zero with such an exponent is a number for the bulk parser and an error for the exact road.
_LONG_EXPONENT = re.compile(rb"[eE]\+?[0-9]{3}")

_UNSURE_UNITS = 32

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Literals:
    """A valid JSON array of numbers, nested like ``shape`` unless lists in it are empty; ``parsed`` is the same."""

    text: bytes
    parsed: Any
    shape: tuple[int, ...]

    def array(self, dtype: DataType) -> NDArray[Any] | None:
        """The values in the storage of ``dtype``, or None if the exact road must decide."""
        values = self._values(dtype)
        if values is None or values.size != math.prod(self.shape):
            return None
        return values.reshape(self.shape)

    def _values(self, dtype: DataType) -> NDArray[Any] | None:
        try:
            if dtype is DataType.FLOAT:
                return self._floats()
            if dtype is DataType.DOUBLE:
                return self._doubles()
            if dtype in _SIGNED:
                integers = np.frombuffer(self.parsed.as_buffer(of_type="i"), dtype=np.int64)
                return _within(integers, *_SIGNED[dtype], dtype)
            if dtype in _UNSIGNED:
                integers = np.frombuffer(self.parsed.as_buffer(of_type="u"), dtype=np.uint64)
                return _within(integers, 0, _UNSIGNED[dtype], dtype)
        except _REFUSALS:
            return None
        return None

    def _wide(self) -> NDArray[np.float64]:
        values = np.frombuffer(self.parsed.as_buffer(of_type="d"), dtype=np.float64)
        if values.size != math.prod(self.shape):
            # There are empty lists, and values and literals cannot be matched.
            raise ValueError(self.shape)
        return values

    def _floats(self) -> NDArray[np.float32] | None:
        values = self._wide()
        if self._is_exact():
            return values.astype(np.float32)
        if has_digits(self.text, BOUNDED_DIGITS):
            return None
        unsure = _near_ties(values)
        if unsure:
            values = _corrected(values, self._literals(), unsure)
        return to_float32(values)

    def _doubles(self) -> NDArray[np.float64]:
        values = self._wide()
        if self._is_exact():
            return values
        literals = self._literals()
        unsure = [
            index for index, literal in enumerate(literals) if len(literal) >= EXACT_DIGITS or b"e" in literal.lower()
        ]
        return _corrected(values, literals, unsure)

    def _is_exact(self) -> bool:
        text = self.text
        return not (b"e" in text or b"E" in text or has_digits(text, EXACT_DIGITS))

    def _literals(self) -> list[bytes]:
        text = self.text.translate(None, _NOT_NUMBERS)
        return text.split(b",") if text else []


def read_literals(texts: list[bytes], *, stacked: bool) -> Literals | None:
    """Parse values that are all nested alike; ``stacked`` puts their number in front of the shape of one.

    Without ``stacked`` there is one value. None if that is not what the texts are.
    """
    structure = texts[0].translate(None, _NOT_STRUCTURE)
    shape = _shape(structure)
    if shape is None or len(shape) + stacked > MAX_DIMENSIONS or not all(texts):
        return None
    if len(texts) > 1 and any(text.translate(None, _NOT_STRUCTURE) != structure for text in texts[1:]):
        return None
    text = b"[%b]" % b",".join(texts) if stacked or not shape else texts[0]
    if _has_long_exponent(text):
        return None
    try:
        parsed = simdjson.Parser().parse(text)
    except _REFUSALS:
        return None
    return Literals(text=text, parsed=parsed, shape=(len(texts), *shape) if stacked else shape)


def _shape(structure: bytes) -> tuple[int, ...] | None:
    """The shape of brackets and commas without numbers, taking no list for empty; None if it is irregular."""
    depth = len(structure) - len(structure.lstrip(b"["))
    if depth > MAX_DIMENSIONS:
        # Before the loop, whose work grows with the depth.
        return None
    shape: list[int] = []
    unit = b""
    for height in range(1, depth + 1):
        # The first list of this height ends where so many lists end at once.
        length = structure.find(b"]" * height) + height - (depth - height) - 2
        size = (length + 1) // (len(unit) + 1)
        unit = b"[%b]" % ((unit + b",") * size)[:-1]
        shape.append(size)
    return tuple(reversed(shape)) if unit == structure else None


def _corrected(values: NDArray[np.float64], literals: list[bytes], unsure: list[int]) -> NDArray[np.float64]:
    values = values.copy()
    values[unsure] = [scan(literals[index], 0)[0] for index in unsure]
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
