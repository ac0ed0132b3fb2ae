"""Typed contents of gRPC's messages: the field of each datatype, and what is read beside a message that is large."""

from collections.abc import Mapping
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from serving.codecs.open_inference import raw
from serving.codecs.open_inference.datatypes import DATATYPES
from serving.codecs.protobuf import pieces, wire
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.errors import ServingError, invalid_argument
from serving.protos import message

InferTensorContents = message("inference.InferTensorContents")

FIELDS: Mapping[DataType, str] = MappingProxyType(
    {
        DataType.BOOL: "bool_contents",
        **dict.fromkeys((DataType.INT8, DataType.INT16, DataType.INT32), "int_contents"),
        DataType.INT64: "int64_contents",
        **dict.fromkeys((DataType.UINT8, DataType.UINT16, DataType.UINT32), "uint_contents"),
        DataType.UINT64: "uint64_contents",
        DataType.FLOAT: "fp32_contents",
        DataType.DOUBLE: "fp64_contents",
        DataType.STRING: "bytes_contents",
    }
)
"""The field of each datatype; FP16 and BF16 have none."""

_WIRE_TYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "bool_contents": np.dtype(np.bool_),
        "int_contents": np.dtype(np.int32),
        "int64_contents": np.dtype(np.int64),
        "uint_contents": np.dtype(np.uint32),
        "uint64_contents": np.dtype(np.uint64),
        "fp32_contents": np.dtype(np.float32),
        "fp64_contents": np.dtype(np.float64),
        "bytes_contents": np.dtype(object),
    }
)
_PACKED = {field.number << 3 | 2: name for name, field in InferTensorContents.DESCRIPTOR.fields_by_name.items()}


class LargeContents:
    """The values of contents that were read in pieces, by field, in the order in which they came."""

    def __init__(self) -> None:
        self._parts: dict[str, list[NDArray[Any]]] = {}

    def read(self, payload: bytes, start: int, stop: int) -> None:
        """Take the contents between two positions. Raises DecodeError."""
        for tag, first, end in pieces.pieces(payload, start, stop):
            if tag == 0:
                self.add(InferTensorContents.FromString(payload[first:end]))
            elif tag in _PACKED:
                name = _PACKED[tag]
                self._parts.setdefault(name, []).append(_long(name, memoryview(payload)[first:end]))

    def add(self, contents: Any) -> None:
        """Take those of a message, behind what there is."""
        for field, values in contents.ListFields():
            self._parts.setdefault(field.name, []).append(_values(field.name, values))

    def by_field(self) -> Mapping[str, NDArray[Any]]:
        """The values of each field that has some."""
        joined = {name: parts[0] if len(parts) == 1 else np.concatenate(parts) for name, parts in self._parts.items()}
        return {name: values for name, values in joined.items() if len(values)}


def by_field(contents: Any) -> Mapping[str, NDArray[Any]]:
    """The values of each field of an InferTensorContents message that has some."""
    return {field.name: _values(field.name, values) for field, values in contents.ListFields()}


def read(name: str, dtype: DataType, shape: tuple[int, ...], given: Mapping[str, NDArray[Any]]) -> Tensor:
    """The tensor of the input ``name``, of the values ``given`` by field.

    Raises ServingError, INVALID_ARGUMENT: too few values or too many, in another field, or beyond the datatype's range.
    """
    raw.check_shape(name, shape)
    field = FIELDS.get(dtype)
    if field is None:
        raise invalid_argument(
            f'Input "{name}" is {DATATYPES[dtype]}, which has no typed contents; expected raw_input_contents'
        )
    others = [other for other in given if other != field]
    if others:
        raise invalid_argument(
            f'Input "{name}" has contents in {others[0]}; expected {field}, that of the datatype {DATATYPES[dtype]}'
        )
    values = given.get(field)
    if values is None:
        values = np.empty(0, _WIRE_TYPES[field])
    if len(values) != prod(shape):
        raise invalid_argument(
            f'Input "{name}" has {len(values)} values in {field}; expected {prod(shape)} for the shape {list(shape)}'
        )
    return Tensor(dtype, raw.shaped(name, _stored(name, dtype, values), shape))


def _stored(name: str, dtype: DataType, values: NDArray[Any]) -> NDArray[Any]:
    storage = STORAGE[dtype]
    if values.dtype == storage:
        return values
    if values.size and not (np.iinfo(storage).min <= values.min() and values.max() <= np.iinfo(storage).max):
        raise _beyond(name, dtype, values)
    return values.astype(storage)


def _beyond(name: str, dtype: DataType, values: NDArray[Any]) -> ServingError:
    least, most = int(np.iinfo(STORAGE[dtype]).min), int(np.iinfo(STORAGE[dtype]).max)
    found = next(value for value in values.tolist() if not least <= value <= most)
    return invalid_argument(f'Input "{name}" has the value {found}; expected {least} to {most}, as {DATATYPES[dtype]}')


def _values(name: str, values: Any) -> NDArray[Any]:
    if name == "bytes_contents":
        strings = np.empty(len(values), object)
        strings[:] = values
        return strings
    return np.array(values, _WIRE_TYPES[name])


def _long(name: str, data: memoryview) -> NDArray[Any]:
    """The values of one long field: one string, or numbers in their packed form."""
    kind = _WIRE_TYPES[name]
    if kind.hasobject:
        string = np.empty(1, object)
        string[0] = wire.joined([data])
        return string
    try:
        return np.frombuffer(data, kind) if kind.kind == "f" else wire.numbers(data, kind)
    except ValueError as error:
        raise DecodeError(str(error)) from None
