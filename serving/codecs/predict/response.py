"""PredictResponse messages, written straight to the wire: the numbers are the arrays' own memory.

What is around the numbers depends on dtypes and shapes only, and is worked out once for each combination.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

from serving.codecs.protobuf import model_spec, tensor_proto
from serving.codecs.protobuf.wire import STEP, field, joined, varint
from serving.core.servable import ServableId
from serving.core.tensor import DataType, Tensor

_OUTPUTS, _MODEL_SPEC, _KEY, _VALUE = b"\x0a", b"\x12", b"\x0a", b"\x12"  # field numbers 1, 2 and a map entry's 1, 2

_KEPT = 1024
_SMALL = 4096
"""Fewer bytes are copied once more faster than they are looked at where they are."""


def encode(outputs: Mapping[str, Tensor], servable_id: ServableId, signature_name: str, *, as_content: bool) -> bytes:
    """The serialised response with these outputs by alias; ``as_content`` as ``tensor_proto.encode``."""
    return encoder(servable_id, signature_name, as_content=as_content)(outputs)


def encoder(
    servable_id: ServableId, signature_name: str, *, as_content: bool
) -> Callable[[Mapping[str, Tensor]], bytes]:
    """What makes the serialised responses of a version and signature."""
    end, is_raw, before = _model_spec(servable_id.name, servable_id.version, signature_name), tensor_proto.RAW, _before

    def encode(outputs: Mapping[str, Tensor]) -> bytes:
        parts: list[tensor_proto.Part] = []
        join: Callable[[list[tensor_proto.Part]], bytes] = b"".join
        for alias, (dtype, array) in outputs.items():
            size = array.nbytes
            if size > STEP:
                join = joined
            if dtype in is_raw:
                parts.append(before(alias, dtype, array.shape, size, as_content))
                parts.append(array.tobytes() if size < _SMALL else tensor_proto.raw(array))
            else:
                value = tensor_proto.encode(Tensor(dtype, array), as_content=as_content)
                parts += (_entry(alias, len(value)), value)
        parts.append(end)
        return join(parts)

    return encode


@lru_cache(_KEPT)
def _before(alias: str, dtype: DataType, shape: tuple[int, ...], size: int, as_content: bool) -> bytes:
    """What precedes the ``size`` bytes of an output's numbers."""
    head = tensor_proto.head(dtype, shape, size, as_content=as_content)
    return _entry(alias, len(head) + size) + head


@lru_cache(_KEPT)
def _model_spec(name: str, version: int, signature_name: str) -> bytes:
    return field(_MODEL_SPEC, model_spec.serialized(ServableId(name=name, version=version), signature_name))


def _entry(alias: str, size: int) -> bytes:
    """What precedes a TensorProto of ``size`` bytes."""
    key = field(_KEY, alias.encode()) + _VALUE + varint(size)
    return _OUTPUTS + varint(len(key) + size) + key
