"""The only place that decides where message classes come from.

The official packages import all of TensorFlow. The same descriptors, taken from them by ``build/descriptors.py``, go
into a private pool here, so that they never meet the ones that a real ``import tensorflow`` registers.
"""

from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

Message = Any
"""A protobuf message: generated classes have no types that a checker could use."""


def _load_pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(Path(__file__).with_suffix(".binpb").read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


POOL = _load_pool()


def message(full_name: str) -> Any:
    """The message class of a full proto name such as ``tensorflow.TensorProto``. KeyError if the wire has none."""
    return GetMessageClass(POOL.FindMessageTypeByName(full_name))


TensorProto = message("tensorflow.TensorProto")
TensorShapeProto = message("tensorflow.TensorShapeProto")
SignatureDef = message("tensorflow.SignatureDef")
MetaGraphDef = message("tensorflow.MetaGraphDef")
ConfigProto = message("tensorflow.ConfigProto")
RunOptions = message("tensorflow.RunOptions")

Example = message("tensorflow.Example")

ModelSpec = message("tensorflow.serving.ModelSpec")
PredictRequest = message("tensorflow.serving.PredictRequest")
PredictResponse = message("tensorflow.serving.PredictResponse")
ClassificationRequest = message("tensorflow.serving.ClassificationRequest")
RegressionRequest = message("tensorflow.serving.RegressionRequest")
MultiInferenceRequest = message("tensorflow.serving.MultiInferenceRequest")
GetModelMetadataRequest = message("tensorflow.serving.GetModelMetadataRequest")
GetModelMetadataResponse = message("tensorflow.serving.GetModelMetadataResponse")
SignatureDefMap = message("tensorflow.serving.SignatureDefMap")
PredictionLog = message("tensorflow.serving.PredictionLog")
LogMetadata = message("tensorflow.serving.LogMetadata")
GetModelStatusRequest = message("tensorflow.serving.GetModelStatusRequest")
GetModelStatusResponse = message("tensorflow.serving.GetModelStatusResponse")
ReloadConfigRequest = message("tensorflow.serving.ReloadConfigRequest")
ReloadConfigResponse = message("tensorflow.serving.ReloadConfigResponse")
BatchingParameters = message("tensorflow.serving.BatchingParameters")
ModelServerConfig = message("tensorflow.serving.ModelServerConfig")
MonitoringConfig = message("tensorflow.serving.MonitoringConfig")
SSLConfig = message("tensorflow.serving.SSLConfig")

HealthCheckRequest = message("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse = message("grpc.health.v1.HealthCheckResponse")
PlatformConfigMap = message("tensorflow.serving.PlatformConfigMap")
SavedModelBundleSourceAdapterConfig = message("tensorflow.serving.SavedModelBundleSourceAdapterConfig")
SavedModelConfig = message("tensorflow.serving.SavedModelConfig")
ThreadPoolFactoryConfig = message("tensorflow.serving.ThreadPoolFactoryConfig")
