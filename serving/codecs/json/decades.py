"""Many floats at once as the doubles that their decimals name, so that orjson writes them with the right digits.

Each float is scaled to an integer of six or nine digits, rounded, and divided again: the shortest digits of that double
are the decimal itself. Floats beyond the decades below, and roundings too near to call, are left to ``json_decimals``.
"""

import numpy as np
from numpy.typing import NDArray

_LOWEST, _HIGHEST = -13, 6
"""The powers of ten between which floats are taken, and zero. No scale is above 1e22, the last power that is exact."""

# The float nearest to a power of ten is written as that power, on whichever side of it it lies.
_LIMITS = np.array([float(f"1e{power}") for power in range(_LOWEST, _HIGHEST + 1)], np.float32)
_BELOW, _ABOVE = 0, len(_LIMITS)

_DECADES = np.array([0, *range(_LOWEST, _HIGHEST), 0])
_SIX = np.array([float(f"1e{5 - decade}") for decade in _DECADES])
_NINE = np.array([float(f"1e{8 - decade}") for decade in _DECADES])

# From 1e-5 to 1e-4 orjson writes zeros where an exponent is wanted. Nine decades below, where nothing else is, it does
# not; below that, its exponents lack a zero.
_MOVED = np.where(_DECADES == -5, 1e9, 1.0)
_SIX_MOVED, _NINE_MOVED = _SIX * _MOVED, _NINE * _MOVED
_EXPONENTS = tuple(
    (b"e-%d%b" % (written, end), b"e-%02d%b" % (wanted, end))
    for written, wanted in ((6, 6), (7, 7), (8, 8), (9, 9), (14, 5))
    for end in (b",", b"]")
)

# A product below 1e9 is off by less than 3e-7: its rounding is sure up to this distance from an integer.
_SURE = 0.5 - 1e-6

# So many doubles stay in the processor's cache.
_BLOCK = 1 << 13


def decimals(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], list[int]]:
    """The doubles to write for a vector, NaN where there is none, and the indices of these."""
    found = np.empty(values.size)
    left: list[int] = []
    for start in range(0, values.size, _BLOCK):
        block = found[start : start + _BLOCK]
        block[:] = _decimals(values[start : start + _BLOCK])
        left.extend((np.flatnonzero(np.isnan(block)) + start).tolist())
    return found, left


def exponents(text: bytes) -> bytes:
    """What orjson wrote of the doubles, with the exponents as ``%g`` writes them."""
    if b"e-" in text:
        for written, wanted in _EXPONENTS:
            text = text.replace(written, wanted)
    return text


def _decimals(values: NDArray[np.float32]) -> NDArray[np.float64]:
    decade = np.searchsorted(_LIMITS, np.abs(values), side="right")
    six = _SIX[decade]
    with np.errstate(invalid="ignore", over="ignore"):
        wide = values.astype(np.float64)
        short = np.rint(wide * six)
        enough = (short / six).astype(np.float32) == values
        product = wide * _NINE[decade]
        long = np.rint(product)
        sure = enough | (np.abs(product - long) < _SURE)
        found: NDArray[np.float64] = np.where(enough, short / _SIX_MOVED[decade], long / _NINE_MOVED[decade])
    found[~sure | (decade == _ABOVE) | ((decade == _BELOW) & (values != 0))] = np.nan
    return found
