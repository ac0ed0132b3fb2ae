"""Answers to predict requests, and error bodies, as the JSON text TensorFlow Serving writes, byte for byte.

Not the choice between the layouts: a request in rows is answered by ``predictions``, one in columns by ``outputs``.
"""

import math
from collections.abc import Mapping
from typing import Any

from serving.codecs.json_decimals import (
    INTEGERS,
    base64_texts,
    bool_texts,
    float_texts,
    integer_texts,
    string_texts,
)
from serving.codecs.json_strings import encoded, quoted
from serving.core.tensor import DataType, Tensor
from serving.errors import invalid_argument

_INDENT = b"    "
_BYTES_SUFFIX = "_bytes"


def predictions(outputs: Mapping[str, Tensor]) -> bytes:
    """The body for outputs that agree on their first dimension: one element, or one object of elements, per row.

    Raises ServingError, INVALID_ARGUMENT: a scalar output, differing first dimensions, or a type JSON cannot carry.
    """
    count = _batch_size(outputs)
    depth = 2 if len(outputs) == 1 else 3
    columns = [(name, _rows(name, tensor, depth, count)) for name, tensor in outputs.items()]
    if not count:
        return _body(b"predictions", b"[]")
    if len(columns) == 1:
        return _body(b"predictions", b"[%b\n%b]" % (b", ".join(columns[0][1]), _INDENT))
    keys = [quoted(encoded(name)) for name, _ in columns]
    rows = [_object(keys, row, 2) for row in zip(*(texts for _, texts in columns), strict=True)]
    return _body(b"predictions", _list(rows, 1))


def outputs(outputs: Mapping[str, Tensor]) -> bytes:
    """The body for outputs of any shape: the value of the only one, or an object of all.

    Raises ServingError, INVALID_ARGUMENT: a type JSON cannot carry, or no output at all.
    """
    _require_some(outputs)
    depth = 1 if len(outputs) == 1 else 2
    values = [_column(name, tensor, depth) for name, tensor in outputs.items()]
    if len(values) == 1:
        return _body(b"outputs", values[0])
    return _body(b"outputs", _object([quoted(encoded(name)) for name in outputs], values, 1))


def error(message: str) -> bytes:
    """The body of every failed request; surrogate-escaped bytes of the message come out as they came in."""
    return _body(b"error", quoted(encoded(message)))


def _body(key: bytes, value: bytes) -> bytes:
    return b'{\n%b"%b": %b\n}' % (_INDENT, key, value)


def _require_some(outputs: Mapping[str, Tensor]) -> None:
    if not outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")


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


def _rows(name: str, tensor: Tensor, depth: int, count: int) -> list[bytes]:
    """One text per row, lists on one line."""
    shape = tensor.array.shape
    texts = _elements(name, tensor, depth + len(shape) - 1)
    for axis in range(len(shape) - 1, 0, -1):
        groups = _grouped(texts, shape[axis], math.prod(shape[:axis]))
        texts = [b"[%b]" % b", ".join(group) for group in groups]
    return texts if count else []


def _column(name: str, tensor: Tensor, depth: int) -> bytes:
    """The whole tensor, every element on a line of its own."""
    shape = tensor.array.shape
    texts = _elements(name, tensor, depth + len(shape))
    for axis in range(len(shape) - 1, -1, -1):
        groups = _grouped(texts, shape[axis], math.prod(shape[:axis]))
        texts = [_list(group, depth + axis) for group in groups]
    return texts[0]


def _elements(name: str, tensor: Tensor, depth: int) -> list[bytes]:
    dtype, array = tensor
    if dtype in (DataType.FLOAT, DataType.DOUBLE):
        return float_texts(array)
    if dtype in INTEGERS:
        return integer_texts(array)
    if dtype is DataType.BOOL:
        return bool_texts(array)
    if dtype is DataType.STRING:
        return base64_texts(array, depth) if name.endswith(_BYTES_SUFFIX) else string_texts(array)
    if array.size:
        raise invalid_argument(f"Failed to write JSON value for tensor type: {dtype.word}")
    return []


def _grouped(texts: list[bytes], size: int, count: int) -> list[list[bytes]]:
    return [texts[start : start + size] for start in range(0, count * size, size)] if size else [[]] * count


def _list(texts: list[bytes], depth: int) -> bytes:
    if not texts:
        return b"[]"
    separator = b"\n" + _INDENT * (depth + 1)
    return b"[%b%b\n%b]" % (separator, (b"," + separator).join(texts), _INDENT * depth)


def _object(keys: list[bytes], values: Any, depth: int) -> bytes:
    separator = b"\n" + _INDENT * (depth + 1)
    members = (b"," + separator).join([b"%b: %b" % member for member in zip(keys, values, strict=True)])
    return b"{%b%b\n%b}" % (separator, members, _INDENT * depth)
