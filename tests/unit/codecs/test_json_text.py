"""Reading JSON text: leniencies, error texts and byte offsets as recorded from TensorFlow Serving."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.json.text import JsonValue, has_member, member, parse
from serving.errors import Code, ServingError

ERRORS = [
    ("comma-in-array", b'{"instances": [1.0,]}', "Invalid value. at offset: 19"),
    ("comma-in-object", b'{"instances": [1.0],}', "Missing a name for object member. at offset: 20"),
    ("single-quotes", b"{'instances': [1.0]}", "Missing a name for object member. at offset: 1"),
    ("no-colon", b'{"instances" [1.0]}', "Missing a colon after a name of object member. at offset: 13"),
    ("no-comma", b'{"instances": [1.0] "x": 1}', "Missing a comma or '}' after an object member. at offset: 20"),
    ("leading-zero", b'{"instances": [01]}', "Missing a comma or ']' after an array element. at offset: 16"),
    ("plus", b'{"instances": [+1]}', "Invalid value. at offset: 15"),
    ("minus-alone", b"[-]", "Invalid value. at offset: 2"),
    ("too-big", b'{"instances": [1e400]}', "Number too big to be stored in double. at offset: 15"),
    ("newline-in-string", b'{"instances": ["a\nb"]}', "Invalid escape character in string. at offset: 17"),
    ("unknown-escape", b'{"instances": ["\\x"]}', "Invalid escape character in string. at offset: 16"),
    ("escape-at-end", b'["a\\', "Invalid escape character in string. at offset: 3"),
    ("second-escape", b'["\\n\\x"]', "Invalid escape character in string. at offset: 4"),
    ("escape-after-pair", b'["\\ud83d\\ude00\\x"]', "Invalid escape character in string. at offset: 14"),
    ("no-quote-after-unicode", b'["\\u0041', "Missing a closing quotation mark in string. at offset: 8"),
    ("no-hex", b'["\\u12g4"]', "Incorrect hex digit after \\u escape in string. at offset: 2"),
    ("lone-high-surrogate", b'{"instances": ["\\ud800"]}', "The surrogate pair in string is invalid. at offset: 16"),
    ("high-without-low", b'["\\ud800\\u0041"]', "The surrogate pair in string is invalid. at offset: 2"),
    ("low-without-hex", b'["\\ud800\\uZ"]', "Incorrect hex digit after \\u escape in string. at offset: 2"),
    ("word-cut", b'{"instances": [tru]}', "Invalid value. at offset: 18"),
    ("word-cut-at-end", b"nul", "Invalid value. at offset: 3"),
    ("lower-case-nan", b'{"instances": [nan]}', "Invalid value. at offset: 16"),
    ("infinity-cut", b'{"instances": [Infinit]}', "Invalid value. at offset: 22"),
    ("hexadecimal", b'{"instances": [0x10]}', "Missing a comma or ']' after an array element. at offset: 16"),
    ("comment-first", b'// c\n{"instances": [1.0]}', "Invalid value. at offset: 0"),
    ("comment-inside", b'{"a": [1.0] /* c */}', "Missing a comma or '}' after an object member. at offset: 12"),
    ("nul-first", b'\0{"instances": [1.0]}', "The document is empty. at offset: 0"),
    ("nul-inside", b"[1\0]", "Missing a comma or ']' after an array element. at offset: 2"),
    ("nul-in-string", b'["a\0"]', "Missing a closing quotation mark in string. at offset: 3"),
    ("open-array", b'{"instances": [1.0, 2.0', "Missing a comma or ']' after an array element. at offset: 23"),
    ("wrong-bracket", b'{"instances": [1.0}', "Missing a comma or ']' after an array element. at offset: 18"),
    ("open-object", b"{", "Missing a name for object member. at offset: 1"),
    ("number-as-key", b"{1: 2}", "Missing a name for object member. at offset: 1"),
    ("key-only", b'{"a"}', "Missing a colon after a name of object member. at offset: 4"),
    ("no-value", b'{"a":}', "Invalid value. at offset: 5"),
    ("open-array-at-once", b"[", "Invalid value. at offset: 1"),
    ("comma-first", b"[,1]", "Invalid value. at offset: 1"),
    ("closing-first", b"]", "The document is empty. at offset: 0"),
    ("blank", b" \n ", "The document is empty. at offset: 3"),
    ("open-string", b'"', "Missing a closing quotation mark in string. at offset: 1"),
    ("python", b"instances = [1, 2]", "Invalid value. at offset: 0"),
    ("no-fraction", b"[1.e5]", "Miss fraction part in number. at offset: 3"),
    ("no-exponent", b"[1e+]", "Miss exponent in number. at offset: 4"),
    ("byte-order-mark-counts", b"\xef\xbb\xbf[", "Invalid value. at offset: 4"),
]

VALUES: list[tuple[str, bytes, JsonValue]] = [
    ("null", b"null", None),
    ("true", b" true", True),
    ("false", b"false", False),
    ("empty-array", b"[]", []),
    ("empty-object", b"{}", ()),
    ("nested", b'{"a": [1, {"b": []}], "c": 2.5}', (("a", [1, (("b", []),)]), ("c", 2.5))),
    ("text-behind", b"[1] }garbage", [1]),
    ("nul-behind", b"[1]\0", [1]),
    ("mark", b"\xef\xbb\xbf[1]", [1]),
    ("part-of-the-mark", b"\xbf[1]", [1]),
    ("escapes", rb'"\"\\\/\b\f\n\r\t"', '"\\/\b\f\n\r\t'),
    ("unicode", rb'"\u00fc\u4e16\u0000x"', "ü世\0x"),
    ("surrogate-pair", rb'"\ud83d\uDE00"', "😀"),
    ("lone-low-surrogate", rb'"\udc00"', "\udced\udcb0\udc80"),
    ("not-utf-8", b'"\xff\xfe\x7f"', "\udcff\udcfe\x7f"),
    ("duplicates", b'{"a": 1, "a": 2}', (("a", 1), ("a", 2))),
    ("infinities", b"[Inf, -Inf, Infinity, -Infinity]", [math.inf, -math.inf] * 2),
]


@pytest.mark.parametrize(("body", "text"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_malformed_text_is_refused_with_the_offset(body: bytes, text: str) -> None:
    """A parse error names what is missing and the byte where it was noticed."""
    with pytest.raises(ServingError) as caught:
        parse(body)
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARGUMENT, f"JSON Parse error: {text}")


def test_an_empty_body_has_its_own_text() -> None:
    """A body of length zero is reported without full stop and offset."""
    with pytest.raises(ServingError) as caught:
        parse(b"")
    assert caught.value.message == "JSON Parse error: The document is empty"


@pytest.mark.parametrize(("body", "value"), [row[1:] for row in VALUES], ids=[row[0] for row in VALUES])
def test_text_becomes_values(body: bytes, value: JsonValue) -> None:
    """Valid text, and what the parser forgives, becomes the value it stands for."""
    found = parse(body)
    assert found == value
    assert type(found) is type(value)


def test_kinds_of_numbers_stay_apart() -> None:
    """A point or an exponent makes a float, nothing else does; words are no numbers."""
    assert [type(value) for value in parse(b"[1, 1.0, 1e0, -0, true, 1]")] == [int, float, float, int, bool, int]  # type: ignore[union-attr]


@pytest.mark.parametrize("body", [b"NaN", b"-NaN"])
def test_nan_is_a_number(body: bytes) -> None:
    """NaN is accepted, with a sign or without."""
    value = parse(body)
    assert isinstance(value, float)
    assert math.isnan(value)


def test_lookup_takes_the_first_member_of_a_name() -> None:
    """Of duplicate keys the first counts."""
    value = parse(b'{"a": 1, "b": null, "a": 2}')
    assert isinstance(value, tuple)
    assert (member(value, "a"), member(value, "b", 7), member(value, "c", 7)) == (1, None, 7)
    assert has_member(value, "b")
    assert not has_member(value, "c")


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["arrays", "objects"])
def test_depth_has_no_limit(opening: bytes, closing: bytes) -> None:
    """Half a million nested containers are read, and freed again, without recursion."""
    depth = 500_000
    value = parse(opening * depth + b"1" + closing * depth)
    levels = 0
    while isinstance(value, list | tuple):
        value = value[0] if isinstance(value, list) else member(value, "a")
        levels += 1
    assert (levels, value) == (depth, 1)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_value_or_an_invalid_argument(body: bytes) -> None:
    """Nothing but a ServingError, INVALID_ARGUMENT, comes out of malformed text."""
    code = Code.INVALID_ARGUMENT
    try:
        parse(body)
    except ServingError as error:
        code = error.code
    assert code is Code.INVALID_ARGUMENT


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8)
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))


@given(TREES, st.booleans())
def test_what_python_writes_is_read_back(tree: object, ascii_only: bool) -> None:
    """Any tree that the standard library writes comes back, whichever way it escapes."""
    assert _plain(parse(json.dumps(tree, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))) == tree


def _plain(value: JsonValue) -> object:
    if isinstance(value, tuple):
        return {key: _plain(child) for key, child in value}
    if isinstance(value, list):
        return [_plain(child) for child in value]
    return value
