"""The message classes of ``messages.proto``, in a descriptor pool of their own.

Not the official classes, and never registered beside them: TensorFlow may be imported in the same process.
``messages.binpb`` is what the compiler makes of ``messages.proto``; ``build/client_messages.py`` writes it.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import EncodeError
from google.protobuf.message_factory import GetMessageClass

PACKAGE = "tensorflow_serving_appliance.client"

Message = Any
"""A message of ``messages.proto``: classes made from descriptors have no types that a checker could use."""


def _load_pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(Path(__file__).with_suffix(".binpb").read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


POOL = _load_pool()


def message(name: str) -> Any:
    """The class of a message by its name in ``messages.proto``. KeyError if there is none."""
    return GetMessageClass(POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))


def serialised(filled: Message, *, deterministic: bool = False) -> bytes:
    """The bytes of a message. ValueError if they are more than protobuf's 2 GiB."""
    try:
        data = bytes(filled.SerializeToString(deterministic=deterministic))
    except EncodeError:  # ours have neither required fields nor recursion, so that their size is all it can be
        data = None
    # Some messages over the limit can be written nevertheless, and no server could read them.
    if data is None or len(data) >= 2**31:
        raise ValueError(f"a {type(filled).__name__} over 2 GiB is more than protobuf can carry; send it in parts")
    return data


def _names(enum: str) -> Mapping[int, str]:
    values = POOL.FindEnumTypeByName(f"{PACKAGE}.{enum}").values
    return MappingProxyType({value.number: value.name for value in values})


DATA_TYPES = _names("DataType")
"""The names of TensorFlow's data types, ``DT_FLOAT`` and so on, by their numbers."""

STATES = _names("ModelVersionStatus.State")
"""The names of a version's states by their numbers."""

TensorProto = message("TensorProto")
Example = message("Example")
Input = message("Input")
ModelSpec = message("ModelSpec")
PredictRequest = message("PredictRequest")
PredictResponse = message("PredictResponse")
ClassificationRequest = message("ClassificationRequest")
ClassificationResponse = message("ClassificationResponse")
RegressionRequest = message("RegressionRequest")
RegressionResponse = message("RegressionResponse")
MultiInferenceRequest = message("MultiInferenceRequest")
MultiInferenceResponse = message("MultiInferenceResponse")
GetModelMetadataRequest = message("GetModelMetadataRequest")
GetModelMetadataResponse = message("GetModelMetadataResponse")
SignatureDefMap = message("SignatureDefMap")
GetModelStatusRequest = message("GetModelStatusRequest")
GetModelStatusResponse = message("GetModelStatusResponse")
ReloadConfigRequest = message("ReloadConfigRequest")
ReloadConfigResponse = message("ReloadConfigResponse")
ServerLiveRequest = message("ServerLiveRequest")
ServerLiveResponse = message("ServerLiveResponse")
ModelReadyRequest = message("ModelReadyRequest")
ModelReadyResponse = message("ModelReadyResponse")
ModelMetadataRequest = message("ModelMetadataRequest")
ModelMetadataResponse = message("ModelMetadataResponse")
ModelInferRequest = message("ModelInferRequest")
ModelInferResponse = message("ModelInferResponse")
RepositoryIndexRequest = message("RepositoryIndexRequest")
RepositoryIndexResponse = message("RepositoryIndexResponse")
