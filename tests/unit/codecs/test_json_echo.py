"""Values as messages embed them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.json.digits import double_text
from serving.codecs.json.echo import LIMIT_BYTES, echo
from serving.codecs.json.text import parse

ECHOES = [
    ("null", b"null", "null"),
    ("words", b"[true, false]", "[true, false]"),
    ("array-on-one-line", b"[1,[2,3],[]]", "[1, [2, 3], []]"),
    ("empty-object", b"{}", "{}"),
    ("object", b'{"x":1,"y":[1]}', '{\n    "x": 1,\n    "y": [1]\n}'),
    ("nested", b'{"a":{"x":1}}', '{\n    "a": {\n        "x": 1\n    }\n}'),
    ("object-in-array", b'[{"b":1}, {}]', '[{\n        "b": 1\n    }, {}]'),
    ("duplicates", b'{"a":1,"a":2}', '{\n    "a": 1,\n    "a": 2\n}'),
    ("string", b'"a\\n\\"\xc3\xbc"', '"a\\n\\"ü"'),
    ("not-utf-8", b'"\xff"', '"\udcff"'),
    ("nan-ends-it", b'{"signature_name": [1, NaN, 2], "b": 1}', '{\n    "signature_name": [1, '),
    ("infinity-ends-it", b'{"a": Inf}', '{\n    "a": '),
    ("nan-alone", b"NaN", ""),
    ("long-string-is-kept-whole", b'"%b"' % (b"x" * 300), f'"{"x" * 300}"'),
    ("cut-after-an-element", b"[" + b'"abcdefghi", ' * 60 + b"1]", "[" + ", ".join(['"abcdefghi"'] * 20)),
    ("cut-after-a-key", b'{"%b": 1}' % (b"k" * 300), f'{{\n    "{"k" * 300}"'),
    ("cut-before-closing", b'["%b"]' % (b"x" * 300), f'["{"x" * 300}"'),
]

DIGITS = [
    (1.0, "1.0"),
    (-0.0, "-0.0"),
    (1e10, "10000000000.0"),
    (1e20, "100000000000000000000.0"),
    (1e21, "1e21"),
    (3e100, "3e100"),
    (1.5e-7, "1.5e-7"),
    (1e-7, "1e-7"),
    (0.000001, "0.000001"),
    (123456789.123, "123456789.123"),
    (0.1, "0.1"),
    (-2.5, "-2.5"),
    (2.0**64, "18446744073709553000.0"),
    (1.7976931348623157e308, "1.7976931348623157e308"),
    (2.2250738585072014e-308, "2.2250738585072014e-308"),
    (1 / 3, "0.3333333333333333"),
]


@pytest.mark.parametrize(("body", "text"), [row[1:] for row in ECHOES], ids=[row[0] for row in ECHOES])
def test_values_are_embedded_like_the_original(body: bytes, text: str) -> None:
    """Arrays stay on one line, objects do not, and the text ends soon after 256 bytes."""
    assert echo(parse(body)) == text


@pytest.mark.parametrize(("value", "text"), DIGITS, ids=[text for _, text in DIGITS])
def test_doubles_are_printed_like_the_original(value: float, text: str) -> None:
    """Digits, and where the exponent form begins, are those of the original's writer."""
    assert double_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_printed_doubles_read_back(value: float) -> None:
    """Every printed double denotes the value it was printed from."""
    text = double_text(value)
    assert float(text) == value
    assert math.copysign(1, float(text)) == math.copysign(1, value)


def test_depth_is_no_trouble() -> None:
    """A value of any depth is echoed without recursion."""
    assert echo(parse(b"[" * 100_000 + b"]" * 100_000)) == "[" * LIMIT_BYTES
