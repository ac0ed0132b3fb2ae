"""Bodies of instances alone: JSON lines and single values, made into requests in rows."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.json.instances import is_request, rows, rows_of_lines, rows_of_value
from serving.errors import Code, ServingError

SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def instances(request: bytes) -> Any:
    """What the request that was made has; nothing else is in it."""
    document = json.loads(request)
    assert list(document) == ["instances"]
    return document["instances"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"1.5", [1.5], id="number"),
        pytest.param(b"[1, 2]", [[1, 2]], id="list of numbers"),
        pytest.param(b"[[1, 2], [3, 4]]", [[1, 2], [3, 4]], id="list of lists"),
        pytest.param(b"[\n  [1, 2],\n  [3, 4]\n]\n", [[1, 2], [3, 4]], id="on several lines"),
        pytest.param(b'{"x": 1}', [{"x": 1}], id="object"),
        pytest.param(b'[{"x": 1}, {"x": 2}]', [{"x": 1}, {"x": 2}], id="list of objects"),
        pytest.param(b'"[\\"]"', ['["]'], id="string"),
        pytest.param(b"[1]\n[2]", [[1], [2]], id="lines of lists"),
        pytest.param(b'{"x": 1}\r\n\r\n{"x": 2}\r\n', [{"x": 1}, {"x": 2}], id="lines of objects"),
    ],
)
def test_any_json(body: bytes, expected: list[Any]) -> None:
    """A list of lists or objects is the instances, all else is one; lists or objects on lines are one each."""
    assert instances(rows(body)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"1\n2\n", [1, 2], id="numbers"),
        pytest.param(b"[1, 2]\n[3, 4]", [[1, 2], [3, 4]], id="lists"),
        pytest.param(b"[1]", [[1]], id="one"),
        pytest.param(b'"a"\n\n "b" \r\n', ["a", "b"], id="blank lines"),
        pytest.param(b'[1, "]"]\n{"a": [2]}', [[1, "]"], {"a": [2]}], id="unlike each other"),
        pytest.param(b"[[1], [2]]\n[[3], [4]]", [[[1], [2]], [[3], [4]]], id="nested"),
    ],
)
def test_lines(body: bytes, expected: list[Any]) -> None:
    """Each line is an instance, whatever it is."""
    assert instances(rows_of_lines(body)) == expected


def test_what_only_tensorflow_serving_reads() -> None:
    """Infinities, which JSON has not, pass as they are."""
    assert rows_of_lines(b"[NaN]\n[-Infinity]") == b'{"instances":[[NaN],[-Infinity]]}'


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b"[1]\n[2],[3]", "Line 2 of the body is no JSON: [2],[3]; expected one value in each", id="two"),
        pytest.param(b"1, 2", "Line 1 of the body is no JSON: 1, 2", id="two numbers"),
        pytest.param(b'{"a": 1}\n\n{"a": }', 'Line 3 of the body is no JSON: {"a": }', id="broken"),
        pytest.param(b"[1\n2]", "Line 1 of the body is no JSON: [1", id="a list on two lines"),
        pytest.param(b'1],"signature_name":"x","y":[2', "Line 1 of the body is no JSON", id="more than an instance"),
        pytest.param(b'["a"],"b":["c"]', "Line 1 of the body is no JSON", id="a member"),
        pytest.param(b"[NaN],[1]", "Line 1 of the body is no JSON", id="two, and one is odd"),
        pytest.param(b"x" * 500, f"no JSON: {'x' * 64}…;", id="long lines are cut"),
        pytest.param(b" \n", "The body is empty", id="blank"),
    ],
)
def test_lines_are_refused(body: bytes, text: str) -> None:
    """The error names the first line that is not one value."""
    with pytest.raises(ServingError) as error:
        rows_of_lines(body)
    assert error.value.code is Code.INVALID_ARGUMENT
    assert text in error.value.text


@pytest.mark.parametrize("body", [b"1],[2", b"[1][2]", b"1,[2]", b"[1],2", b'{"a":1}{"b":2}', b"[1]\n2, 3\n[4]", b"]["])
def test_values_are_refused(body: bytes) -> None:
    """What is more than one value, or none."""
    with pytest.raises(ServingError, match="The body is no JSON: "):
        rows_of_value(body)


def test_nothing_is_refused() -> None:
    """An empty body has no instances."""
    with pytest.raises(ServingError, match="The body is empty"):
        rows(b"")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"instances": [1]}', True),
        (b'{"signature_name": "a", "inputs" : 1}', True),
        (b'{"examples":[]}', True),
        (b'{"x": 1}', False),
        (b'["instances"]', False),
        (b"[1]", False),
    ],
)
def test_requests_are_told_apart(body: bytes, expected: bool) -> None:
    """By the names that a request has."""
    assert is_request(body) is expected


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_lines_of_any_values(values: list[Any]) -> None:
    """What Python writes, a line each, is those instances."""
    assert instances(rows_of_lines("\n".join(map(json.dumps, values)).encode())) == values


@given(VALUES)
def test_any_value(value: Any) -> None:
    """One value is all instances or one of them."""
    assert instances(rows_of_value(json.dumps(value, indent=1).encode())) in (value, [value])


@given(st.binary(max_size=40))
def test_any_bytes(body: bytes) -> None:
    """There is a request or an error for the caller, never anything else."""
    for make in (rows, rows_of_lines):
        with suppress(ServingError):
            assert make(body).startswith(b'{"instances":[')


@given(st.lists(st.sampled_from(["1", "2.5", "[", "]", ",", " ", "\n", "{", "}", '"', ":", "-", "e"]), max_size=12))
def test_no_text_becomes_another_request(pieces: list[str]) -> None:
    """Whatever is taken is as many instances as there are lines, or fails where requests are read."""
    body = "".join(pieces).encode()
    try:
        request = rows_of_lines(body)
    except ServingError:
        return
    try:
        found = json.loads(request)
    except ValueError:
        return
    assert list(found) == ["instances"]
    assert len(found["instances"]) == sum(bool(line.strip()) for line in body.split(b"\n"))
