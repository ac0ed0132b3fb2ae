"""ModelInferRequests for tests, and what they mean by the message class alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.codecs.open_inference.datatypes import DATATYPES
from serving.codecs.open_inference.forms import KnownRequest, Request
from serving.codecs.open_inference.infer import InferRequest
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.protos import message

ModelInferRequest = message("inference.ModelInferRequest")
InferParameter = message("inference.InferParameter")

TYPED: Mapping[DataType, str] = {
    DataType.BOOL: "bool_contents",
    DataType.INT8: "int_contents",
    DataType.INT16: "int_contents",
    DataType.INT32: "int_contents",
    DataType.INT64: "int64_contents",
    DataType.UINT8: "uint_contents",
    DataType.UINT16: "uint_contents",
    DataType.UINT32: "uint_contents",
    DataType.UINT64: "uint64_contents",
    DataType.FLOAT: "fp32_contents",
    DataType.DOUBLE: "fp64_contents",
    DataType.STRING: "bytes_contents",
}


def request(**fields: Any) -> Any:
    """A request for model ``m`` without inputs."""
    return ModelInferRequest(**({"model_name": "m"} | fields))


def add_raw(made: Any, name: str, tensor: Tensor) -> Any:
    """The request with an input more, in its raw form."""
    made.inputs.add(name=name, datatype=DATATYPES[tensor.dtype], shape=tensor.array.shape)
    made.raw_input_contents.append(raw_of(tensor))
    return made


def add_typed(made: Any, name: str, tensor: Tensor) -> Any:
    """The request with an input more, in its typed contents."""
    each = made.inputs.add(name=name, datatype=DATATYPES[tensor.dtype], shape=tensor.array.shape)
    getattr(each.contents, TYPED[tensor.dtype]).extend(tensor.array.ravel().tolist())
    return made


def raw_of(tensor: Tensor) -> bytes:
    """The bytes that the protocol has for a tensor, value by value."""
    if tensor.dtype is not DataType.STRING:
        return tensor.array.tobytes()
    return b"".join(len(value).to_bytes(4, "little") + value for value in tensor.array.ravel().tolist())


def strings(*values: bytes) -> Tensor:
    """A tensor of strings, of one dimension."""
    array = np.empty(len(values), object)
    array[:] = values
    return Tensor(DataType.STRING, array)


def numbers(dtype: DataType, *values: float) -> Tensor:
    """A tensor of numbers, of one dimension."""
    return Tensor(dtype, np.array(values, STORAGE[dtype]))


def whole(given: Request) -> InferRequest:
    """A request of a known form as any other, with its id."""
    if not isinstance(given, KnownRequest):
        return given
    return given.whole()._replace(id=ModelInferRequest.FromString(given.id_field).id)


def meaning(given: Request) -> Any:
    """What can be compared of a request, its tensors to the bit."""
    told = whole(given)
    inputs = {name: (each.dtype, each.shape, bits(each.read())) for name, each in told.inputs.items()}
    return told._asdict() | {"inputs": inputs}


def bits(tensor: Tensor) -> Any:
    """A tensor as it can be compared."""
    array: NDArray[Any] = tensor.array
    return tensor.dtype, array.dtype, array.shape, array.tolist() if array.dtype == object else array.tobytes()
