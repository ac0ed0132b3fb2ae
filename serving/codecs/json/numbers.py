"""Number literals of JSON requests, read with the arithmetic of TensorFlow Serving's parser.

Not ``float()``: long literals come out up to a few units in the last place off, subnormal results are zero, and
literals beyond the largest double are infinite or refused (docs/rest.md, "Numbers in requests").
"""

import math
import re
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from serving.errors import ServingError, invalid_argument

EXACT_DIGITS = 16
"""Up to 15 digits and no exponent, every parser divides one exact double by another: the results are equal."""
BOUNDED_DIGITS = 25
"""Up to 24 digits, the original's doubles are less than 32 units in the last place off."""

SHORT_TEXT = 512
BLOCK = 1 << 16
"""Scratch arrays of a block come from the heap; larger ones are mapped anew each time, which costs more."""

_DIGIT_RUNS = {length: re.compile(rb"[0-9./]{%d}" % length) for length in (EXACT_DIGITS, BOUNDED_DIGITS)}
_LONG_EXPONENT = re.compile(rb"[eE][+-]?[0-9]{2}")

_LITERAL = re.compile(rb"(-?)(0|[1-9][0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?)([0-9]*))?")
_POWERS_OF_TEN = tuple(float(f"1e{exponent}") for exponent in range(309))
_UINT64_MAX = 2**64 - 1
_INT64_MAGNITUDE = 2**63
_EXACT_INTEGER_MAX = 2**53 - 1
_SMALLEST_NORMAL = 2.0**-1022
_DIGITS_KEPT = 17

# Doubles below this round to a float that is subnormal, which the original flushes to zero.
_SMALLEST_NORMAL_FLOAT = 2.0**-126 - 2.0**-151

_TINY = np.finfo(np.float32).tiny


class TooBigError(Exception):
    """A literal beyond the largest double."""


def parse_error(text: str, offset: int) -> NoReturn:
    """Raise the INVALID_ARGUMENT of a body that is not JSON; ``offset`` counts bytes from the start of the body."""
    raise invalid_argument(f"JSON Parse error: {text} at offset: {offset}")


def scan(body: bytes, start: int) -> tuple[int | float, int]:
    """Read the number at ``start``: its value and the offset behind it.

    Literals without ``.`` and exponent that fit int64 or uint64 are ``int``, all others ``float``.
    Raises ServingError when no number is there.
    """
    match = _LITERAL.match(body, start)
    if match is None:
        return _scan_special(body, start)
    sign, digits, fraction, exponent_sign, exponent = match.groups()
    limit = _INT64_MAGNITUDE if sign else _UINT64_MAX
    if fraction is None and exponent is None and len(digits) <= 20 and int(digits) <= limit:
        return (-int(digits) if sign else int(digits)), match.end()
    significand, scale = _integer_part(digits, limit, start), 0
    if fraction is not None:
        if not fraction:
            parse_error("Miss fraction part in number.", match.start(3))
        significand, scale = _with_fraction(significand, digits, fraction)
    if exponent is not None:
        if not exponent:
            parse_error("Miss exponent in number.", match.start(5))
        scale += _exponent(exponent_sign, exponent, 308 - scale, start)
    value = _scaled(float(significand), scale)
    return (-value if sign else value), match.end()


def literal_value(text: str) -> int | float:
    """The number of a whole literal. Raises ``TooBigError``."""
    try:
        if len(text) < EXACT_DIGITS:
            if text.isdigit():
                return int(text)
            digits, _, exponent = text.partition("e")
            if exponent and digits.isdigit() and -308 <= (scale := int(exponent)) <= 308:
                return _scaled(float(digits), scale)
            if "." in digits and not exponent and "E" not in digits:
                return float(text)
        return scan(text.encode(), 0)[0]
    except ServingError:
        raise TooBigError(text) from None


def may_be_inexact(text: bytes) -> bool:
    """Whether ``text`` may have literals that Python reads otherwise than the original does.

    Up to 15 digits, the point included, and an exponent of one digit, the original too computes with two exact doubles.
    """
    return has_digits(text, EXACT_DIGITS) or ((b"e" in text or b"E" in text) and _has_long_exponent(text))


