"""SignatureDef messages as Signature values."""

from typing import Any

import pytest

from serving.codecs.protobuf import signature_def
from serving.core.signature import TensorInfo
from serving.core.tensor import DataType
from serving.protos import SignatureDef


def definition(**inputs: int) -> Any:
    """A SignatureDef with scalar inputs of these data types."""
    message = SignatureDef(method_name="tensorflow/serving/predict")
    for alias, dtype in inputs.items():
        message.inputs[alias].name = f"{alias}:0"
        message.inputs[alias].dtype = dtype
        message.inputs[alias].tensor_shape.SetInParent()
    return message


def test_aliases_are_in_sorted_order() -> None:
    """Feeds and fetches have one order, whatever that of the message's maps."""
    message = definition(b=1, c=1, a=1)
    for alias in ("z", "y"):
        message.outputs[alias].name = alias
    signature = signature_def.decode("s", message)
    assert (list(signature.inputs), list(signature.outputs)) == (["a", "b", "c"], ["y", "z"])


def test_names_are_kept() -> None:
    """The signature's own name comes from the map, the method name from the message."""
    signature = signature_def.decode("mine", SignatureDef(method_name="anything"))
    assert (signature.name, signature.method_name) == ("mine", "anything")


def test_shape_has_minus_one_for_unknown_sizes() -> None:
    """Sizes are kept as they are."""
    message = definition(x=DataType.FLOAT)
    message.inputs["x"].tensor_shape.dim.add(size=-1)
    message.inputs["x"].tensor_shape.dim.add(size=3)
    expected = TensorInfo(name="x:0", dtype=DataType.FLOAT, shape=(-1, 3))
    assert signature_def.decode("s", message).inputs["x"] == expected


def test_unknown_rank_is_no_shape() -> None:
    """An unknown rank is told from a scalar."""
    message = definition(unknown=DataType.FLOAT, scalar=DataType.FLOAT)
    message.inputs["unknown"].tensor_shape.unknown_rank = True
    inputs = signature_def.decode("s", message).inputs
    assert (inputs["unknown"].shape, inputs["scalar"].shape) == (None, ())


def test_unknown_rank_with_dimensions() -> None:
    """Where both are said, the dimensions count, in a default value too."""
    message = definition(x=DataType.FLOAT)
    message.inputs["x"].tensor_shape.unknown_rank = True
    message.inputs["x"].tensor_shape.dim.add(size=2)
    default = message.defaults["x"]
    default.dtype = DataType.FLOAT
    default.float_val[:] = [1, 2]
    default.tensor_shape.CopyFrom(message.inputs["x"].tensor_shape)
    signature = signature_def.decode("s", message)
    assert signature.inputs["x"].shape == (2,)
    assert signature.defaults["x"].array.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        pytest.param(1, DataType.FLOAT, id="plain"),
        pytest.param(101, DataType.FLOAT, id="reference"),
        pytest.param(100, DataType.INVALID, id="reference of nothing"),
        pytest.param(99, DataType.INVALID, id="unknown"),
        pytest.param(20, DataType.RESOURCE, id="resource"),
    ],
)
def test_data_types(number: int, expected: DataType) -> None:
    """TF1's references count as their base type, numbers without a meaning as invalid."""
    assert signature_def.decode("s", definition(x=number)).inputs["x"].dtype is expected


def test_defaults_are_tensors() -> None:
    """A default is decoded once, when the model is loaded."""
    message = definition(x=DataType.INT32)
    message.defaults["x"].dtype = DataType.INT32
    message.defaults["x"].int_val.append(7)
    default = signature_def.decode("s", message).defaults["x"]
    assert (default.dtype, default.array.item()) == (DataType.INT32, 7)


def test_unreadable_default_is_none() -> None:
    """A default that is no plain tensor is left out: the input is then required."""
    message = definition(x=DataType.RESOURCE)
    message.defaults["x"].dtype = DataType.RESOURCE
    assert signature_def.decode("s", message).defaults == {}


def test_all_signatures_by_name() -> None:
    """Every signature of a MetaGraph is decoded under its name."""
    decoded = signature_def.decode_all({"one": definition(a=1), "two": definition(b=1)})
    assert {name: (each.name, list(each.inputs)) for name, each in decoded.items()} == {
        "one": ("one", ["a"]),
        "two": ("two", ["b"]),
    }
