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
from tests.support.json_outcomes import infos, outcome
from tests.support.properties import examples

X = infos(x=DataType.FLOAT)
XY = infos(x=DataType.FLOAT, y=DataType.INT32)
S = infos(s=DataType.STRING)
SX = infos(s=DataType.STRING, x=DataType.FLOAT)
B = infos(b=DataType.BOOL)
DOUBLE, INT64 = infos(x=DataType.DOUBLE), infos(x=DataType.INT64)

TAKEN = [
    ("values", X, b'{"instances": [1.0,2.0,5.0]}'),
    ("pretty", X, b' {\n\t"instances" : [\r\n [ 1.0 , 2 ], [ -0.0, -0 ] ]\n }\n'),
    ("signature-first", X, b'{"signature_name": "s:1", "instances": [1]}'),
    ("signature-last", X, '{"instances": [1], "signature_name": "grün"}'.encode()),
    ("ignored-numbers", X, b'{"other": [3], "instances": [1], "more": {"x": 1}}'),
    ("columns", X, b'{"inputs": [[1], [2]]}'),
    ("scalar", X, b'{"inputs": 3.0}'),
    ("named-column", X, b'{"inputs": {"x": [1.0], "unknown": 7}}'),
    ("named-rows", X, b'{"instances": [{"x": 1.0}, {"x": 2.0}]}'),
    ("rows-of-two", XY, b'{"instances": [{"x": [1, 2], "y": 3}, {"y": 4, "x": [5, 6]}], "signature_name": "s"}'),
    ("int64", INT64, b'{"instances": [-9223372036854775808]}'),
    ("uint64", infos(x=DataType.UINT64), b'{"instances": [9223372036854775807]}'),
    ("narrow", infos(x=DataType.UINT8), b'{"instances": [300, -1]}'),
    ("double", DOUBLE, b'{"instances": [0.1]}'),
    ("long-literals", X, b'{"instances": [0.12345678901234567, 123456789012345678901]}'),
    ("strings", S, b'{"instances": ["a", "", "\xc3\xbc"]}'),
    ("colons", S, b'{"instances": ["http://a:80", ":"]}'),
    ("base64", S, b'{"instances": [{"b64": "aGVsbG8="}, "a"]}'),
    ("base64-inside", S, b'{"instances": [["a:", {"b64": ""}], ["b", "c"]]}'),
    ("base64-column", S, b'{"inputs": {"b64": "aGVsbG8="}}'),
    ("strings-and-numbers", SX, b'{"inputs": {"s": ["a", "b"], "x": [[1.5], [2]]}}'),
    ("rows-of-strings", SX, b'{"instances": [{"s": "a", "x": 1}, {"x": 2, "s": {"b64": "aA"}}]}'),
    ("long-numbers-and-strings", SX, b'{"inputs": {"s": "a", "x": 0.1234567890123456}}'),
    ("bools", B, b'{"instances": [[true], [false]]}'),
    ("scalar-bool", B, b'{"inputs": true}'),
    ("signature-of-strings", S, b'{"signature_name": "s", "instances": ["a"]}'),
]

