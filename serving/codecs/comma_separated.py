"""Rows of comma-separated values as a predict request in rows: the signature says whether they are numbers or strings.

Numbers go through the JSON that they are nearly, so that they become what a JSON body would make of them.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from serving.codecs.json import request as json_request
from serving.codecs.json.request import Layout
from serving.core.signature import TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import ServingError, invalid_argument

_PLAIN = b"0123456789+-.eE, \t\r\n"
_BLANK_LINES = re.compile(rb"(?:[ \t\r]*\n)+[ \t\r]*")
_SYNTAX = b'[]{}":\\'
"""What would make more of a field than one value; to delete them all is the fastest way to find any."""
_VALUE = re.compile(
    r"[ \t]*(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|-?Inf(?:inity)?|NaN|true|false)[ \t]*"
)
_LARGEST_SHOWN = 64


def is_plain(body: bytes) -> bool:
    """Whether a body is numbers and nothing else, which are read fastest."""
    return not body.translate(None, _PLAIN)


class CsvDocument(NamedTuple):
    """A body, as far as no signature is needed: not read at all. It names no signature."""

    body: bytes
    signature_name: str = ""

    def tensors(self, inputs: Mapping[str, TensorInfo]) -> tuple[Layout, dict[str, Tensor]]:
        """The one input: ``[lines]`` for lines of one field, ``[lines, fields]`` otherwise; blank lines do not count.

        Raises ServingError, INVALID_ARGUMENT: no lines, uneven ones, fields that do not fit, several inputs.
        """
        if len(inputs) != 1:
            names = ",".join(sorted(inputs))
            raise invalid_argument(
                f"The body is rows of text/csv, for one input, and the signature has the inputs {{{names}}}; expected "
                "application/json, with a name for each"
            )
        ((name, info),) = inputs.items()
        if not self.body.strip():
            raise _nothing()
        if info.dtype is DataType.STRING:
            return Layout.ROW, {name: _strings(self.body)}
        body = _unquoted(self.body) if b'"' in self.body else self.body
        try:
            return json_request.read(_json(body)).tensors(inputs)
        except ServingError:
            _explain(body)
            raise


def _json(body: bytes) -> bytes:
    """The body as a predict request. INVALID_ARGUMENT for fields that would be more than one value there."""
    if len(body.translate(None, _SYNTAX)) != len(body):
        _explain(body)
    lines = body.strip()
    if b"\r" in lines or b"\n\n" in lines or not is_plain(lines):
        lines = _BLANK_LINES.sub(b"\n", lines)
    if b"," in lines:
        return b'{"instances":[[%b]]}' % lines.replace(b"\n", b"],[")
    return b'{"instances":[%b]}' % lines.replace(b"\n", b",")


def _unquoted(body: bytes) -> bytes:
    """Numbers without the quotes that some write around every field."""
    rows = _rows(body)
    for number, row in rows:
        for position, field in enumerate(row, 1):
            if "," in field or "\n" in field:
                raise _wrong(number, position, field)
    return "\n".join(",".join(row) for _, row in rows).encode("utf-8", "surrogateescape")


def _strings(body: bytes) -> Tensor:
    rows = _rows(body)
    _check_even(rows)
    array = np.empty((len(rows), len(rows[0][1])), object)
    for index, (_, row) in enumerate(rows):
        array[index, :] = [field.encode("utf-8", "surrogateescape") for field in row]
    return Tensor(DataType.STRING, array[:, 0] if array.shape[1] == 1 else array)


def _rows(body: bytes) -> list[tuple[int, list[str]]]:
    """The fields of each line that is not blank, with its number from 1."""
    text = body.decode("utf-8", "surrogateescape")
    reader = csv.reader(_lines(text), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            if row:
                rows.append((reader.line_num, row))
    except csv.Error as error:
        raise invalid_argument(f"Line {reader.line_num} of the CSV body cannot be read: {error}") from None
    return rows


def _lines(text: str) -> Iterator[str]:
    """The lines with their ends; only those that CSV has count, so that other separators stay in fields."""
    for line in text.split("\n"):
        yield line + "\n"


def _explain(body: bytes) -> None:
    """Raise the error of the first line that does not fit; nothing if none can be blamed."""
    text = body.decode("utf-8", "surrogateescape")
    rows = [(number, line.split(",")) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, row in rows:
        for position, field in enumerate(row, 1):
            if _VALUE.fullmatch(field.rstrip("\r")) is None:
                raise _wrong(number, position, field)
    _check_even(rows)


def _check_even(rows: Sequence[tuple[int, Sequence[str]]]) -> None:
    if not rows:
        raise _nothing()
    first, fields = rows[0][0], len(rows[0][1])
    for number, row in rows:
        if len(row) != fields:
            raise invalid_argument(
                f"Line {number} of the CSV body has {len(row)} fields, and line {first} has {fields}; expected as many "
                "in each"
            )


def _nothing() -> ServingError:
    return invalid_argument("The body has no lines; expected comma-separated values")


def _wrong(number: int, position: int, field: str) -> ServingError:
    shown = field[:_LARGEST_SHOWN].strip()
    return invalid_argument(
        f'Field {position} of line {number} of the CSV body is "{shown}"; expected a number, written as in JSON: no '
        "header, no empty fields"
    )
