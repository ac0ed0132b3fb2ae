"""The client's tensors against ``tf.make_tensor_proto`` and ``tf.make_ndarray``. Imports all of TensorFlow."""

import itertools
from typing import Any

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from numpy.typing import NDArray

from serving.client import tensors
from serving.client.messages import TensorProto
from serving.codecs.protobuf import tensor_proto
from serving.core.tensor import STORAGE, DataType, Tensor
from tests.server.client.arrays import NAMES, arrays, dtype_of, same

OFFICIAL = tuple(name for name in NAMES if not name.endswith("fnuz"))
"""The types that TensorFlow's own functions take."""

VALUES: tuple[Any, ...] = (
    *(1.0, 1, True, "a", b"a\0", 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 1j),
    *([], [[]], [[], []], [1.0, 2], [[1, 2], [3, 4]], [True, False], ["a", "\u00e9"], [b"\0", b"a"], [0.1], [1, 2**40]),
)
"""What users give without numpy."""


def as_official(value: Any) -> Any:
    """What the client sends for a value, as TensorFlow's message."""
    proto = TensorProto()
    tensors.fill(proto, value)
    return tf.make_tensor_proto(0).FromString(proto.SerializeToString())


def readings(array: NDArray[Any]) -> list[str]:
    """Which of the two ways of an array, theirs to ours and ours to theirs, changes it."""
    wrong = []
    if not same(tf.make_ndarray(as_official(array)), array):
        wrong.append("sent")
    native = array.astype(array.dtype.newbyteorder("="))
    theirs = tf.make_tensor_proto(native, shape=array.shape).SerializeToString()
    if not same(tensors.read(TensorProto.FromString(theirs)), array):
        wrong.append("read")
    return wrong


def differing_arrays(name: str) -> list[str]:
    """The arrays of a type that do not come through."""
    found: list[str] = []

    @settings(max_examples=30, deadline=None, database=None, derandomize=True)
    @given(arrays(name))
    def look(array: NDArray[Any]) -> None:
        found.extend(f"{name} {array.shape} {each}" for each in readings(array))

    look()
    return found


def fields_answered() -> list[str]:
    """The types whose typed fields, which servers answer with, are not read as TensorFlow reads them."""
    found = []
    for name, count in itertools.product(OFFICIAL, (3, 5)):
        proto = answered(name)
        proto.tensor_shape.dim[0].size = count  # of 5 elements the last three are the same
        if not same(tensors.read(TensorProto.FromString(proto.SerializeToString())), tf.make_ndarray(proto)):
            found.append(f"{name} {count}")
    return found


def answered(name: str) -> Any:
    """Three elements of a type as a server answers with them, in TensorFlow's message."""
    number = tf.as_dtype(name).as_datatype_enum
    storage = STORAGE[DataType(number)]
    values = np.array([b"", b"a", b"b"], object) if name == "string" else np.array([0, 1, 5]).astype(dtype_of(name))
    array = values if name == "string" else values.view(storage)
    return tf.make_tensor_proto(0).FromString(tensor_proto.encode(Tensor(DataType(number), array)))


def differing_values() -> list[str]:
    """The Python values that TensorFlow would send otherwise."""
    found = []
    for value in VALUES:
        ours, theirs = as_official(value), tf.make_tensor_proto(value)
        if ours.dtype != theirs.dtype or not same(tf.make_ndarray(ours), tf.make_ndarray(theirs)):
            found.append(f"{value!r}: {tf.as_dtype(ours.dtype)}, officially {tf.as_dtype(theirs.dtype)}")
    return found


def compare_tensors() -> dict[str, Any]:
    """All of it."""
    return {
        "arrays": [each for name in OFFICIAL for each in differing_arrays(name)],
        "fields": fields_answered(),
        "values": differing_values(),
    }
