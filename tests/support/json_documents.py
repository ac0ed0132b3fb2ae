"""What the tests of predict requests share: readers of documents, and inputs of a model. No tests."""

from collections.abc import Callable

from serving.codecs.json.request import PredictDocument
from serving.core.signature import TensorInfo
from serving.core.tensor import DataType

Reader = Callable[[bytes], PredictDocument]


def infos(**dtypes: DataType) -> dict[str, TensorInfo]:
    return {name: TensorInfo(name=f"{name}:0", dtype=dtype) for name, dtype in dtypes.items()}


X = infos(x=DataType.FLOAT)
AB = infos(a=DataType.FLOAT, b=DataType.INT32)
S = infos(s=DataType.STRING)
