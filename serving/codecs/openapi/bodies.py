"""Made-up tensors as bodies of requests, short to read: the values that are sent are those that are tried."""

import base64
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from serving.codecs.openapi.parts import Json
from serving.codecs.openapi.schemas import CARRIED
from serving.core.signature import DEFAULT_SIGNATURE_NAME
from serving.core.tensor import DataType, Tensor
from serving.protos import Example

_DIGITS = 3
_LAYOUT = dict.fromkeys(map(ord, "\t\r\n"))
_FLOATS = frozenset((DataType.FLOAT, DataType.DOUBLE))


def shortened(tensor: Tensor) -> Tensor:
    """The same with few digits."""
    if tensor.dtype not in _FLOATS:
        return tensor
    return Tensor(tensor.dtype, np.round(tensor.array.astype(np.float64), _DIGITS).astype(tensor.array.dtype))


def size_of(tensors: Collection[Tensor]) -> int:
    """About how many bytes they have in JSON."""
    return sum(
        sum(map(len, tensor.array.flat)) * 4 // 3 if tensor.dtype is DataType.STRING else tensor.array.size * 7
        for tensor in tensors
    )


def are_carried(inputs: Mapping[str, Tensor]) -> bool:
    """Whether JSON has all of their types."""
    return all(tensor.dtype in CARRIED for tensor in inputs.values())


def is_binary(alias: str, tensor: Tensor) -> bool:
    """Whether an input has to be sent as base64: by its name, or because it has strings that are no text."""
    if tensor.dtype is not DataType.STRING:
        return False
    return alias.endswith("_bytes") or not all(map(_is_text, tensor.array.flat))


def flat(tensor: Tensor) -> list[Any]:
    """The elements in row-major order, strings as text."""
    return list(_value("", Tensor(tensor.dtype, tensor.array.reshape(-1))))


def columns(signature_name: str, inputs: Mapping[str, Tensor]) -> Json:
    """A request with ``inputs``: the value of the only one, or all by name."""
    values = {alias: _value(alias, tensor) for alias, tensor in inputs.items()}
    return {**_named(signature_name), "inputs": values if len(values) != 1 else next(iter(values.values()))}


def rows(signature_name: str, inputs: Mapping[str, Tensor]) -> Json:
    """The same with ``instances``; no tensor is a scalar, and all have as many rows."""
    values = {alias: _value(alias, tensor) for alias, tensor in inputs.items()}
    if len(values) == 1:
        (instances,) = values.values()
        return {**_named(signature_name), "instances": instances}
    instances = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return {**_named(signature_name), "instances": instances}


def examples(signature_name: str, tensor: Tensor) -> Json | None:
    """A request for Classify or Regress of serialised Examples, shape ``[examples]``; None if they are none."""
    try:
        messages = [Example.FromString(each) for each in tensor.array.flat]
    except (DecodeError, TypeError):
        return None
    return {**_named(signature_name), "examples": [_features(message) for message in messages]}


def _named(signature_name: str) -> Json:
    return {} if signature_name == DEFAULT_SIGNATURE_NAME else {"signature_name": signature_name}


def _value(alias: str, tensor: Tensor) -> Any:
    if tensor.dtype in _FLOATS:
        return np.round(tensor.array.astype(np.float64), _DIGITS).tolist()
    if tensor.dtype is not DataType.STRING:
        return tensor.array.tolist()
    write = _base64 if is_binary(alias, tensor) else bytes.decode
    written = np.empty(tensor.array.size, object)
    written[:] = [write(each) for each in tensor.array.flat]
    return written.reshape(tensor.array.shape).tolist()


def _features(message: Any) -> Json:
    """An Example as JSON. A float with nothing behind its point would be an integer to who copies it, so none has."""
    found: Json = {}
    for name, feature in sorted(message.features.feature.items()):
        floats = [value + 0.5 if value.is_integer() else round(value, _DIGITS) for value in feature.float_list.value]
        texts = [each.decode() if _is_text(each) else _base64(each) for each in feature.bytes_list.value]
        found[name] = [*floats, *texts, *feature.int64_list.value]
    return found


def _base64(value: bytes) -> Json:
    return {"b64": base64.b64encode(value).decode()}


def _is_text(value: bytes) -> bool:
    try:
        return value.decode().translate(_LAYOUT).isprintable()
    except UnicodeDecodeError:
        return False
