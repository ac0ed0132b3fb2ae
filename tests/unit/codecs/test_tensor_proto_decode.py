"""TensorProto -> Tensor: TensorFlow's rules for counts of values and for contents, and what is no tensor."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.protobuf import tensor_proto
from serving.core.tensor import STORAGE, DataType
from serving.protos import TensorProto
from tests.support.tensor_protos import decoded, proto

NO_PLAIN_TENSORS = [DataType.INVALID, DataType.RESOURCE, DataType.VARIANT]


@pytest.mark.parametrize(
    ("shape", "values", "expected"),
    [
        pytest.param((3,), [1, 2, 3], [1, 2, 3], id="exact"),
        pytest.param((4,), [1, 2], [1, 2, 2, 2], id="the last is repeated"),
        pytest.param((2,), [], [0, 0], id="none are zeros"),
        pytest.param((2,), [1, 2, 3], [1, 2], id="surplus is ignored"),
        pytest.param((2, 2), [7], [[7, 7], [7, 7]], id="one fills a matrix"),
        pytest.param((0,), [1], [], id="no elements"),
        pytest.param((), [5], 5, id="scalar"),
        pytest.param((), [], 0, id="scalar of nothing"),
    ],
)
@pytest.mark.parametrize(
    "dtype", [DataType.FLOAT, DataType.INT32, DataType.INT8, DataType.INT64, DataType.UINT64], ids=lambda d: d.word
)
def test_count_of_values_need_not_fit(
    dtype: DataType, shape: tuple[int, ...], values: list[int], expected: Any
) -> None:
    """Fewer values than elements, or more, are TensorFlow's to interpret."""
    message = proto(dtype, shape, **{tensor_proto.FIELDS[dtype]: values})
    assert decoded(message).array.tolist() == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(proto(DataType.STRING, (3,), string_val=[b"a", b"b"]), [b"a", b"b", b"b"], id="strings repeat"),
        pytest.param(proto(DataType.STRING, (2,)), [b"", b""], id="no strings"),
        pytest.param(proto(DataType.BOOL, (3,), bool_val=[True]), [True] * 3, id="bools repeat"),
        pytest.param(proto(DataType.COMPLEX64, (2,), scomplex_val=[1, 2]), [1 + 2j] * 2, id="complex repeats"),
        pytest.param(proto(DataType.COMPLEX64, (1,), scomplex_val=[1, 2, 3]), [1 + 2j], id="half a complex number"),
        pytest.param(proto(DataType.COMPLEX128, (1,)), [0j], id="no complex"),
        pytest.param(proto(DataType.HALF, (2,), half_val=[0x3C00]), [1, 1], id="halves repeat"),
        pytest.param(proto(DataType.FLOAT8_E4M3FN, (2,), float8_val=b"\x07"), [7, 7], id="float8 repeats"),
        pytest.param(proto(DataType.FLOAT8_E4M3FN, (1,)), [0], id="no float8"),
    ],
)
def test_count_of_values_of_other_types(message: Any, expected: list[Any]) -> None:
    """The same rules for the types that are stored otherwise."""
    assert decoded(message).array.tolist() == expected


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        (DataType.UINT8, -1, 255),
        (DataType.UINT8, 256, 0),
        (DataType.INT8, 200, -56),
        (DataType.INT16, 2**16 + 3, 3),
        (DataType.BFLOAT16, 2**16 + 0x3F80, 0x3F80),
    ],
    ids=lambda value: value.word if isinstance(value, DataType) else str(value),
)
def test_wide_values_wrap(dtype: DataType, value: int, expected: int) -> None:
    """A value beyond its narrow type wraps, as TensorFlow's cast does."""
    message = proto(dtype, (1,), **{tensor_proto.FIELDS[dtype]: [value]})
    assert decoded(message).array.tolist() == [expected]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(proto(DataType.FLOAT, (1,), tensor_content=b"\0\0\x80\x3f"), [1], id="float"),
        pytest.param(proto(DataType.BOOL, (2,), tensor_content=b"\0\x01"), [False, True], id="bool"),
        pytest.param(proto(DataType.FLOAT, (0,), tensor_content=b"\0"), [], id="no elements"),
        pytest.param(proto(DataType.STRING, (2,), tensor_content=b"\x01\x02abb"), [b"a", b"bb"], id="strings"),
        pytest.param(proto(DataType.STRING, (2,), tensor_content=b"\0\0"), [b"", b""], id="empty strings"),
        pytest.param(
            proto(DataType.STRING, (1,), tensor_content=b"\x80\x01" + b"a" * 128), [b"a" * 128], id="long string"
        ),
    ],
)
def test_content(message: Any, expected: list[Any]) -> None:
    """``tensor_content`` is the array's memory, little-endian; for strings the lengths, then the bytes."""
    assert decoded(message).array.tolist() == expected


def test_content_wins_over_fields() -> None:
    """A message with both is read from ``tensor_content``."""
    message = proto(DataType.INT32, (1,), int_val=[1], tensor_content=b"\x02\0\0\0")
    assert decoded(message).array.tolist() == [2]


