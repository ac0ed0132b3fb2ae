"""The fast road: what it takes, what it leaves to the exact road, and that nobody can tell the difference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.json import fast as json_fast
from serving.codecs.json.request import read, read_exactly, read_longer
from serving.core.signature import TensorInfo
from serving.core.tensor import DataType
from tests.support.json_requests import X, infos, outcome
from tests.support.properties import examples
from tests.unit.codecs.json_bodies import BOTH, LONG_ALONE, NEITHER, SHORT_ALONE, cases


@pytest.mark.parametrize(("inputs", "body"), cases(BOTH, LONG_ALONE))
def test_the_usual_bodies_take_the_fast_road(inputs: dict[str, TensorInfo], body: bytes) -> None:
    """Numbers in the usual layouts are read without the exact parser, and to the same tensors."""
    document = json_fast.scan(body)
    assert document is not None
    assert document.tensors(inputs) is not None
    assert outcome(read_longer, body, inputs) == outcome(read_exactly, body, inputs)


@pytest.mark.parametrize(("inputs", "body"), cases(SHORT_ALONE, NEITHER))
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
