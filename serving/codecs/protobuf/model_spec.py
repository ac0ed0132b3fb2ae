"""ModelSpec messages <-> the address of a request (docs/grpc.md, "gRPC Predict", steps 1-3)."""

from functools import lru_cache
from typing import Any

from serving.codecs.protobuf import pieces
from serving.core.model_spec import ModelSpec
from serving.core.servable import ServableId
from serving.errors import invalid_argument
from serving.protos import GetModelStatusRequest
from serving.protos import ModelSpec as ModelSpecMessage


def decode(request: Any) -> ModelSpec:
    """The ``model_spec`` of a request message. INVALID_ARGUMENT if it is absent."""
    return present(decode_spec(request.model_spec) if request.HasField("model_spec") else None)


def peek(payload: bytes) -> ModelSpec | None:
    """The ``model_spec`` of a serialised request of any kind but MultiInference, None if absent; nothing else is read.

    Raises DecodeError if the bytes are no message, or the spec is none.
    """
    request = pieces.parse(GetModelStatusRequest, payload)  # has field 1 as all have, and no other
    return decode_spec(request.model_spec) if request.HasField("model_spec") else None


def peek_task(payload: bytes) -> ModelSpec | None:
    """The ``model_spec`` of the first task of a serialised MultiInferenceRequest, as ``peek``."""
    for tag, start, end in pieces.each(payload, 0, len(payload)):
        if tag == _TASK:
            return peek(payload[start:end])
    return None


_TASK = 0x0A


def present(spec: ModelSpec | None) -> ModelSpec:
    """The spec of a request that was read. INVALID_ARGUMENT if it is absent."""
    if spec is None:
        raise invalid_argument("Missing ModelSpec")
    return spec


def decode_spec(spec: Any) -> ModelSpec:
    """One ModelSpec message."""
    choice = spec.WhichOneof("version_choice")
    return ModelSpec(
        spec.name,
        spec.version.value if choice == "version" else None,
        spec.version_label if choice == "version_label" else None,
        spec.signature_name,
    )


def check_name(spec: ModelSpec) -> None:
    """INVALID_ARGUMENT for the empty name."""
    if not spec.name:
        raise invalid_argument("ModelSpec has no name specified.")


@lru_cache(maxsize=1024)
def serialized(servable_id: ServableId, signature_name: str) -> bytes:
    """The ``model_spec`` of a response: the version that answered, never a label."""
    message = ModelSpecMessage(name=servable_id.name, signature_name=signature_name)
    message.version.value = servable_id.version
    return bytes(message.SerializeToString())
