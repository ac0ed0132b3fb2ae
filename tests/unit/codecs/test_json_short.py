"""The shortest road: what it takes, what it leaves to the others, and that nobody can tell the difference."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.json import short as json_short
from serving.codecs.json.request import PredictDocument, read, read_exactly
from serving.core.signature import TensorInfo
from serving.core.tensor import DataType
from tests.support.json_requests import infos, outcome
from tests.support.properties import examples
from tests.unit.codecs.json_bodies import BOTH, LONG_ALONE, NEITHER, SHORT_ALONE, cases


@pytest.mark.parametrize(("inputs", "body"), cases(BOTH, SHORT_ALONE))
def test_short_bodies_take_the_shortest_road(inputs: dict[str, TensorInfo], body: bytes) -> None:
    """Numbers, strings and booleans are read by it, to the same tensors."""
    document = json_short.scan(body, refused)
    assert document is not None
    assert document.tensors(inputs)
    assert outcome(read, body, inputs) == outcome(read_exactly, body, inputs)


@pytest.mark.parametrize(("inputs", "body"), cases(LONG_ALONE, NEITHER))
def test_everything_doubtful_is_left_to_the_other_roads(inputs: dict[str, TensorInfo], body: bytes) -> None:
    """What is not plainly valid is declined, so that another road decides, with the same result."""
    document = json_short.scan(body, refused)
    if document is not None:
        with pytest.raises(NotImplementedError, match="declined"):
            document.tensors(inputs)
    assert outcome(read, body, inputs) == outcome(read_exactly, body, inputs)


def refused(body: bytes) -> PredictDocument:
    """The road that nothing short may take."""
    raise NotImplementedError("declined")


TEXT = st.text(st.sampled_from('ab:"é \\{}[],1e5'), max_size=5) | st.sampled_from(
    ["b64", "signature_name", "x", "aA=="]
)
SCALAR = TEXT | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9).map(lambda value: round(value, 3)) | st.none()
LEAF = SCALAR | st.builds(lambda text: {"b64": text}, st.sampled_from(["", "aA", "aA==", "a", "é"]) | SCALAR)


def nested(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Regular lists for the most part."""
    regular = st.tuples(st.integers(0, 2), st.integers(1, 2)).flatmap(lambda shape: _lists(leaf, *shape))
    return regular | st.lists(leaf, max_size=2)


def _lists(leaf: st.SearchStrategy[Any], depth: int, size: int) -> st.SearchStrategy[Any]:
    return st.lists(_lists(leaf, depth - 1, size), min_size=size, max_size=size) if depth else leaf


KIND = st.sampled_from([TEXT, st.booleans(), st.integers(-9, 9), LEAF])
VALUE = KIND.flatmap(nested)
MEMBERS = st.dictionaries(st.sampled_from(["x", "y", "b64"]), VALUE, max_size=2)
CONTENT = VALUE | MEMBERS | st.lists(MEMBERS, min_size=1, max_size=2)
TOP = st.sampled_from(["instances", "inputs", "instances", "inputs", "signature_name", "other"])


@st.composite
def body_text(draw: st.DrawFn) -> bytes:
    """Members one after the other, so that a name can come twice."""
    members = draw(st.lists(st.tuples(TOP, CONTENT), min_size=1, max_size=2))
    if draw(st.booleans()):
        members.insert(draw(st.integers(0, len(members))), ("signature_name", draw(TEXT)))
    texts = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=draw(st.booleans()))}" for key, value in members]
    text = ("{" + ", ".join(texts) + "}").replace("\\\\", draw(st.sampled_from(["", "\\\\"])))
    return text.replace('"y"', draw(st.sampled_from(['"x"', '"y"']))).encode()


DTYPES = st.sampled_from([DataType.STRING, DataType.STRING, DataType.BOOL, DataType.FLOAT, DataType.INT8])


@examples(500)
@given(body_text(), DTYPES, DTYPES, st.sampled_from([("x",), ("x", "y"), ("b64",), ("b64", "x")]))
def test_no_short_body_tells_the_roads_apart(body: bytes, x: DataType, y: DataType, names: tuple[str, ...]) -> None:
    """Strings, booleans, base64 and members that come twice: same names, same bits, same errors."""
    inputs = infos(**dict(zip(names, (x, y), strict=False)))
    assert outcome(read, body, inputs) == outcome(read_exactly, body, inputs)


@given(st.lists(st.tuples(st.integers(0, 10**22), st.integers(0, 22)), min_size=1, max_size=5), st.booleans())
def test_long_decimals_are_narrowed_alike(numbers: list[tuple[int, int]], single: bool) -> None:
    """Decimals of more digits than both parsers read alike come to the same floats and doubles all the same."""
    texts = [f"{digits:023d}" for digits, _ in numbers]
    places = [places for _, places in numbers]
    literals = [
        (text[: 23 - count].lstrip("0") or "0") + (f".{text[23 - count :]}" if count else "")
        for text, count in zip(texts, places, strict=True)
    ]
    body = f'{{"instances": [{",".join(literals)}]}}'.encode()
    inputs = infos(x=DataType.FLOAT if single else DataType.DOUBLE)
    assert outcome(read, body, inputs) == outcome(read_exactly, body, inputs)
