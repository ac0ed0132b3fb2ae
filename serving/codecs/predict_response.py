"""PredictResponse messages, written straight to the wire: the typed float fields are the arrays' own memory."""

from collections.abc import Sequence

from serving.codecs import model_spec, tensor_proto
from serving.codecs.wire import field, varint
from serving.core.servable import ServableId
from serving.core.tensor import Tensor

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
        entry = field(_KEY, alias.encode()) + _VALUE + varint(len(value))
        parts += (_OUTPUTS, varint(len(entry) + len(value)), entry, value)
    parts.append(field(_MODEL_SPEC, model_spec.serialized(servable_id, signature_name)))
    return b"".join(parts)
