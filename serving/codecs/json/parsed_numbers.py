"""What the bulk parser made of number literals, as values in a dtype's storage; not what it is given.

It rounds correctly, the exact road does not always: wherever the two could differ, the literals in question are read
again one by one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.codecs.json.numbers import BLOCK, BOUNDED_DIGITS, EXACT_DIGITS, has_digits, literal_value, to_float32
from serving.core.tensor import STORAGE, DataType

_NOT_NUMBERS = b"[] \t\r\n"

_UNSURE_UNITS = 32

_LOW_BITS = np.uint64(2**29 - 1)
_FIRST_UNSURE = np.uint64(2**28 - _UNSURE_UNITS)
_UNSURE_WIDTH = np.uint64(2 * _UNSURE_UNITS)

# How the bulk parser refuses: a fraction for an integer, malformed text or what does not fit, integers beyond 64 bits.
REFUSALS = (TypeError, ValueError, RuntimeError)

_SIGNED = {
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.INT16: (-(2**31), 2**31 - 1),
    DataType.INT8: (-(2**31), 2**31 - 1),
    DataType.UINT8: (-(2**31), 2**31 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),
}
_UNSIGNED = {DataType.UINT32: 2**32 - 1, DataType.UINT64: 2**64 - 1}


def values_of(text: bytes, parsed: Any, dtype: DataType, longest: int | None) -> NDArray[Any] | None:
    """A vector of what was ``parsed`` of ``text``, lists apart; None if the exact road must decide.

    No number has more than ``longest`` characters, if that is known; then there are no exponents.
    """
    try:
        if dtype is DataType.FLOAT or dtype is DataType.DOUBLE:
            values = np.frombuffer(parsed.as_buffer(of_type="d"), dtype=np.float64)
            return (_floats if dtype is DataType.FLOAT else _doubles)(text, values, longest)
        if dtype in _SIGNED:
            integers = np.frombuffer(parsed.as_buffer(of_type="i"), dtype=np.int64)
            return _within(integers, *_SIGNED[dtype], dtype)
        if dtype in _UNSIGNED:
            integers = np.frombuffer(parsed.as_buffer(of_type="u"), dtype=np.uint64)
            return _within(integers, 0, _UNSIGNED[dtype], dtype)
    except REFUSALS:
        pass
    return None


def _floats(text: bytes, values: NDArray[np.float64], longest: int | None) -> NDArray[np.float32] | None:
    if _is_exact(text, longest):
        return values.astype(np.float32)
    if (longest is None or longest >= BOUNDED_DIGITS) and has_digits(text, BOUNDED_DIGITS):
        return None
    unsure = _near_ties(values)
    if unsure:
        values = _corrected(values, _literals(text), unsure)
    return to_float32(values)


def _doubles(text: bytes, values: NDArray[np.float64], longest: int | None) -> NDArray[np.float64]:
    if _is_exact(text, longest):
        return values
    literals = _literals(text)
    unsure = [
        index for index, literal in enumerate(literals) if len(literal) >= EXACT_DIGITS or b"e" in literal.lower()
    ]
    return _corrected(values, literals, unsure)


def _is_exact(text: bytes, longest: int | None) -> bool:
    if longest is not None:
        return longest < EXACT_DIGITS or not has_digits(text, EXACT_DIGITS)
    return not (b"e" in text or b"E" in text or has_digits(text, EXACT_DIGITS))


def _literals(text: bytes) -> list[bytes]:
    return text.translate(None, _NOT_NUMBERS).split(b",")


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


def _within(integers: NDArray[Any], low: int, high: int, dtype: DataType) -> NDArray[Any] | None:
    if integers.size and (int(integers.min()) < low or int(integers.max()) > high):
        return None
    return integers.astype(STORAGE[dtype], copy=False)
