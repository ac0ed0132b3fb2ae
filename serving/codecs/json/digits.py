"""Doubles as the digits TensorFlow Serving echoes in messages: Grisu2, nearly but not always the shortest.

Not the format of predictions (``json_decimals``). The algorithm is Florian Loitsch's "Printing Floating-Point Numbers
Quickly and Accurately with Integers" (PLDI 2010), with one flaw of the original kept: digits found late are not moved
to the nearest value (docs/rest.md, "Echoed values").
"""

import math
from functools import lru_cache

_UINT64 = 2**64 - 1
_POWERS_OF_TEN = tuple(10**exponent for exponent in range(10))
_UNROUNDED_FROM = 9


def double_text(value: float) -> str:
    """A finite double as the messages print it: ``1.0``, ``10000000000.0``, ``1e21``, ``1e-7``, ``-0.0``."""
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if value == 0:
        return f"{sign}0.0"
    return sign + _layout(*_grisu2(abs(value)))


def _layout(digits: str, scale: int) -> str:
    """``digits`` times ten to the ``scale``."""
    point = len(digits) + scale
    if scale >= 0 and point <= 21:
        return f"{digits}{'0' * scale}.0"
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1}"


def _grisu2(value: float) -> tuple[str, int]:
    """Digits and decimal exponent of a positive, normal double."""
    mantissa, exponent = math.frexp(value)
    significand, exponent = int(mantissa * 2**53), exponent - 53
    upper, upper_exponent = (2 * significand + 1) << 10, exponent - 11
    # Below a power of two the neighbour is half as far away.
    lower = (4 * significand - 1) << 9 if significand == 2**52 else (2 * significand - 1) << 10
    power, power_exponent, scale = _cached_power(upper_exponent)
    product_exponent = upper_exponent + power_exponent + 64
    high = _multiply(upper, power) - 1
    low = _multiply(lower, power) + 1
    middle = _multiply(significand << 11, power)
    digits, shift = _digits(middle, high, high - low, -product_exponent)
    return digits, scale + shift


def _multiply(left: int, right: int) -> int:
    """The upper half of a 128-bit product, rounded."""
    return (left * right + (1 << 63)) >> 64


@lru_cache(maxsize=128)
def _cached_power(exponent: int) -> tuple[int, int, int]:
    """A power of ten that brings ``exponent`` into range: 64-bit significand, binary exponent, decimal scale."""
    estimate = math.ceil((-61 - exponent) * 0.30102999566398114 + 347)
    decimal = -348 + 8 * ((estimate >> 3) + 1)
    numerator, denominator = 10 ** max(decimal, 0), 10 ** max(-decimal, 0)
    binary = numerator.bit_length() - denominator.bit_length() - 64
    significand = _divide(numerator, denominator, binary)
    if significand >> 64:
        binary += 1
        significand = _divide(numerator, denominator, binary)
    return significand, binary, -decimal


def _divide(numerator: int, denominator: int, binary: int) -> int:
    """``numerator / denominator / 2**binary`` to the nearest integer."""
    numerator, denominator = numerator << max(-binary, 0), denominator << max(binary, 0)
    return (2 * numerator + denominator) // (2 * denominator)


def _digits(middle: int, high: int, width: int, bits: int) -> tuple[str, int]:
    """The shortest digits between ``high - width`` and ``high``, fixed-point numbers of ``bits`` fraction bits."""
    distance = high - middle
    whole, part = high >> bits, high & ((1 << bits) - 1)
    text = str(whole)
    for kappa in range(len(text) - 1, -1, -1):
        rest = ((whole % _POWERS_OF_TEN[kappa]) << bits) + part
        if rest <= width:
            kept = int(text[: len(text) - kappa])
            return str(_towards(kept, width, rest, _POWERS_OF_TEN[kappa] << bits, distance)), kappa
    kept, kappa = whole, 0
    while True:
        part, width, kappa = part * 10, width * 10, kappa - 1
        kept = kept * 10 + (part >> bits)
        part &= (1 << bits) - 1
        if part < width:
            late = -kappa >= _UNROUNDED_FROM
            scaled = 0 if late else (distance * _POWERS_OF_TEN[-kappa]) & _UINT64
            return str(_towards(kept, width, part, 1 << bits, scaled)), kappa


def _towards(kept: int, width: int, rest: int, unit: int, distance: int) -> int:
    """Lower the last digit while that brings the digits nearer to the value."""
    while (
        rest < distance
        and width - rest >= unit
        and (rest + unit < distance or distance - rest > rest + unit - distance)
    ):
        kept -= 1
        rest += unit
    return kept