DECLINED = [
    ("large", X, b'{"instances": [1%b]}' % (b" " * json_short.MOST_BYTES)),
    ("invalid", X, b'{"instances": [1]'),
    ("text-behind", X, b'{"instances": [1]} }'),
    ("nan", X, b'{"instances": [NaN]}'),
    ("list", X, b'[{"instances": 1}]'),
    ("key-with-digits", X, b'{"inst1ances": [1]}'),
    ("exponent", X, b'{"instances": [1e5]}'),
    ("exponent-for-two", SX, b'{"inputs": {"s": "a", "x": 1E5}}'),
    ("very-long-literal", X, b'{"instances": [0.1234567890123456789012345678]}'),
    ("near-a-tie", X, b'{"instances": [1.00000005960464477]}'),
    ("long-double", DOUBLE, b'{"instances": [0.12345678901234567]}'),
    ("no-instances", X, b'{"instances": []}'),
    ("number-of-instances", X, b'{"instances": 3}'),
    ("empty", X, b'{"instances": [[], []]}'),
    ("empty-strings", S, b'{"instances": [[], []]}'),
    ("uneven", X, b'{"instances": [[1], [2, 3]]}'),
    ("uneven-strings", S, b'{"instances": [["a"], ["b", "c"]]}'),
    ("uneven-depth-of-strings", S, b'{"instances": [["a"], "b"]}'),
    ("deep-strings", S, b'{"instances": [["a"], [["b"]]]}'),
    ("very-deep", X, b'{"instances": ' + b"[" * 65 + b"1" + b"]" * 65 + b"}"),
    ("string-for-a-number", X, b'{"instances": ["1.5"]}'),
    ("bool-for-a-number", X, b'{"instances": [true, 1.5]}'),
    ("null-for-a-number", X, b'{"instances": [null]}'),
    ("null", X, b'{"inputs": null}'),
    ("number-for-a-string", S, b'{"instances": [1]}'),
    ("number-among-strings", S, b'{"instances": ["a", 1]}'),
    ("number-for-a-bool", B, b'{"instances": [1]}'),
    ("number-among-bools", B, b'{"instances": [true, 1]}'),
    ("fraction-for-int", XY, b'{"inputs": {"x": 1, "y": 1.0}}'),
    ("int32-overflow", XY, b'{"inputs": {"x": 1, "y": 2147483648}}'),
    ("negative-uint32", infos(x=DataType.UINT32), b'{"instances": [-1]}'),
    ("half", infos(x=DataType.HALF), b'{"instances": [1]}'),
    ("bad-base64", S, b'{"instances": [{"b64": "a"}]}'),
    ("other-object", S, b'{"instances": [["a"], [{"b64": "aA", "x": "b"}]]}'),
    ("escape", S, b'{"instances": ["\\u0061"]}'),
    ("not-utf-8", S, b'{"instances": ["\xff"]}'),
    ("both", X, b'{"instances": [1], "inputs": [1]}'),
    ("both-one-null", X, b'{"instances": null, "inputs": [1]}'),
    ("neither", X, b'{"other": [1]}'),
    ("signature-no-string", X, b'{"signature_name": 1, "instances": [1]}'),
    ("duplicate", X, b'{"instances": [1], "instances": [2]}'),
    ("duplicate-signature", X, b'{"signature_name": "a", "signature_name": "b", "instances": [1]}'),
    ("duplicate-signature-of-strings", S, b'{"signature_name": "a", "signature_name": "b", "instances": ["c"]}'),
    ("duplicate-of-strings", S, b'{"instances": [1], "instances": ["b64"]}'),
    ("duplicate-input", X, b'{"inputs": {"x": 1, "x": 2}}'),
    ("ignored-object", S, b'{"instances": ["a"], "other": {"x": 1}}'),
    ("plain-for-two", XY, b'{"instances": [1]}'),
    ("plain-columns-for-two", XY, b'{"inputs": [1]}'),
    ("missing-key", XY, b'{"instances": [{"x": 1}]}'),
    ("missing-column", XY, b'{"inputs": {"x": 1}}'),
    ("value-among-rows", X, b'{"instances": [{"x": 1}, 2]}'),
    ("string-among-rows", S, b'{"instances": [{"s": "a"}, "b"]}'),
    ("base64-among-rows", infos(b64=DataType.STRING), b'{"instances": [{"b64": {"b64": "aA"}}, {"b64": "aA"}]}'),
    ("objects-of-columns", X, b'{"inputs": [{"x": 1}]}'),
]


@pytest.mark.parametrize(("inputs", "body"), [case[1:] for case in TAKEN], ids=[case[0] for case in TAKEN])
def test_short_bodies_take_the_shortest_road(inputs: dict[str, TensorInfo], body: bytes) -> None:
    """Numbers, strings and booleans are read by it, to the same tensors."""
    document = json_short.scan(body, refused)
    assert document is not None
    assert document.tensors(inputs)
    assert outcome(read, body, inputs) == outcome(read_exactly, body, inputs)


@pytest.mark.parametrize(("inputs", "body"), [case[1:] for case in DECLINED], ids=[case[0] for case in DECLINED])
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
