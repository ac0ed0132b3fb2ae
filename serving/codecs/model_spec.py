"""ModelSpec messages <-> the address of a request (docs/compatibility.md, "gRPC Predict", steps 1-3)."""

from typing import Any

from serving.core.model_spec import ModelSpec
from serving.core.servable import ServableId
from serving.errors import invalid_argument


def decode(request: Any) -> ModelSpec:
    """The ``model_spec`` of a request message. INVALID_ARGUMENT if it is absent."""
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    spec = request.model_spec
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


def encode(message: Any, servable_id: ServableId, signature_name: str) -> None:
    """Fill the ``model_spec`` of a response: the version that answered, never a label."""
    message.name = servable_id.name
    message.version.value = servable_id.version
    message.signature_name = signature_name