@pytest.mark.parametrize(
    "message",
    [
        *[pytest.param(proto(number, ()), id=number.word) for number in NO_PLAIN_TENSORS],
        pytest.param(proto(101, ()), id="reference"),
        pytest.param(proto(12345, ()), id="unknown dtype"),
        pytest.param(proto(DataType.FLOAT, (-1,)), id="negative size"),
        pytest.param(proto(DataType.FLOAT, (2**62, 2)), id="2**63 elements"),
        pytest.param(proto(DataType.FLOAT, (2**62, 2**62, 0)), id="overflow before a zero"),
        pytest.param(proto(DataType.FLOAT, (0, 2**63 - 1)), id="sizes beyond numpy"),
        pytest.param(proto(DataType.FLOAT, (1,) * 65), id="rank beyond numpy"),
        pytest.param(proto(DataType.FLOAT, (2**40,), float_val=[1]), id="a terabyte of one value"),
        pytest.param(proto(DataType.STRING, (2**40,)), id="a terabyte of empty strings"),
        pytest.param(proto(DataType.DOUBLE, (2**24 + 2,), double_val=[1]), id="128 MiB beyond what is there"),
        pytest.param(proto(DataType.STRING, (2**22 + 1,)), id="four million strings"),
        pytest.param(proto(DataType.STRING, (2**20,), string_val=[b"x" * 128]), id="a string repeated too often"),
        pytest.param(proto(DataType.FLOAT, (2,), tensor_content=b"\0" * 7), id="content too short"),
        pytest.param(proto(DataType.FLOAT, (2,), tensor_content=b"\0" * 9), id="content too long"),
        pytest.param(proto(DataType.STRING, (2,), tensor_content=b"\x01"), id="string lengths missing"),
        pytest.param(proto(DataType.STRING, (1,), tensor_content=b"\x02a"), id="string too short"),
        pytest.param(proto(DataType.STRING, (1,), tensor_content=b"\x01ab"), id="strings too long"),
        pytest.param(proto(DataType.STRING, (1,), tensor_content=b"\x80" * 6 + b"\x01"), id="endless length"),
        pytest.param(proto(DataType.STRING, (2**60,), tensor_content=b"\0"), id="more strings than content"),
    ],
)
def test_what_cannot_be_parsed_is_none(message: Any) -> None:
    """Where TensorFlow refuses, or memory would be asked for without end, there is no tensor."""
    assert tensor_proto.decode(message) is None


@pytest.mark.parametrize(
    ("shape", "fields", "expected"),
    [
        pytest.param((2,), {"float_val": [1, 2]}, [1.0, 2.0], id="dimensions"),
        pytest.param((2, 2), {"float_val": [1]}, [[1.0, 1.0], [1.0, 1.0]], id="last repeated"),
        pytest.param((1,), {"tensor_content": b"\0\0\x80\x3f"}, [1.0], id="content"),
        pytest.param((), {"float_val": [1, 2]}, 1.0, id="none"),
    ],
)
def test_unknown_rank_does_not_count(shape: tuple[int, ...], fields: dict[str, Any], expected: Any) -> None:
    """A shape that says that its rank is unknown is taken by its dimensions, as TensorFlow's ``parse_tensor`` does."""
    message = proto(DataType.FLOAT, shape, **fields)
    message.tensor_shape.unknown_rank = True
    assert decoded(message).array.tolist() == expected


def test_missing_shape_is_a_scalar() -> None:
    """A message without ``tensor_shape`` has no dimensions."""
    assert decoded(TensorProto(dtype=DataType.FLOAT, float_val=[3])).array.shape == ()


def test_most_dimensions_pass() -> None:
    """numpy's greatest rank is accepted."""
    assert decoded(proto(DataType.FLOAT, (1,) * 64, float_val=[3])).array.ndim == 64


def messages() -> st.SearchStrategy[Any]:
    """TensorProtos of every kind of disorder: sizes, counts and contents that fit together or do not."""
    sizes = st.integers(0, 3) | st.integers(-(2**63), 2**63 - 1)
    return st.builds(
        proto,
        st.sampled_from(list(DataType)) | st.integers(-1, 140),
        st.lists(sizes, max_size=4).map(tuple) | st.integers(60, 300).map(lambda rank: (1,) * rank),
        tensor_content=st.just(b"") | st.binary(max_size=40),
        float_val=st.lists(st.floats(width=32), max_size=5),
        int_val=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5),
        half_val=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5),
        string_val=st.lists(st.binary(max_size=5), max_size=5),
        scomplex_val=st.lists(st.floats(width=32), max_size=5),
        bool_val=st.lists(st.booleans(), max_size=5),
        uint64_val=st.lists(st.integers(0, 2**64 - 1), max_size=5),
        float8_val=st.binary(max_size=5),
    )


@given(messages())
def test_any_message_is_a_tensor_or_none(message: Any) -> None:
    """No message makes decoding raise; what comes out has the shape that was asked for."""
    tensor = tensor_proto.decode(message)
    if tensor is not None:
        assert tensor.array.shape == tuple(dim.size for dim in message.tensor_shape.dim)
        assert (tensor.dtype, tensor.array.dtype) == (message.dtype, STORAGE[DataType(message.dtype)])


@pytest.mark.parametrize("dtype", [DataType.FLOAT, DataType.STRING, DataType.COMPLEX128], ids=lambda d: d.word)
def test_refusing_a_huge_tensor_takes_no_memory(dtype: DataType) -> None:
    """The size is looked at before memory is asked for."""
    message = proto(dtype, (2**31,), **{tensor_proto.FIELDS[dtype]: [b"x" if dtype is DataType.STRING else 1]})
    tracemalloc.start()
    try:
        assert tensor_proto.decode(message) is None
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", [b"\xff\0\x80", b"\2\0\1"], ids=["high bytes", "low bytes"])
def test_bools_of_any_bytes_can_be_sent_again(content: bytes) -> None:
    """In ``tensor_content`` any byte but 0 is true; on its way out it is a 1, for as a number it may be cut off."""
    tensor = decoded(proto(DataType.BOOL, (3,), tensor_content=content))
    assert tensor.array.tobytes() == b"\1\0\1"
    assert list(TensorProto.FromString(tensor_proto.encode(tensor)).bool_val) == [True, False, True]
