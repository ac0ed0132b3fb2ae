"""ModelSpec messages <-> the address of a request (docs/compatibility.md, "gRPC Predict", steps 1-3)."""

from functools import lru_cache
from typing import Any

from serving.core.model_spec import ModelSpec
from serving.core.servable import ServableId
from serving.errors import invalid_argument
from serving.protos import ModelSpec as ModelSpecMessage


def decode(request: Any) -> ModelSpec:
    """The ``model_spec`` of a request message. INVALID_ARGUMENT if it is absent."""
    return present(decode_spec(request.model_spec) if request.HasField("model_spec") else None)


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
