"""PredictResponse messages as they are written to the wire."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.predict import response as predict_response
from serving.codecs.protobuf import tensor_proto
from serving.core.servable import ServableId
from serving.core.tensor import DataType, Tensor
from serving.protos import PredictResponse, TensorProto

VERSION_3 = ServableId(name="m", version=3)


def floats(*values: float) -> Tensor:
    return Tensor(DataType.FLOAT, np.array(values, np.float32))


@pytest.mark.parametrize("as_content", [False, True], ids=["fields", "content"])
def test_outputs_and_spec(as_content: bool) -> None:
    """Every alias has its tensor, and the spec says who answered."""
    outputs = {"y": floats(1, 2), "label": Tensor(DataType.STRING, np.array([b"\xff"], object))}
    data = predict_response.encode(outputs, VERSION_3, "serving_default", as_content=as_content)
    response = PredictResponse.FromString(data)
    assert {alias: response.outputs[alias] for alias in response.outputs} == {
        alias: TensorProto.FromString(tensor_proto.encode(tensor, as_content=as_content))
        for alias, tensor in outputs.items()
    }
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 3, "serving_default")


def test_no_outputs() -> None:
    """A filter may leave nothing; the spec is still there."""
    response = PredictResponse.FromString(predict_response.encode({}, VERSION_3, "s", as_content=False))
    assert (len(response.outputs), response.model_spec.name) == (0, "m")


@given(
    st.dictionaries(st.text(max_size=200), st.lists(st.floats(width=32), max_size=50), max_size=1),
    st.text(max_size=200),
    st.integers(0, 2**63 - 1),
)
def test_bytes_are_protobufs_own(outputs: dict[str, list[float]], name: str, version: int) -> None:
    """For any alias, name and size the bytes are those that protobuf writes for the same message."""
    tensors = {alias: floats(*values) for alias, values in outputs.items()}
    servable_id = ServableId(name=name, version=version)
    data = predict_response.encode(tensors, servable_id, "", as_content=False)
    response = PredictResponse()
    for alias, tensor in tensors.items():
        response.outputs[alias].ParseFromString(tensor_proto.encode(tensor))
    response.model_spec.name = name
    response.model_spec.version.value = version
    assert data == response.SerializeToString(deterministic=True)


@pytest.mark.parametrize("as_content", [False, True], ids=["fields", "content"])
def test_megabytes(as_content: bool) -> None:
    """Large outputs, which are put together another way: numbers as they lie, varints, complex numbers, strings."""
    outputs = {
        "floats": Tensor(DataType.FLOAT, np.arange(300_000, dtype=np.float32).reshape(3, -1)),
        "turned": Tensor(DataType.FLOAT, np.arange(300_000, dtype=np.float32).reshape(3, -1).T),
        "ints": Tensor(DataType.INT64, np.arange(-150_000, 150_000)),
        "complex": Tensor(DataType.COMPLEX64, np.arange(300_000, dtype=np.complex64).reshape(3, -1)),
        "strings": Tensor(DataType.STRING, np.array([b"a", b"", b"bc"] * 60_000, object)),
    }
    data = predict_response.encode(outputs, VERSION_3, "s", as_content=as_content)
    response = PredictResponse.FromString(data)
    for alias, (dtype, array) in outputs.items():
        tensor = tensor_proto.decode(response.outputs[alias])
        assert tensor is not None
        assert (tensor.dtype, tensor.array.shape) == (dtype, array.shape)
        assert bool((tensor.array == array).all())
