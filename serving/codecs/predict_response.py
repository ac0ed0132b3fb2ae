"""PredictResponse messages, written straight to the wire: the typed float fields are the arrays' own memory."""

from collections.abc import Sequence

from serving.codecs import model_spec, tensor_proto
from serving.codecs.tensor_proto import varint
from serving.core.servable import ServableId
from serving.core.tensor import Tensor
from serving.protos import ModelSpec

_OUTPUTS, _MODEL_SPEC, _KEY, _VALUE = b"\x0a", b"\x12", b"\x0a", b"\x12"  # field numbers 1, 2 and a map entry's 1, 2


def encode(
    aliases: Sequence[str],
    outputs: Sequence[Tensor],
    servable_id: ServableId,
    signature_name: str,
    *,
    as_content: bool,
) -> bytes:
    """The serialised response; ``aliases`` and ``outputs`` correspond, ``as_content`` as ``tensor_proto.encode``."""
    parts: list[bytes] = []
    for alias, tensor in zip(aliases, outputs, strict=True):
        value = tensor_proto.encode(tensor, as_content=as_content)
        entry = _field(_KEY, alias.encode()) + _VALUE + varint(len(value))
        parts += (_OUTPUTS, varint(len(entry) + len(value)), entry, value)
    spec = ModelSpec()
    model_spec.encode(spec, servable_id, signature_name)
    parts.append(_field(_MODEL_SPEC, bytes(spec.SerializeToString())))
    return b"".join(parts)


def _field(tag: bytes, value: bytes) -> bytes:
    return tag + varint(len(value)) + value
