"""Reading number literals with the arithmetic of TensorFlow Serving's parser."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.json.numbers import scan, to_float32
from serving.errors import ServingError

NUMBERS = [
    ("zero", b"0", 0),
    ("negative-zero-is-an-integer", b"-0", 0),
    ("int64-min", b"-9223372036854775808", -(2**63)),
    ("uint64-max", b"18446744073709551615", 2**64 - 1),
    ("beyond-uint64", b"18446744073709551616", 2.0**64),
    ("beyond-int64", b"-9223372036854775809", -(2.0**63)),
    ("long-integer-is-rounded-by-digits", b"123456789012345678901234567890", 1.2345678901234566e29),
    ("long-integer-ignores-its-fraction", b"123456789012345678901234567890.9", 1.2345678901234566e29),
    ("fraction", b"0.1", 0.1),
    ("exponent", b"1E2", 100.0),
    ("signed-exponent", b"25e-1", 2.5),
    ("largest", b"1.7976931348623157e308", 1.7976931348623157e308),
    ("beyond-the-largest", b"1.8e308", math.inf),
    ("smallest-normal", b"2.2250738585072014e-308", 2.2250738585072014e-308),
    ("subnormal-is-zero", b"5e-324", 0.0),
    ("far-below-is-zero", b"1e-400", 0.0),
    ("absurdly-small-is-zero", b"1e-99999999999999999999", 0.0),
    ("zeros-before-digits", b"0.00000000000000000000000000000123", 123 / 1e32),
    ("sixteen-digits", b"0.3333333333333333", 0.3333333333333333),
    ("digits-beyond-the-seventeenth-do-not-count", b"0.12345678901234567999999", 0.12345678901234568),
    ("zeros-in-the-exponent", b"1e0000000000000002", 100.0),
    ("zero-with-exponent", b"0.0e5", 0.0),
]

TOO_BIG = [b"1e309", b"0e309", b"1e99999999999999999999", b"1" * 400, b"-1" + b"0" * 400]


@pytest.mark.parametrize(("text", "value"), [row[1:] for row in NUMBERS], ids=[row[0] for row in NUMBERS])
def test_literals_have_the_value_the_original_gives_them(text: bytes, value: int | float) -> None:
    """Integers stay integers while they fit 64 bits; all others are doubles, not always the nearest ones."""
    found, end = scan(b"[" + text + b"]", 1)
    assert (found, type(found), end) == (value, type(value), len(text) + 1)


@pytest.mark.parametrize("text", [b"-0.0", b"-1e-400"])
def test_a_double_zero_keeps_its_sign(text: bytes) -> None:
    """The sign survives in doubles, also where a result is flushed to zero."""
    assert math.copysign(1.0, scan(text, 0)[0]) == -1.0


@pytest.mark.parametrize("text", TOO_BIG, ids=range(len(TOO_BIG)))
def test_numbers_too_big_are_refused_at_their_start(text: bytes) -> None:
    """An exponent above 308, or too many digits, is an error where the number begins."""
    with pytest.raises(ServingError, match=r"Number too big to be stored in double\. at offset: 2$"):
        scan(b"[ " + text, 2)


@given(st.integers(0, 10**15 - 1), st.integers(0, 15))
def test_up_to_fifteen_digits_are_exact(digits: int, places: int) -> None:
    """Short decimals are rounded correctly, whatever the original does to long ones."""
    text = f"{digits:016d}"
    text = (text[: 16 - places].lstrip("0") or "0") + (f".{text[16 - places :]}" if places else "")
    assert scan(text.encode(), 0)[0] == float(text)


@given(st.floats(min_value=2.3e-308, allow_nan=False, allow_infinity=False))
def test_every_double_is_read_to_within_three_units(value: float) -> None:
    """The error of the original's conversion is small for whatever Python prints."""
    assert abs(scan(repr(value).encode(), 0)[0] - value) <= 3 * math.ulp(value)


NARROW = [
    ("in-range", 0.1, np.float32(0.1)),
    ("overflow", 1e39, np.float32(np.inf)),
    ("negative-overflow", -1e39, np.float32(-np.inf)),
    ("smallest-normal", 2.0**-126, np.float32(2.0**-126)),
    ("rounds-up-to-normal", 2.0**-126 - 2.0**-151, np.float32(2.0**-126)),
    ("rounds-up-only-among-subnormals", 2.0**-126 - 2.0**-151 - 2.0**-170, np.float32(0)),
    ("subnormal", 1e-45, np.float32(0)),
    ("negative-subnormal", -5e-39, np.float32(-0.0)),
    ("nan", math.nan, np.float32(np.nan)),
]


@pytest.mark.parametrize(("value", "narrow"), [row[1:] for row in NARROW], ids=[row[0] for row in NARROW])
def test_doubles_are_narrowed_with_subnormals_flushed(value: float, narrow: np.float32) -> None:
    """Out of range becomes infinite, subnormal results become a zero of the same sign."""
    assert to_float32(np.array([value])).tobytes() == np.array([narrow]).tobytes()
