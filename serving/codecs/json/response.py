"""Answers to predict requests, and error bodies, as the JSON text TensorFlow Serving writes, byte for byte.

Not the choice between the layouts: a request in rows is answered by ``predictions``, one in columns by ``outputs``.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from serving.codecs.json import decimals as json_decimals
from serving.codecs.json import layout as json_layout
from serving.codecs.json.layout import INDENT
from serving.codecs.json.strings import base64_encoded, encoded, joined, quoted
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError, invalid_argument

_BYTES_SUFFIX = "_bytes"
_MOST_EMPTY = 2**20
"""Empty lists of an output without elements, which may declare any number of them and carries nothing."""
_FLOAT = DataType.FLOAT


def predictions(outputs: Mapping[str, Tensor], *, exact_digits: bool = True) -> bytes:
    """The body for outputs that agree on their first dimension: one element, or one object of elements, per row.

    Without ``exact_digits`` long outputs of floats have the shortest digits (``json_decimals.text``).
    Raises ServingError, INVALID_ARGUMENT: a scalar output, differing first dimensions, or a type JSON cannot carry;
    RESOURCE_EXHAUSTED: empty lists without end.
    """
    if len(outputs) == 1:  # the usual case, in as few steps as there can be
        ((dtype, array),) = outputs.values()
        if dtype is _FLOAT and 0 < array.size < json_decimals.MANY and array.ndim:
            return b'{\n    "predictions": ' + json_decimals.few(array)[:-1].replace(b",", b", ") + b"\n    ]\n}"
        if dtype in json_decimals.NUMBERS and array.size and array.ndim:
            if array.size <= json_decimals.MOST_EXACT:
                line = json_decimals.text(array, exact_digits=exact_digits).replace(b",", b", ")
                return b'{\n    "predictions": ' + line[:-1] + b"\n    ]\n}"
            texts = json_decimals.texts(array, exact_digits=exact_digits)
            lines = (text.replace(b",", b", ") for text in texts)
            return joined(chain([b'{\n    "predictions": '], _before_last(lines), [b"\n    ]\n}"]))
    _check_empty(outputs)
    count = _batch_size(outputs)
    depth = 2 if len(outputs) == 1 else 3
    columns = [_rows(name, tensor, depth, exact_digits) for name, tensor in outputs.items()]
    if not count:
        return _body(b"predictions", b"[]")
    if len(columns) == 1:
        return _body(b"predictions", b"[%b\n%b]" % (b", ".join(columns[0]), INDENT))
    keys = [quoted(encoded(name)) for name in outputs]
    rows = [_object(keys, row, 2) for row in zip(*columns, strict=True)]
    return _body(b"predictions", _list(rows, 1))


def outputs(outputs: Mapping[str, Tensor], *, exact_digits: bool = True) -> bytes:
    """The body for outputs of any shape: the value of the only one, or an object of all.

    ``exact_digits`` as for ``predictions``.
    Raises ServingError, INVALID_ARGUMENT: a type JSON cannot carry, or no output at all; RESOURCE_EXHAUSTED as there.
    """
    _require_some(outputs)
    _check_empty(outputs)
    depth = 1 if len(outputs) == 1 else 2
    columns = [_column(name, tensor, depth, exact_digits) for name, tensor in outputs.items()]
    if len(columns) == 1:
        return joined(chain([b'{\n    "outputs": '], columns[0], [b"\n}"]))
    keys = [b"\n        %b: " % quoted(encoded(name)) for name in outputs]
    members = chain.from_iterable(chain((b",", key), column) for key, column in zip(keys, columns, strict=True))
    return joined(chain([b'{\n    "outputs": {'], islice(members, 1, None), [b"\n    }\n}"]))


def error(message: str) -> bytes:
    """The body of every failed request."""
    return _body(b"error", quoted(encoded(message)))


def _before_last(texts: Iterable[bytes]) -> Iterator[bytes]:
    """All but the last byte."""
    previous = b""
    for text in texts:
        yield previous
        previous = text
    yield previous[:-1]


def _body(key: bytes, value: bytes) -> bytes:
    return b'{\n%b"%b": %b\n}' % (INDENT, key, value)


def _require_some(outputs: Mapping[str, Tensor]) -> None:
    if not outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")


def _check_empty(outputs: Mapping[str, Tensor]) -> None:
    """RESOURCE_EXHAUSTED for an output that is nothing but too many empty lists."""
    for name, (_, array) in outputs.items():
        if not array.size and math.prod(array.shape[: array.shape.index(0)]) > _MOST_EMPTY:
            raise ServingError(
                Code.RESOURCE_EXHAUSTED,
                f'Output "{name}" has shape {list(array.shape)} and no elements; expected at most {_MOST_EMPTY} empty '
                "lists in JSON, or a request that accepts application/x-protobuf",
            )


def _batch_size(outputs: Mapping[str, Tensor]) -> int:
    _require_some(outputs)
    expected = -1
    for name, tensor in outputs.items():
        if tensor.array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        size = tensor.array.shape[0]
        if expected not in (-1, size):
            raise invalid_argument(f"Tensor name: {name} has inconsistent batch size: {size} expecting: {expected}")
        expected = size
    return expected


def _rows(name: str, tensor: Tensor, depth: int, exact_digits: bool) -> list[bytes]:
    """One text per row, lists on one line."""
    dtype, array = tensor
    shape = array.shape
    if array.size and dtype in json_decimals.NUMBERS:
        return json_layout.rows(json_decimals.text(array, exact_digits=exact_digits), array.ndim)
    texts = _elements(name, tensor, depth + len(shape) - 1)
    for axis in range(len(shape) - 1, 0, -1):
        groups = _grouped(texts, shape[axis], math.prod(shape[:axis]))
        texts = [b"[%b]" % b", ".join(group) for group in groups]
    return texts


def _column(name: str, tensor: Tensor, depth: int, exact_digits: bool) -> Iterable[bytes]:
    """The whole tensor, every element on a line of its own."""
    dtype, array = tensor
    shape = array.shape
    if array.size and dtype in json_decimals.NUMBERS:
        return json_layout.lines(json_decimals.texts(array, exact_digits=exact_digits), array.ndim, depth)
    texts = _elements(name, tensor, depth + len(shape))
    for axis in range(len(shape) - 1, -1, -1):
        groups = _grouped(texts, shape[axis], math.prod(shape[:axis]))
        texts = [_list(group, depth + axis) for group in groups]
    return texts[:1]


def _elements(name: str, tensor: Tensor, depth: int) -> list[bytes]:
    """One text per string, row-major; nothing for an empty tensor of any type."""
    dtype, array = tensor
    if dtype is DataType.STRING:
        values = array.ravel().tolist()
        return (
            [_base64(value, depth) for value in values] if name.endswith(_BYTES_SUFFIX) else list(map(quoted, values))
        )
    if array.size:
        raise invalid_argument(f"Failed to write JSON value for tensor type: {dtype.word}")
    return []


def _base64(value: bytes, depth: int) -> bytes:
    """An object with the member ``b64``, laid out for ``depth`` containers around it."""
    outer = INDENT * depth
    return b'{\n%b    "b64": "%b"\n%b}' % (outer, base64_encoded(value), outer)


def _grouped(texts: list[bytes], size: int, count: int) -> list[list[bytes]]:
    return [texts[start : start + size] for start in range(0, count * size, size)] if size else [[]] * count


def _list(texts: list[bytes], depth: int) -> bytes:
    if not texts:
        return b"[]"
    separator = b"\n" + INDENT * (depth + 1)
    return b"[%b%b\n%b]" % (separator, (b"," + separator).join(texts), INDENT * depth)


def _object(keys: list[bytes], values: Any, depth: int) -> bytes:
    separator = b"\n" + INDENT * (depth + 1)
    members = (b"," + separator).join([b"%b: %b" % member for member in zip(keys, values, strict=True)])
    return b"{%b%b\n%b}" % (separator, members, INDENT * depth)
