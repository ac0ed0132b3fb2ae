"""What a server and a model say of themselves to clients of the Open Inference Protocol, whichever way they ask.

The mappings have the names of the protocol's JSON members, which are those of its gRPC messages as well.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from serving.codecs.open_inference.datatypes import DATATYPES, NO_DATATYPE, config_type
from serving.core.servable import ServableId
from serving.core.signature import Signature, TensorInfo

PLATFORM = "tensorflow_savedmodel"
_BACKEND = "tensorflow"

SERVER_NAME = "tensorflow-serving-appliance"
EXTENSIONS = (
    "classification",
    "model_configuration",
    "model_repository",
    "binary_tensor_data",
    "parameters",
    "statistics",
)
"""What there is beside the protocol itself, in the words that Triton has for it."""


class ModelDescription(NamedTuple):
    """One version as one of its signatures shows it; ``versions`` are those that can be asked for, highest first."""

    id: ServableId
    versions: tuple[int, ...]
    signature: Signature


def server_metadata(version: str) -> dict[str, Any]:
    """The answer to a question for the server's metadata."""
    return {"name": SERVER_NAME, "version": version, "extensions": list(EXTENSIONS)}


def metadata(model: ModelDescription) -> dict[str, Any]:
    """The answer to a question for a model's metadata: shapes with the batch dimension, -1 for an unknown size."""
    return {
        "name": model.id.name,
        "versions": [str(version) for version in reversed(model.versions)],
        "platform": PLATFORM,
        "inputs": _tensors(model.signature.inputs),
        "outputs": _tensors(model.signature.outputs),
    }


def config(model: ModelDescription) -> dict[str, Any]:
    """The same as Triton's ModelConfig.

    ``max_batch_size`` 0 says that ``dims`` are whole shapes, which they are: no dimension is left out of them.
    """
    return {
        "name": model.id.name,
        "platform": PLATFORM,
        "backend": _BACKEND,
        "version_policy": {"specific": {"versions": sorted(model.versions)}},
        "max_batch_size": 0,
        "input": _config_tensors(model.signature.inputs),
        "output": _config_tensors(model.signature.outputs),
    }


def _tensors(ends: Mapping[str, TensorInfo]) -> list[dict[str, Any]]:
    return [
        {"name": name, "datatype": DATATYPES.get(info.dtype, NO_DATATYPE), "shape": list(_shape(info))}
        for name, info in ends.items()
    ]


def _config_tensors(ends: Mapping[str, TensorInfo]) -> list[dict[str, Any]]:
    return [
        {"name": name, "data_type": config_type(info.dtype), "dims": list(_shape(info))} for name, info in ends.items()
    ]


def _shape(info: TensorInfo) -> tuple[int, ...]:
    """A tensor of unknown rank has one dimension of unknown size here: the protocol cannot say less."""
    return (-1,) if info.shape is None else info.shape
