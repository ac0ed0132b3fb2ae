"""A client of TensorFlow Serving's gRPC API and of v2: numpy arrays in, numpy arrays out, waiting or with asyncio.

Needs numpy, grpcio and protobuf, and neither TensorFlow nor any other part of this server. docs/client.md tells of its
use.
"""

from serving.client.async_client import AsyncClient
from serving.client.client import Client
from serving.client.errors import ServingError
from serving.client.examples import example
from serving.client.futures import PredictFuture
from serving.client.values import (
    CLASSIFY,
    REGRESS,
    Class,
    Metadata,
    ModelConfig,
    ModelState,
    Prediction,
    Signature,
    Task,
    TensorInfo,
    VersionStatus,
)

__all__ = [
    "CLASSIFY",
    "REGRESS",
    "AsyncClient",
    "Class",
    "Client",
    "Metadata",
    "ModelConfig",
    "ModelState",
    "PredictFuture",
    "Prediction",
    "ServingError",
    "Signature",
    "Task",
    "TensorInfo",
    "VersionStatus",
    "example",
]
