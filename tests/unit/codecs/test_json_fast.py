"""The fast road: what it takes, what it leaves to the exact road, and that nobody can tell the difference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.json import fast as json_fast
from serving.codecs.json.request import read, read_exactly, read_longer
from serving.core.signature import TensorInfo
from serving.core.tensor import DataType
from tests.support.json_outcomes import infos, outcome
from tests.support.properties import examples

X = infos(x=DataType.FLOAT)
XY = infos(x=DataType.FLOAT, y=DataType.INT32)

TAKEN = [
    ("values", X, b'{"instances": [1.0,2.0,5.0]}'),
    ("pretty", X, b' {\n\t"instances" : [\r\n [ 1.0 , 2 ], [ -3e-1, 4 ] ]\n }\n'),
    ("signature-first", X, b'{"signature_name": "s", "instances": [1]}'),
    ("signature-last", X, b'{"instances": [1], "signature_name": "s"}'),
    ("text-behind", X, b'{"instances": [1]} "}'),
    ("columns", X, b'{"inputs": [[1], [2]]}'),
    ("scalar", X, b'{"inputs": 3.0}'),
    ("named-column", X, b'{"inputs": {"x": [1.0], "unknown": 7}}'),
    ("named-columns", XY, b'{"inputs": {"y": 1 , "x": [[1.0]] } }'),
    ("named-rows", X, b'{"instances": [{"x": 1.0}, {"x": 2.0}]}'),
    ("rows-of-two", XY, b'{"instances": [{"x": [1, 2], "y": 3}, {"y": 4, "x": [5, 6]}], "signature_name": "s"}'),
    ("one-row", X, b'{"instances": [ {"x": [[1, 2]]} ]}'),
    ("int64", infos(x=DataType.INT64), b'{"instances": [-9223372036854775808]}'),
    ("uint64", infos(x=DataType.UINT64), b'{"instances": [18446744073709551615]}'),
    ("narrow", infos(x=DataType.UINT8), b'{"instances": [300, -1]}'),
    ("double", infos(x=DataType.DOUBLE), b'{"instances": [0.1]}'),
    ("long-double", infos(x=DataType.DOUBLE), b'{"instances": [0.12345678901234567, 1E-5, 1]}'),
    ("near-a-tie", X, b'{"instances": [16777217, 1.00000005960464477, 0.5]}'),
]

DECLINED = [
    ("escaped-name", X, b'{"signature_name": "\\u0061", "instances": [1]}'),
    ("other-key", X, b'{"other": 1, "instances": [1]}'),
    ("both-keys", X, b'{"instances": [1], "inputs": [1]}'),
    ("mark", X, b'\xef\xbb\xbf{"instances": [1]}'),
    ("nothing", X, b'{"instances": }'),
    ("open", X, b'{"instances": [1]'),
    ("open-before-a-key", X, b'{"inputs": {"x": [1], "y'),
    ("trailing-comma", X, b'{"instances": [1],}'),
    ("no-comma", X, b'{"inputs": {"x": 1 "y": 2}}'),
    ("two-values", X, b'{"instances": 1, 2}'),
    ("nan", X, b'{"instances": [NaN]}'),
    ("bad-literal", X, b'{"instances": [01]}'),
    ("letters-of-an-exponent", X, b'{"instances": [e]}'),
    ("exponent-behind", X, b'{"instances": [1]e}'),
    ("words", X, b'{"instances": [true]}'),
    ("strings", infos(x=DataType.STRING), b'{"instances": ["a"]}'),
    ("uneven", X, b'{"instances": [[1, 2], [3]]}'),
    ("uneven-depth", X, b'{"instances": [[1], [[2]]]}'),
    ("empty-list", X, b'{"instances": [[], [1]]}'),
    ("deep", X, b'{"instances": ' + b"[" * 65 + b"1" + b"]" * 65 + b"}"),
    ("deep-row", X, b'{"instances": [{"x": ' + b"[" * 64 + b"1" + b"]" * 64 + b"}]}"),
    ("zero-with-a-long-exponent", X, b'{"instances": [0e309]}'),
    ("zero-with-a-long-exponent-far-in", X, b'{"instances": [' + b"1e-1, " * 200 + b"0e+309]}"),
    ("positive-exponents-far-in", infos(x=DataType.INT8), b'{"instances": [' + b"1e-1, " * 200 + b"1e+3]}"),
    ("beyond-double", X, b'{"instances": [1.8e308]}'),
    ("very-long-literal", X, b'{"instances": [0.1234567890123456789012345678]}'),
    ("very-long-literal-far-in", X, b'{"instances": [' + b"0.25, " * 200 + b"0.1234567890123456789012345678]}"),
    ("no-instances", X, b'{"instances": []}'),
    ("number-of-instances", X, b'{"instances": 3}'),
    ("object-of-instances", X, b'{"instances": {"x": 1}}'),
    ("plain-for-two", XY, b'{"instances": [1]}'),
    ("plain-columns-for-two", XY, b'{"inputs": [1]}'),
    ("missing-key", XY, b'{"instances": [{"x": 1}]}'),
    ("key-too-many", X, b'{"instances": [{"x": 1, "y": 1}]}'),
    ("missing-column", XY, b'{"inputs": {"x": 1}}'),
    ("no-columns", X, b'{"inputs": {}}'),
    ("duplicate", X, b'{"instances": [{"x": 1, "x": 2}]}'),
    ("other-keys", X, b'{"instances": [{"x": 1}, {"y": 2}]}'),
    ("empty-list-in-a-row", infos(x=DataType.DOUBLE), b'{"instances": [{"x": []}, {"x": [0e5]}]}'),
    ("empty-list-before-a-tie", X, b'{"instances": [{"x": []}, {"x": [16777217]}]}'),
    ("other-shapes", X, b'{"instances": [{"x": [1, 2]}, {"x": 2}]}'),
    ("lists-across-rows", X, b'{"instances": [{"x": [1,2],[3}, {"x": 4]}]}'),
    ("value-missing-in-a-row", X, b'{"instances": [{"x": 1,2}, {"x": }]}'),
    ("rows-not-closed", X, b'{"instances": [{"x": 1} }'),
    ("value-among-rows", X, b'{"instances": [{"x": 1}, 2]}'),
    ("fraction-for-int", infos(x=DataType.INT32), b'{"instances": [1.0]}'),
    ("int32-overflow", infos(x=DataType.INT32), b'{"instances": [2147483648]}'),
    ("int64-overflow", infos(x=DataType.INT64), b'{"instances": [9223372036854775808]}'),
    ("negative-uint32", infos(x=DataType.UINT32), b'{"instances": [-1]}'),
    ("uint32-overflow", infos(x=DataType.UINT32), b'{"instances": [4294967296]}'),
    ("bool", infos(x=DataType.BOOL), b'{"instances": [1]}'),
    ("half", infos(x=DataType.HALF), b'{"instances": [1]}'),
    ("many-names", X, b'{"inputs": {"x": 1%b}}' % b"".join(b', "k%d": 1' % number for number in range(300))),
]


@pytest.mark.parametrize(("inputs", "body"), [case[1:] for case in TAKEN], ids=[case[0] for case in TAKEN])
def test_the_usual_bodies_take_the_fast_road(inputs: dict[str, TensorInfo], body: bytes) -> None:
    """Numbers in the usual layouts are read without the exact parser, and to the same tensors."""
    document = json_fast.scan(body)
    assert document is not None
    assert document.tensors(inputs) is not None
    assert outcome(read_longer, body, inputs) == outcome(read_exactly, body, inputs)


@pytest.mark.parametrize(("inputs", "body"), [case[1:] for case in DECLINED], ids=[case[0] for case in DECLINED])
def test_everything_doubtful_is_left_to_the_exact_road(inputs: dict[str, TensorInfo], body: bytes) -> None:
    """What is not plainly valid is declined, so that the exact road decides and words the error."""
    document = json_fast.scan(body)
    assert document is None or document.tensors(inputs) is None
    assert outcome(read_longer, body, inputs) == outcome(read_exactly, body, inputs)


def test_a_large_image_is_read_alike_on_both_roads() -> None:
    """Blocks, and the digits at their edges, make no difference to a body of several of them."""
    values = np.random.default_rng(7).random((2, 50, 50, 3))
    text = "[" + ",".join(str(image.tolist()) for image in values) + "]"
    body = f'{{"instances": {text}}}'.encode()
    document = json_fast.scan(body)
    assert document is not None
    assert document.tensors(X) is not None
    for inputs in (X, infos(x=DataType.DOUBLE)):
        assert outcome(read_longer, body, inputs) == outcome(read_exactly, body, inputs)


def test_ties_far_into_a_large_body_are_corrected() -> None:
    """The literals that the two roads could round differently are found wherever they stand."""
    literals = [b"0.25"] * 20_000
    literals[15_000:15_003] = [b"16777217", b"1.0000000596046447754", b"16777219.0000000000001"]
    body = b'{"instances": [%b]}' % b",".join(literals)
    document = json_fast.scan(body)
    assert document is not None
    assert document.tensors(X) is not None
    assert outcome(read_longer, body, X) == outcome(read_exactly, body, X)


# A body of numbers, most of it regular, with whatever could set the two roads apart mixed in.
# fmt: off
ODD = st.sampled_from([
    "-0", "-0.0", "0e5", "0e309", "1e-400", "1e-46", "5e-324", "2.2250738585072011e-308", "1e308", "1.8e308",
    "1e39", "3.4028235677973366e38", "16777217", "9007199254740993", "18446744073709551615",
    "18446744073709551616", "-9223372036854775808", "-9223372036854775809", "4294967296", "2147483648",
    "-2147483649", "300", "1.0", "01", "1.", ".5", "+1", "-", "1e", "1E5", "1e+05",
    "0.1234567890123456789012345678", "1.00000005960464477", "123456789012345678901234567890", "1.17549435e-38",
    "1.1754942807573643e-38", "1e310", "0.0e310", "1e22", "1e23", "NaN", "-Inf", "Infinity", "true", "false",
    "null", '"a"', '""', "{}", "[]", "[1]", '{"b64":"aA=="}', '{"x":1}', '{"b64":1}',
])
# fmt: on
NUMBER = (
    st.integers(-300, 300).map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000).map(str)
)
SPACE = st.sampled_from(["", "", "", " ", "\n", "\t \r"])


@st.composite
def nested(draw: st.DrawFn, shape: tuple[int, ...], leaf: st.SearchStrategy[str]) -> str:
    if not shape:
        return draw(leaf)
    inner = [draw(nested(shape[1:], leaf)) for _ in range(shape[0])]
    return "[" + draw(SPACE) + (draw(SPACE) + "," + draw(SPACE)).join(inner) + draw(SPACE) + "]"


@st.composite
def value(draw: st.DrawFn) -> str:
    leaf = draw(st.sampled_from([NUMBER, NUMBER, NUMBER | ODD, ODD]))
    return draw(nested(tuple(draw(st.lists(st.integers(0, 3), max_size=3))), leaf))


@st.composite
def members(draw: st.DrawFn, names: list[str]) -> str:
    return "{" + draw(SPACE) + ", ".join(f'"{name}":{draw(SPACE)}{draw(value())}' for name in names) + "}"


@st.composite
def body_text(draw: st.DrawFn) -> bytes:
    names = draw(st.sampled_from([["x"], ["x", "y"], ["y", "x"], ["x", "x"], ["x", "z"], ["b64"], []]))
    rows = st.lists(members(names), min_size=1, max_size=3).map(lambda texts: "[" + ", ".join(texts) + "]")
    content = draw(value() | members(names) | rows)
    parts = [f'"{draw(st.sampled_from(["instances", "instances", "inputs"]))}"{draw(SPACE)}:{draw(SPACE)}{content}']
    extra = st.sampled_from(['"signature_name": "s"', '"signature_name": 1', '"other": [{"x": 1}]', '"inputs": 1'])
    parts[draw(st.integers(0, 1)) :] += draw(st.lists(extra, max_size=1))
    text = (
        draw(SPACE)
        + "{"
        + draw(SPACE)
        + ", ".join(parts)
        + draw(SPACE)
        + "}"
        + draw(st.sampled_from(["", "", " x", '"}']))
    )
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(text)))
        text = (
            text[:at]
            + draw(st.sampled_from(["", "]", "[", ",", '"', "}", "e", "\0", "\x0b", "1", "\\"]))
            + text[at + 1 :]
        )
    return text.encode()


DTYPES = st.sampled_from([*DataType])


@examples(500)
@given(body_text(), DTYPES | st.sampled_from([DataType.FLOAT, DataType.DOUBLE]), DTYPES, st.booleans())
def test_no_body_tells_the_roads_apart(body: bytes, x: DataType, y: DataType, both: bool) -> None:
    """Whatever the body and the dtypes: same names, same bits, same errors, raised by the same step."""
    inputs = infos(x=x, y=y) if both else infos(x=x)
    exactly = outcome(read_exactly, body, inputs)
    assert outcome(read_longer, body, inputs) == exactly
    assert outcome(read, body, inputs) == exactly


@given(st.lists(st.floats(width=64, allow_nan=False, allow_infinity=False), min_size=1, max_size=30), st.booleans())
def test_any_doubles_are_read_alike(values: list[float], single: bool) -> None:
    """Literals of any length and size come to the same bits on all roads, in float and in double."""
    body = b'{"instances": [%b]}' % ",".join(map(repr, values)).encode()
    inputs = infos(x=DataType.FLOAT if single else DataType.DOUBLE)
    exactly = outcome(read_exactly, body, inputs)
    assert outcome(read_longer, body, inputs) == exactly
    assert outcome(read, body, inputs) == exactly
