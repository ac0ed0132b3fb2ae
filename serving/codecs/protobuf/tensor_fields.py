"""The long fields of a TensorProto, read beside its message: numbers by numpy, as they lie and without a copy.

protobuf copies what it parses, in one call, and reads varints one by one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from serving.codecs.protobuf import pieces, wire
from serving.protos import TensorProto

WIRE_TYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "float_val": np.dtype(np.float32),
        "double_val": np.dtype(np.float64),
        "int_val": np.dtype(np.int32),
        "scomplex_val": np.dtype(np.float32),
        "int64_val": np.dtype(np.int64),
        "bool_val": np.dtype(np.bool_),
        "dcomplex_val": np.dtype(np.float64),
        "half_val": np.dtype(np.int32),
        "uint32_val": np.dtype(np.uint32),
        "uint64_val": np.dtype(np.uint64),
    }
)
"""What the typed fields of numbers hold."""

_CONTENT, _STRINGS = "tensor_content", "string_val"
_NAMES = MappingProxyType(
    {
        each.number << 3 | 2: each.name
        for each in TensorProto.DESCRIPTOR.fields
        if each.name in WIRE_TYPES or each.name in (_CONTENT, _STRINGS)
    }
)
"""By their tag, the fields that are read beside the message."""

_MARK = b"1"
"""Stands in the message while the content is kept beside it; another one, or none, that follows takes its place."""


@dataclass(slots=True)
class LongFields:
    """What was taken out of a message: its content if that was long, and values with how many others came before."""

    content: memoryview | None = None
    values: dict[str, list[tuple[int, NDArray[Any]]]] = field(default_factory=dict)

    def inserted(self, name: str, others: NDArray[Any]) -> NDArray[Any]:
        """All values of a field: those of the message and those beside it."""
        if name not in self.values:
            return others
        parts, at = [], 0
        for position, values in self.values[name]:
            parts += [others[at:position], values]
            at = position
        parts = [part for part in (*parts, others[at:]) if len(part)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else others


def read(message: bytes, places: Iterable[tuple[int, int]]) -> tuple[Any, LongFields]:
    """The TensorProto whose parts lie at these places of a message, in pieces. Raises DecodeError."""
    proto, long = TensorProto(), LongFields()
    for start, stop in places:
        for tag, first, end in pieces.pieces(message, start, stop):
            if tag == 0:
                _merge(proto, long, message[first:end])
            elif tag in _NAMES:
                _take(proto, long, _NAMES[tag], memoryview(message)[first:end])
            else:
                pieces.merge_field(proto, message, tag, first, end)
    return proto, long


def _merge(proto: Any, long: LongFields, piece: bytes) -> None:
    proto.MergeFromString(piece)
    if long.content is not None and (
        proto.tensor_content != _MARK or TensorProto.FromString(piece).tensor_content == _MARK
    ):
        long.content = None


def _take(proto: Any, long: LongFields, name: str, data: memoryview) -> None:
    if name == _CONTENT:
        long.content, proto.tensor_content = data, _MARK
        return
    if name == _STRINGS:
        values = np.empty(1, object)
        values[0] = wire.joined([data])
    else:
        values = _numbers(WIRE_TYPES[name], data)
    long.values.setdefault(name, []).append((len(getattr(proto, name)), values))


def _numbers(kind: np.dtype[Any], data: memoryview) -> NDArray[Any]:
    try:
        return np.frombuffer(data, kind) if kind.kind == "f" else wire.numbers(data, kind)
    except ValueError as error:
        raise DecodeError(str(error)) from None