def _has_long_exponent(text: bytes) -> bool:
    if len(text) < SHORT_TEXT:
        return _LONG_EXPONENT.search(text) is not None
    characters = np.frombuffer(text + b"...", dtype=np.uint8)
    for start in range(0, len(text), BLOCK):
        block = characters[start : start + BLOCK + 3]
        marks = np.flatnonzero((block[:-3] | 0x20) == ord("e"))
        first, second, third = (block[marks + behind] - np.uint8(ord("0")) <= 9 for behind in (1, 2, 3))
        sign = np.isin(block[marks + 1], (ord("+"), ord("-")))
        if (second & (first | sign & third)).any():
            return True
    return False


def has_digits(text: bytes, length: int) -> bool:
    """Whether ``length`` digits or points follow one another somewhere."""
    if len(text) < SHORT_TEXT:
        return _DIGIT_RUNS[length].search(text) is not None
    characters = np.frombuffer(text, dtype=np.uint8)
    return any(_has_run(characters[start : start + BLOCK + length - 1], length) for start in range(0, len(text), BLOCK))


def _has_run(characters: NDArray[np.uint8], length: int) -> bool:
    run = (characters - np.uint8(ord("."))) <= ord("9") - ord(".")
    known = 1
    while known < length:
        step = min(known, length - known)
        run = run[:-step] & run[step:]
        known += step
    return bool(run.any())


def to_float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Narrow a vector as the original does: beyond the range infinite, subnormal results zero; signs are kept."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    small = np.flatnonzero(np.abs(narrow) <= _TINY)
    if small.size:
        tiny = small[np.abs(values[small]) < _SMALLEST_NORMAL_FLOAT]
        narrow[tiny] = np.copysign(np.float32(0), narrow[tiny])
    return narrow


def _scan_special(body: bytes, start: int) -> tuple[float, int]:
    pos = start + 1 if body.startswith(b"-", start) else start
    word = b"NaN" if body.startswith(b"N", pos) else b"Inf"
    end = consume(body, pos, word)
    if word == b"Inf" and body.startswith(b"i", end):
        end = consume(body, end, b"inity")
    return (math.nan if word == b"NaN" else -math.inf if pos > start else math.inf), end


def consume(body: bytes, start: int, word: bytes) -> int:
    """The offset behind ``word`` at ``start``; raises ServingError at the first byte that differs."""
    for index, byte in enumerate(word, start):
        if index >= len(body) or body[index] != byte:
            parse_error("Invalid value.", index)
    return start + len(word)


def _integer_part(digits: bytes, limit: int, start: int) -> int | float:
    """The digits before the point: exact while they fit 64 bits, then a double that grows digit by digit."""
    used = min(len(digits), 20)
    while (integer := int(digits[:used])) > limit:
        used -= 1
    if used == len(digits):
        return integer
    value = float(integer)
    for digit in digits[used:]:
        if value >= 1.7976931348623157e307:
            parse_error("Number too big to be stored in double.", start)
        value = value * 10 + (digit - 48)
    return value


def _with_fraction(integer: int | float, digits: bytes, fraction: bytes) -> tuple[int | float, int]:
    """Append the digits behind the point: the significand and the power of ten it is to be scaled by."""
    if isinstance(integer, float):
        return integer, 0
    if len(digits) + len(fraction) <= 16:
        return int(digits + fraction), -len(fraction)
    rest = fraction.lstrip(b"0") if integer == 0 else fraction
    kept = len(digits) - 1 if integer else 0
    # As many digits as are below the largest exact integer at once.
    first = max(0, 15 - kept - (integer != 0))
    used = len(fraction) - len(rest) + min(first, len(rest))
    value: int | float = int(digits + rest[:first])
    kept += min(first, len(rest))
    for digit in rest[first : first + _DIGITS_KEPT]:
        if isinstance(value, int) and value > _EXACT_INTEGER_MAX:
            value = float(value)
        if isinstance(value, float) and kept >= _DIGITS_KEPT:
            break
        value = value * 10 + (digit - 48)
        used += 1
        kept += 1
    return value, -used


def _exponent(sign: bytes, digits: bytes, largest: int, start: int) -> int:
    digits = digits.lstrip(b"0")
    if sign == b"-":
        return -int(digits[:9] or b"0")
    if len(digits) > 9 or int(digits or b"0") > largest:
        parse_error("Number too big to be stored in double.", start)
    return int(digits or b"0")


def _scaled(value: float, scale: int) -> float:
    if scale < -308:
        value, scale = value / _POWERS_OF_TEN[308], scale + 308
    if scale < -308:
        return 0.0
    value = value * _POWERS_OF_TEN[scale] if scale >= 0 else value / _POWERS_OF_TEN[-scale]
    return value if value >= _SMALLEST_NORMAL else 0.0
