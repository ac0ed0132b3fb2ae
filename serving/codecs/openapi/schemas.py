"""JSON Schemas (2020-12) of tensors as TensorFlow Serving's JSON has them (docs/rest.md, "JSON").

A schema may take what a model refuses: that two open sizes agree, or that a nested list is regular, it cannot say.
"""

from collections.abc import Collection, Mapping
from typing import Any

from serving.core.signature import TensorInfo
from serving.core.tensor import DataType

Schema = dict[str, Any]

_BYTES_SUFFIX = "_bytes"
_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"

_INTEGERS: Mapping[DataType, tuple[int, int]] = {
    DataType.INT8: (-(2**7), 2**7 - 1),
    DataType.UINT8: (0, 2**8 - 1),
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.UINT16: (0, 2**16 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.UINT32: (0, 2**32 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),
    DataType.UINT64: (0, 2**64 - 1),
}
_FORMATS: Mapping[DataType, str] = {DataType.FLOAT: "float", DataType.DOUBLE: "double"}
_LARGEST: Mapping[DataType, float] = {DataType.FLOAT: 3.4028234663852886e38, DataType.DOUBLE: 1.7976931348623157e308}
"""What is larger in a request is infinite, or no number at all."""

CARRIED = frozenset({*_INTEGERS, *_FORMATS, DataType.BOOL, DataType.STRING}) - {DataType.UINT16}
"""The data types that JSON requests and answers of TensorFlow Serving's API can carry."""

BASE64_NAME = "Base64"
BASE64: Schema = {
    "type": "object",
    "description": "Bytes, in standard base64.",
    "properties": {"b64": {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}},
    "required": ["b64"],
    "additionalProperties": False,
}


def ref(name: str) -> Schema:
    """The component schema of that name."""
    return {"$ref": f"#/components/schemas/{name}"}


def message(properties: Schema, *, required: bool = True, **more: Any) -> Schema:
    """An object with these members."""
    return {"type": "object", "properties": properties, **({"required": list(properties)} if required else {}), **more}


def list_of(items: Schema, **bounds: int) -> Schema:
    """A list."""
    return {"type": "array", "items": items, **bounds}


def are_carried(infos: Mapping[str, TensorInfo]) -> bool:
    """Whether JSON can carry all of these tensors, and there are any."""
    return bool(infos) and all(info.dtype in CARRIED for info in infos.values())


def have_rows(infos: Mapping[str, TensorInfo]) -> bool:
    """Whether these tensors may have rows, the same number of them: none is a scalar, and known numbers agree."""
    shapes = [info.shape for info in infos.values() if info.shape is not None]
    return all(shapes) and len({shape[0] for shape in shapes if shape and shape[0] >= 0}) <= 1


def columns_in(infos: Mapping[str, TensorInfo], binary: Collection[str]) -> Schema:
    """What ``inputs`` takes: the value of the only input, or an object of all; strings of ``binary`` are bytes."""
    values = {alias: _nested(sent(alias, info, binary), info.shape, least=1) for alias, info in infos.items()}
    return _alone_or_object(values)


def rows_in(infos: Mapping[str, TensorInfo], binary: Collection[str]) -> Schema:
    """What an element of ``instances`` is: that of the only input, or an object of all."""
    return _alone_or_object(
        {alias: _row(sent(alias, info, binary), info.shape, least=1) for alias, info in infos.items()}
    )


def columns_out(infos: Mapping[str, TensorInfo]) -> Schema:
    """What ``outputs`` is."""
    return _alone_or_object({alias: _nested(_answered(alias, info), info.shape) for alias, info in infos.items()})


def rows_out(infos: Mapping[str, TensorInfo]) -> Schema:
    """What an element of ``predictions`` is."""
    return _alone_or_object({alias: _row(_answered(alias, info), info.shape) for alias, info in infos.items()})


def list_of_rows(infos: Mapping[str, TensorInfo], row: Schema, *, least: int = 0) -> Schema:
    """A list with as many rows as the tensors have, at ``least`` so many where that is open."""
    sizes = [info.shape[0] for info in infos.values() if info.shape and info.shape[0] >= 0]
    return _list(row, sizes[0] if sizes else -1, least)


def sent(alias: str, info: TensorInfo, binary: Collection[str]) -> Schema:
    """One element of an input."""
    if info.dtype in _LARGEST:
        return {**_number(info.dtype), "minimum": -_LARGEST[info.dtype], "maximum": _LARGEST[info.dtype]}
    if info.dtype is not DataType.STRING:
        return _number(info.dtype)
    if alias in binary or alias.endswith(_BYTES_SUFFIX):
        return ref(BASE64_NAME)
    return {"anyOf": [{"type": "string"}, ref(BASE64_NAME)]}


def _answered(alias: str, info: TensorInfo) -> Schema:
    if info.dtype is not DataType.STRING:
        return _number(info.dtype)
    return ref(BASE64_NAME) if alias.endswith(_BYTES_SUFFIX) else {"type": "string"}


def _number(dtype: DataType) -> Schema:
    if dtype is DataType.BOOL:
        return {"type": "boolean"}
    if dtype in _FORMATS:
        return {"type": "number", "format": _FORMATS[dtype]}
    low, high = _INTEGERS[dtype]
    known = {"format": dtype.word} if dtype in (DataType.INT32, DataType.INT64) else {}
    return {"type": "integer", "minimum": low, "maximum": high, **known}


def _alone_or_object(values: Mapping[str, Schema]) -> Schema:
    if len(values) == 1:
        (value,) = values.values()
        return value
    return {
        "type": "object",
        "properties": dict(values),
        "required": list(values),
        "additionalProperties": False,
    }


def _row(element: Schema, shape: tuple[int, ...] | None, *, least: int = 0) -> Schema:
    return _nested(element, None if shape is None else shape[1:], least=least)


def _nested(element: Schema, shape: tuple[int, ...] | None, *, least: int = 0) -> Schema:
    """An element in lists of these sizes; where the rank is unknown, in any."""
    if shape is None:
        return {"anyOf": [element, {"type": "array", "items": {}}]}
    for size in reversed(shape):
        element = _list(element, size, least)
    return element


def _list(items: Schema, size: int, least: int) -> Schema:
    """A list of ``size`` items, of at ``least`` so many where that is negative."""
    bounds = {"minItems": size, "maxItems": size} if size >= 0 else {"minItems": least} if least else {}
    return {"type": "array", "items": items, **bounds}
