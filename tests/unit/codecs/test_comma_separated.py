"""Comma-separated rows to tensors: what numbers become is what JSON makes of them, and errors name line and field."""

import csv
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.comma_separated import CsvDocument, is_plain
from serving.codecs.json.request import Layout, read
from serving.core.tensor import DataType
from serving.errors import Code, ServingError
from tests.support.json_requests import AB, B, S, X, bits, infos

FIELDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def values(body: bytes, dtype: DataType = DataType.FLOAT) -> Any:
    """The tensor of the one input, as lists."""
    layout, tensors = CsvDocument(body).tensors(infos(x=dtype))
    assert layout is Layout.ROW
    return tensors["x"].array.tolist()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"1\n2.5\n-3e2", [1.0, 2.5, -300.0], id="one field a line"),
        pytest.param(b"1,2\n3,4\n", [[1.0, 2.0], [3.0, 4.0]], id="several fields"),
        pytest.param(b"7", [7.0], id="one value"),
        pytest.param(b"1,2\r\n3,4\r\n", [[1.0, 2.0], [3.0, 4.0]], id="Windows line ends"),
        pytest.param(b"\n\n1,2\n \n\r\n3,4\n\n", [[1.0, 2.0], [3.0, 4.0]], id="blank lines"),
        pytest.param(b" 1 ,\t2 \n3,4", [[1.0, 2.0], [3.0, 4.0]], id="blanks"),
        pytest.param(b'"1","2"\n"3",4', [[1.0, 2.0], [3.0, 4.0]], id="quoted numbers"),
        pytest.param(b"Infinity,1\n-Inf,2", [[np.inf, 1.0], [-np.inf, 2.0]], id="infinities"),
    ],
)
def test_numbers(body: bytes, expected: list[Any]) -> None:
    """Lines are instances; those with commas are lists."""
    assert values(body) == expected


def test_other_types() -> None:
    """What a field must be is what the signature declares."""
    assert values(b"1\n2", DataType.INT64) == [1, 2]
    assert CsvDocument(b"true\nfalse").tensors(B)[1]["b"].array.tolist() == [True, False]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"a\nb", [b"a", b"b"], id="one field a line"),
        pytest.param(b"a,b,c\nd,e,f", [[b"a", b"b", b"c"], [b"d", b"e", b"f"]], id="several fields"),
        pytest.param(b"1\n2", [b"1", b"2"], id="digits"),
        pytest.param(b'"a,""b""","c\nd"\ne,f', [[b'a,"b"', b"c\nd"], [b"e", b"f"]], id="quotes"),
        pytest.param(b"\xff\xfe\n[1]", [b"\xff\xfe", b"[1]"], id="any bytes"),
        pytest.param(b"a,\n,b", [[b"a", b""], [b"", b"b"]], id="empty fields"),
    ],
)
def test_strings(body: bytes, expected: list[Any]) -> None:
    """For an input of strings, fields are their own text."""
    assert CsvDocument(body).tensors(S)[1]["s"].array.tolist() == expected


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b"a,b\n1,2", 'Field 1 of line 1 of the CSV body is "a"; expected a number', id="header"),
        pytest.param(b"1,2\n\n3,x", 'Field 2 of line 3 of the CSV body is "x"', id="word"),
        pytest.param(b"1,,2", 'Field 2 of line 1 of the CSV body is ""', id="empty field"),
        pytest.param(b"1,2,", 'Field 3 of line 1 of the CSV body is ""', id="comma at the end"),
        pytest.param(b".5", 'is ".5"; expected a number, written as in JSON', id="no digit before the point"),
        pytest.param(b"1\n+2", 'Field 1 of line 2 of the CSV body is "+2"', id="plus"),
        pytest.param(b"1 2", 'is "1 2"', id="blank instead of a comma"),
        pytest.param(b"1],[2", 'is "1]"', id="JSON in a field"),
        pytest.param(b"[1,2]", 'is "[1"', id="JSON"),
        pytest.param(b'"1,5"', 'is "1,5"', id="comma in a number"),
        pytest.param(b"x" * 500, f'is "{"x" * 64}"', id="long ones are cut"),
        pytest.param(b"1,2\n3", "Line 2 of the CSV body has 1 fields, and line 1 has 2", id="short line"),
        pytest.param(b'"1', "Line 1 of the CSV body cannot be read: unexpected end of data", id="open quote"),
        pytest.param(b"", "The body has no lines", id="empty"),
        pytest.param(b" \r\n", "The body has no lines", id="blank"),
        pytest.param(b'""\n""', "The body has no lines", id="blank in quotes"),
    ],
)
def test_refused(body: bytes, text: str) -> None:
    """The caller is told which field it was."""
    with pytest.raises(ServingError) as error:
        values(body)
    assert error.value.code is Code.INVALID_ARGUMENT
    assert text in error.value.text


def test_uneven_strings_are_refused() -> None:
    """As are uneven numbers."""
    with pytest.raises(ServingError, match="Line 3 of the CSV body has 1 fields, and line 1 has 2"):
        CsvDocument(b"a,b\nc,d\ne").tensors(S)


def test_rows_are_for_one_input() -> None:
    """The text names the inputs that there are."""
    with pytest.raises(ServingError, match=r"the signature has the inputs \{a,b\}; expected application/json"):
        CsvDocument(b"1,2").tensors(AB)


@given(st.lists(st.lists(FLOATS, min_size=2, max_size=2), min_size=1, max_size=5))
def test_numbers_are_those_of_json(rows: list[list[float]]) -> None:
    """To the last bit, however they are written."""
    body = "\n".join(",".join(map(repr, row)) for row in rows).encode()
    expected = read(f'{{"instances": {rows}}}'.encode()).tensors(X)[1]["x"]
    assert bits(CsvDocument(body).tensors(X)[1]["x"].array) == bits(expected.array)


@given(st.lists(st.lists(FIELDS, min_size=2, max_size=2), min_size=1, max_size=5))
def test_strings_come_back(rows: list[list[str]]) -> None:
    """What Python's own writer makes of any strings is read as them."""
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    found = CsvDocument(file.getvalue().encode()).tensors(S)[1]["s"].array.tolist()
    assert found == [[field.encode() for field in row] for row in rows]


@given(st.binary(max_size=40))
def test_any_bytes(body: bytes) -> None:
    """There is a tensor or an error for the caller, never anything else."""
    for inputs in (X, S, B):
        try:
            CsvDocument(body).tensors(inputs)
        except ServingError as error:
            assert error.code is Code.INVALID_ARGUMENT  # noqa: PT017 - most bodies are refused, and some are not


@pytest.mark.parametrize(("body", "plain"), [(b"1,-2.5e+3 \r\n", True), (b"1,x", False), (b'"1"', False)])
def test_plain(body: bytes, plain: bool) -> None:
    """Numbers and what is between them."""
    assert is_plain(body) is plain
