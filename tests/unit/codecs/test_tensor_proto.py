"""Tensor -> TensorProto: the bytes that protobuf would write, and round trips for every data type."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from serving.codecs.protobuf import tensor_proto
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.protos import TensorProto
from tests.support.properties import examples
from tests.support.tensor_protos import decoded, proto

DTYPES = [pytest.param(dtype, id=dtype.word) for dtype in STORAGE]


def example(dtype: DataType) -> Tensor:
    """Three elements of a data type, told apart."""
    if dtype is DataType.STRING:
        return Tensor(dtype, np.array([b"", b"a\0b", b"\xff" * 300], object))
    return Tensor(dtype, np.array([0, 1, 5], np.int64).astype(STORAGE[dtype]))


def arrays(dtype: DataType) -> st.SearchStrategy[NDArray[Any]]:
    """Arrays of a data type with up to four dimensions."""
    shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
    return hnp.arrays(STORAGE[dtype], shapes, elements=st.binary(max_size=30) if dtype is DataType.STRING else None)


def same(one: Tensor, other: Tensor) -> bool:
    """Equal to the bit; NaNs are told apart by their bits as well."""
    if one.dtype is not other.dtype or one.array.shape != other.array.shape:
        return False
    if one.dtype is DataType.STRING:
        return bool(one.array.tolist() == other.array.tolist())
    return one.array.tobytes() == other.array.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_fields_are_the_messages_own_bytes(dtype: DataType) -> None:
    """What is written by hand is what protobuf writes: dtype, shape, one entry per element in the typed field."""
    tensor = example(dtype)
    encoded = tensor_proto.encode(tensor)
    message = TensorProto.FromString(encoded)
    assert message.SerializeToString(deterministic=True) == encoded
    assert [field.name for field, _ in message.ListFields()] == ["dtype", "tensor_shape", tensor_proto.FIELDS[dtype]]
    assert (message.dtype, [dim.size for dim in message.tensor_shape.dim]) == (dtype, [3])


@pytest.mark.parametrize("dtype", DTYPES)
def test_content_is_the_messages_own_bytes(dtype: DataType) -> None:
    """With ``as_content`` the typed fields stay empty."""
    encoded = tensor_proto.encode(example(dtype), as_content=True)
    message = TensorProto.FromString(encoded)
    assert message.SerializeToString(deterministic=True) == encoded
    assert [field.name for field, _ in message.ListFields()] == ["dtype", "tensor_shape", "tensor_content"]


@pytest.mark.parametrize(
    ("dtype", "values", "field", "expected"),
    [
        (DataType.FLOAT, [1.5, -2.0], "float_val", [1.5, -2.0]),
        (DataType.DOUBLE, [0.1], "double_val", [0.1]),
        (DataType.INT32, [-1, 7], "int_val", [-1, 7]),
        (DataType.INT16, [-300], "int_val", [-300]),
        (DataType.INT8, [-128], "int_val", [-128]),
        (DataType.UINT8, [255], "int_val", [255]),
        (DataType.UINT16, [65535], "int_val", [65535]),
        (DataType.INT64, [-(2**63)], "int64_val", [-(2**63)]),
        (DataType.UINT32, [2**32 - 1], "uint32_val", [2**32 - 1]),
        (DataType.UINT64, [2**64 - 1], "uint64_val", [2**64 - 1]),
        (DataType.BOOL, [True, False], "bool_val", [True, False]),
        (DataType.STRING, [b"a", b""], "string_val", [b"a", b""]),
        (DataType.HALF, [1.0, -2.0], "half_val", [0x3C00, 0xC000]),
        (DataType.BFLOAT16, [0x3F80], "half_val", [0x3F80]),
        (DataType.COMPLEX64, [1 + 2j], "scomplex_val", [1, 2]),
        (DataType.COMPLEX128, [1 - 2j, 3], "dcomplex_val", [1, -2, 3, 0]),
        (DataType.FLOAT8_E5M2, [1, 255], "float8_val", b"\x01\xff"),
    ],
    ids=lambda value: value.word if isinstance(value, DataType) else "",
)
def test_values_lie_in_the_field_of_their_type(dtype: DataType, values: list[Any], field: str, expected: Any) -> None:
    """Each data type has its typed field; halves are bit patterns, complex numbers pairs."""
    message = TensorProto.FromString(tensor_proto.encode(Tensor(dtype, np.array(values, STORAGE[dtype]))))
    found = getattr(message, field)
    assert (found if isinstance(found, bytes) else list(found)) == expected


def test_scalar_has_an_empty_shape() -> None:
    """``tensor_shape`` is there, without dimensions."""
    encoded = tensor_proto.encode(Tensor(DataType.FLOAT, np.array(1, np.float32)))
    assert TensorProto.FromString(encoded).HasField("tensor_shape")


@pytest.mark.parametrize("as_content", [False, True], ids=["fields", "content"])
def test_tensor_without_elements_has_only_its_shape(as_content: bool) -> None:
    """Neither form writes an empty field."""
    encoded = tensor_proto.encode(Tensor(DataType.INT64, np.empty((2, 0), np.int64)), as_content=as_content)
    assert encoded == proto(DataType.INT64, (2, 0)).SerializeToString()


def test_large_tensor_has_long_lengths() -> None:
    """Lengths and sizes of more than seven bits are written right."""
    tensor = Tensor(DataType.FLOAT, np.arange(200_000, dtype=np.float32).reshape(1000, 200))
    assert same(decoded(TensorProto.FromString(tensor_proto.encode(tensor))), tensor)


def test_strided_array_is_written_in_its_own_order() -> None:
    """A transposed view is written as it reads."""
    tensor = Tensor(DataType.FLOAT, np.arange(6, dtype=np.float32).reshape(2, 3).T)
    assert same(decoded(TensorProto.FromString(tensor_proto.encode(tensor))), tensor)


@pytest.mark.parametrize("as_content", [False, True], ids=["fields", "content"])
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
@examples(20)
def test_round_trip(dtype: DataType, as_content: bool, data: st.DataObject) -> None:
    """Every data type in either form comes back to the bit, and is the wire that protobuf writes."""
    tensor = Tensor(dtype, data.draw(arrays(dtype)))
    encoded = tensor_proto.encode(tensor, as_content=as_content)
    message = TensorProto.FromString(encoded)
    assert message.SerializeToString(deterministic=True) == encoded
    assert same(decoded(message), tensor)
