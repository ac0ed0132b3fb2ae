"""Metadata: the signatures of a model version as it was loaded (docs/grpc.md, "Metadata")."""

from collections.abc import Sequence
from typing import Any

from serving.core.servable import Servable
from serving.errors import invalid_argument
from serving.protos import SignatureDefMap

SIGNATURE_DEF = "signature_def"


def check_fields(fields: Sequence[str]) -> None:
    """INVALID_ARGUMENT unless the one known field is asked for, and nothing else."""
    if not fields:
        raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
    for field in fields:
        if field != SIGNATURE_DEF:
            raise invalid_argument(f"Metadata field {field} is not supported")


def signature_def_map(servable: Servable) -> Any:
    """Every signature of the MetaGraph as a SignatureDefMap message."""
    signatures = SignatureDefMap()
    for name, definition in servable.signature_defs.items():
        signatures.signature_def[name].CopyFrom(definition)
    return signatures
