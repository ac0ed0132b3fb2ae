"""The signatures of a TensorFlow Lite file: those in its metadata, or one made of its tensors.

Of the file's own format only what leads to the metadata is read here (docs/models.md, "TensorFlow Lite").
"""

import struct
from collections.abc import Iterator
from typing import Any

from flatbuffers import flexbuffers
from flatbuffers.number_types import UOffsetTFlags
from flatbuffers.table import Table
from google.protobuf.message import DecodeError

from serving.core.signature import DEFAULT_SIGNATURE_NAME, PREDICT_METHOD_NAME
from serving.errors import Code, ServingError, invalid_argument
from serving.protos import SignatureDef, message
from serving.servables.tflite_interpreter import Tensors, TfliteTensor
from serving.telemetry.log import logger

TensorInfo = message("tensorflow.TensorInfo")

METADATA_NAME = b"signature_defs_metadata"

# Positions in the virtual tables of the file's schema: 4 + 2 * the field's index.
_MODEL_BUFFERS, _MODEL_METADATA = 12, 16
_METADATA_NAME, _METADATA_BUFFER = 4, 6
_BUFFER_DATA = 4

_UNREADABLE = (struct.error, LookupError, ValueError, TypeError, AssertionError, DecodeError)
"""What the readers of either format raise for bytes that are not theirs."""


def legacy_name(name: str) -> str:
    """The name as early converters wrote it, without ``:0``."""
    return name.partition(":")[0]


def find(tensors: Tensors, name: str) -> TfliteTensor | None:
    """The tensor called ``name``, or else the one with its legacy name."""
    return tensors.get(name) or tensors.get(legacy_name(name))


def definitions(model: bytes, inputs: Tensors, outputs: Tensors) -> dict[str, Any]:
    """SignatureDef messages by name. INVALID_ARGUMENT if metadata cannot be read, INTERNAL for unknown tensors."""
    try:
        found = _from_metadata(model)
    except _UNREADABLE as error:
        raise invalid_argument(f"Invalid SignatureDefs found in TfLite model: {error}") from error
    if not found:
        return {DEFAULT_SIGNATURE_NAME: _generated(inputs, outputs)}
    for definition in found.values():
        _use_names_of_the_model("input", definition.inputs, inputs)
        _use_names_of_the_model("output", definition.outputs, outputs)
    return found


def _generated(inputs: Tensors, outputs: Tensors) -> Any:
    """One signature of all tensors. Of those that an alias would name alike the last by name is kept, as in TFS."""
    definition = SignatureDef(method_name=PREDICT_METHOD_NAME)
    for tensors, infos in ((inputs, definition.inputs), (outputs, definition.outputs)):
        for name in sorted(tensors):
            alias = legacy_name(name)
            if alias in infos:
                logger.warning("TensorFlow Lite: %s takes the alias %s from %s", name, alias, infos[alias].name)
            infos[alias].CopyFrom(_tensor_info(tensors[name]))
    return definition


def _tensor_info(tensor: TfliteTensor) -> Any:
    info = TensorInfo(name=tensor.name, dtype=tensor.dtype)
    info.tensor_shape.SetInParent()
    for size in tensor.shape:
        info.tensor_shape.dim.add(size=size)
    return info


def _use_names_of_the_model(kind: str, infos: Any, tensors: Tensors) -> None:
    for alias, info in infos.items():
        if info.name not in tensors:
            if legacy_name(info.name) not in tensors:
                raise ServingError(
                    Code.INTERNAL,
                    f"Unknown tensor '{info.name}'.\n\tSignature {kind} {alias} references an unknown tensor",
                )
            info.name = legacy_name(info.name)


def _from_metadata(model: bytes) -> dict[str, Any]:
    root = Table(model, UOffsetTFlags.packer_type.unpack_from(model)[0])
    for entry in _tables(root, _MODEL_METADATA):
        if _string(entry, _METADATA_NAME) == METADATA_NAME:
            field = entry.Offset(_METADATA_BUFFER)
            number = entry.Get(UOffsetTFlags, entry.Pos + field) if field else 0
            return _parse_map(_string(list(_tables(root, _MODEL_BUFFERS))[number], _BUFFER_DATA))
    return {}


def _tables(table: Any, field: int) -> Iterator[Any]:
    """The tables of a vector field; none if the table lacks it."""
    offset = table.Offset(field)
    start = table.Vector(offset) if offset else 0
    for position in range(table.VectorLen(offset) if offset else 0):
        yield Table(table.Bytes, table.Indirect(start + 4 * position))


def _string(table: Any, field: int) -> bytes:
    """The bytes of a string or byte vector field; empty if the table lacks it."""
    offset = table.Offset(field)
    return bytes(table.String(table.Pos + offset)) if offset else b""


def _parse_map(data: bytes) -> dict[str, Any]:
    """The metadata itself: a FlexBuffer map from names to serialised SignatureDefs."""
    items = flexbuffers.GetRoot(data).AsMap
    pairs = zip(items.Keys, items.Values, strict=True)
    return {bytes(key.AsKeyBytes).decode(): SignatureDef.FromString(bytes(value.AsStringBytes)) for key, value in pairs}
