"""SignatureDef messages -> Signature values, once per load."""

from collections.abc import Mapping
from typing import Any

from serving.codecs.protobuf import tensor_proto
from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import REF, DataType, Tensor


def decode_all(signature_defs: Mapping[str, Any]) -> dict[str, Signature]:
    """Every signature of a MetaGraph by its name."""
    return {name: decode(name, definition) for name, definition in signature_defs.items()}


def decode(name: str, definition: Any) -> Signature:
    """One signature; its aliases are in sorted order, so that feeds and fetches have a stable one."""
    defaults: dict[str, Tensor] = {}
    for alias in sorted(definition.defaults):
        value = tensor_proto.decode(definition.defaults[alias])
        if value is not None:
            defaults[alias] = value
    return Signature(
        name=name,
        inputs={alias: _tensor_info(definition.inputs[alias]) for alias in sorted(definition.inputs)},
        outputs={alias: _tensor_info(definition.outputs[alias]) for alias in sorted(definition.outputs)},
        method_name=definition.method_name,
        defaults=defaults,
    )


def _tensor_info(info: Any) -> TensorInfo:
    number = info.dtype % REF if info.dtype > REF else info.dtype
    shape = tuple(dim.size for dim in info.tensor_shape.dim)
    if info.tensor_shape.unknown_rank and not shape:
        return TensorInfo(name=info.name, dtype=_data_type(number))
    return TensorInfo(name=info.name, dtype=_data_type(number), shape=shape)


def _data_type(number: int) -> DataType:
    try:
        return DataType(number)
    except ValueError:
        return DataType.INVALID
