"""What a servable accepts and returns, resolved once when it is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from serving.core.tensor import DataType, Tensor

DEFAULT_SIGNATURE_NAME = "serving_default"

PREDICT_METHOD_NAME = "tensorflow/serving/predict"
CLASSIFY_METHOD_NAME = "tensorflow/serving/classify"
REGRESS_METHOD_NAME = "tensorflow/serving/regress"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """A named end of the graph.

    ``name`` is the graph tensor (``x:0``); ``shape`` has -1 for an unknown size and is None for an unknown rank.
    """

    name: str
    dtype: DataType
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A way to call a servable: aliases of inputs and outputs, in the order of the SignatureDef's sorted aliases."""

    name: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    method_name: str = PREDICT_METHOD_NAME
    defaults: Mapping[str, Tensor] = field(default_factory=dict)
