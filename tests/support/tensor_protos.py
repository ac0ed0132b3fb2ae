"""What the tests of TensorProtos share: messages, and the tensors that they must have. No tests."""

from typing import Any

from serving.codecs.protobuf import tensor_proto
from serving.core.tensor import STORAGE, Tensor
from serving.protos import TensorProto


def proto(dtype: int, shape: tuple[int, ...], **fields: Any) -> Any:
    """A TensorProto with these dimensions."""
    message = TensorProto(dtype=dtype, **fields)
    message.tensor_shape.SetInParent()
    for size in shape:
        message.tensor_shape.dim.add(size=size)
    return message


def decoded(message: Any) -> Tensor:
    """The tensor of a message that must have one, of the storage that its dtype asks for."""
    tensor = tensor_proto.decode(message)
    assert tensor is not None
    assert tensor.array.dtype == STORAGE[tensor.dtype]
    return tensor
