"""PredictRequests by their forms: whatever was read before, a request is what its message says."""

from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.predict import request as predict_request
from serving.codecs.predict.request import PredictRequest, Reader
from serving.core.model_spec import ModelSpec
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.protos import PredictRequest as Message
from tests.support.properties import examples

FIXED = sorted(set(STORAGE) - {DataType.STRING})


def message(*, dtype: int = DataType.FLOAT, shape: tuple[int, ...] = (3,), alias: str = "x", **fields: Any) -> Any:
    """A request with one input, whose ``fields`` are those of its TensorProto."""
    made = Message(output_filter=["y"])
    made.model_spec.name = "m"
    proto = made.inputs[alias]
    proto.dtype = dtype
    proto.tensor_shape.SetInParent()
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    for name, values in fields.items():
        if isinstance(values, bytes):
            setattr(proto, name, values)
        else:
            getattr(proto, name).extend(values)
    return made


def payload(**fields: Any) -> bytes:
    return bytes(message(**fields).SerializeToString(deterministic=True))


def taught(*payloads: bytes) -> Reader:
    """A reader that has seen these and kept the form of each."""
    reader = Reader(learn_every=1)
    for each in payloads:
        reader.read(each)
    return reader


def meaning(request: PredictRequest) -> Any:
    """What can be compared of a request, its tensors to the bit."""
    tensors = {alias: request.tensor(alias) for alias in request.sent}
    values = {
        alias: tensor and (tensor.dtype, tensor.array.dtype, tensor.array.shape, contents(tensor))
        for alias, tensor in tensors.items()
    }
    return request.spec, values, request.output_filter


def contents(tensor: Tensor) -> Any:
    return tensor.array.tolist() if tensor.dtype is DataType.STRING else tensor.array.tobytes()


def is_view_of(data: bytes, request: PredictRequest, alias: str = "x") -> bool:
    """Whether the numbers were not copied, which is how a form that was known again is told."""
    tensor = request.tensor(alias)
    assert tensor is not None
    return bool(np.shares_memory(tensor.array, np.frombuffer(data, np.uint8)))


ONE, OTHER = payload(float_val=[1, 2, 3]), payload(float_val=[4, 5, 6])


def test_numbers_of_a_known_form_are_views_of_the_payload() -> None:
    """A request that differs in its numbers alone is neither parsed nor copied."""
    request = taught(ONE).read(OTHER)
    assert is_view_of(OTHER, request)
    assert meaning(request) == meaning(predict_request.of_message(Message.FromString(OTHER)))


@pytest.mark.parametrize("dtype", [pytest.param(dtype, id=dtype.word) for dtype in FIXED])
@pytest.mark.parametrize("shape", [(2, 3), (6,), (1, 1, 6)], ids=str)
def test_contents_of_every_data_type(dtype: DataType, shape: tuple[int, ...]) -> None:
    """``tensor_content`` of any numbers has a form."""
    size = 6 * STORAGE[dtype].itemsize
    first, second = (payload(dtype=dtype, shape=shape, tensor_content=bytes([n]) * size) for n in (0, 1))
    request = taught(first).read(second)
    assert is_view_of(second, request)
    assert meaning(request) == meaning(Reader().read(second))


def test_doubles_in_their_typed_field() -> None:
    """As floats; the numbers lie packed in the message."""
    first, second = (payload(dtype=DataType.DOUBLE, double_val=[n, 2, 3]) for n in (0.1, 0.2))
    assert is_view_of(second, taught(first).read(second))


def test_scalar() -> None:
    """No dimension is a shape as any other."""
    first, second = (payload(shape=(), float_val=[n]) for n in (1, 2))
    assert meaning(taught(first).read(second)) == meaning(Reader().read(second))


def two_inputs(x: float, z: float) -> bytes:
    made = message(alias="x", float_val=[x, 0, 0])
    made.inputs["z"].CopyFrom(message(dtype=DataType.DOUBLE, shape=(1,), double_val=[z]).inputs["x"])
    return bytes(made.SerializeToString(deterministic=True))


def test_several_inputs() -> None:
    """Every input has its own place."""
    second = two_inputs(3, 4)
    request = taught(two_inputs(1, 2)).read(second)
    assert is_view_of(second, request, "x")
    assert is_view_of(second, request, "z")
    assert meaning(request) == meaning(Reader().read(second))


def test_difference_between_two_inputs_is_another_form() -> None:
    """What lies between the numbers is compared as well."""
    second = two_inputs(3, 4).replace(b"\x0a\x01z", b"\x0a\x01w")
    assert meaning(taught(two_inputs(1, 2)).read(second)) == meaning(Reader().read(second))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(payload(dtype=DataType.STRING, string_val=[b"abc"] * 3), id="strings"),
        pytest.param(payload(dtype=DataType.STRING, tensor_content=b"\1\1\1abc"), id="strings as content"),
        pytest.param(payload(float_val=[1, 2]), id="too few numbers"),
        pytest.param(payload(float_val=[1, 2, 3, 4]), id="too many numbers"),
        pytest.param(payload(float_val=[1, 2, 3], int_val=[7]), id="a second typed field"),
        pytest.param(payload(dtype=DataType.INT32, int_val=[1, 2, 3]), id="varints"),
        pytest.param(payload(dtype=DataType.INT32, float_val=[1, 2, 3]), id="field of another type"),
        pytest.param(payload(shape=(0,), float_val=[1, 2, 3]), id="no elements"),
        pytest.param(payload(dtype=200, float_val=[1, 2, 3]), id="unknown type"),
        pytest.param(payload(shape=(-1,), float_val=[1, 2, 3]), id="no shape"),
        pytest.param(ONE + b"\x0b\x0c", id="a group"),
        pytest.param(ONE + ONE, id="the same input twice"),
        pytest.param(ONE + b"\x10\x05", id="inputs as a number"),
        pytest.param(ONE + b"\x12\x03\x0a\x01z", id="an input without a value"),
        pytest.param(ONE + b"\x12\x05\x0a\x01z\x12\x00", id="an input of nothing"),
        pytest.param(ONE + b"\x1a\xff\x7f" + b"f" * 16383, id="a long name"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_odd_requests_have_no_form(data: bytes) -> None:
    """They are read by their message each time, and are what it says."""
    again = taught(data).read(data)
    assert meaning(again) == meaning(predict_request.of_message(Message.FromString(data)))
    assert not any(is_view_of(data, again, alias) for alias in again.sent if again.tensor(alias) is not None)


def test_unpacked_numbers_have_no_form() -> None:
    """Old encoders write a tag for each number."""
    packed, unpacked = b"\x2a\x0c" + np.array([1, 2, 3], np.float32).tobytes(), b"\x2d\0\0\x80?" * 3
    entry = ONE.replace(packed, unpacked).replace(b"\x12\x1b\x0a\x01x\x12\x16", b"\x12\x1c\x0a\x01x\x12\x17")
    assert meaning(taught(entry).read(entry)) == meaning(Reader().read(entry))


def test_bytes_that_are_no_message() -> None:
    """The message class says so, also when the length is that of a known form."""
    with pytest.raises(DecodeError):
        taught(ONE).read(b"\xff" * len(ONE))


def test_request_without_a_spec() -> None:
    """There is no model then, which is for the caller to refuse."""
    request = Reader().read(b"")
    assert (request.spec, request.signature_name, request.sent) == (None, "", ())


def test_spec_of_a_known_form() -> None:
    """Name, version, label and signature are part of the form."""
    first, second = message(float_val=[1, 2, 3]), message(float_val=[4, 5, 6])
    for made in (first, second):
        made.model_spec.version.value = 3
        made.model_spec.signature_name = "s"
    request = taught(first.SerializeToString()).read(second.SerializeToString())
    assert (request.spec, request.signature_name) == (ModelSpec("m", version=3, signature_name="s"), "s")


def test_forms_of_one_length_live_together() -> None:
    """Two models with names of the same length are told apart."""
    names = [ONE.replace(b"\x0a\x01m", b"\x0a\x01" + name) for name in (b"a", b"b", b"c")]
    reader = taught(*names)
    for data in names:
        assert is_view_of(data, reader.read(data))
    assert [reader.read(data).spec for data in names] == [ModelSpec("a"), ModelSpec("b"), ModelSpec("c")]


def test_memory_is_bounded() -> None:
    """The oldest length is forgotten; what is used is learned again."""
    reader = taught(*[payload(shape=(size,), tensor_content=bytes(4 * size)) for size in range(1, 400)])
    first, last = (payload(shape=(size,), tensor_content=bytes(4 * size)) for size in (1, 399))
    assert is_view_of(last, reader.read(last))
    forgotten = reader.read(first)
    assert meaning(forgotten) == meaning(Reader().read(first))
    assert not is_view_of(first, forgotten)
    assert is_view_of(first, reader.read(first))


def test_one_in_so_many_is_learned() -> None:
    """Learning costs as much as answering, and is not done for every stranger."""
    reader = Reader(learn_every=3)
    reader.read(b"")
    for _ in range(2):
        assert not is_view_of(ONE, reader.read(ONE))
    reader.read(ONE)
    assert is_view_of(OTHER, reader.read(OTHER))


KINDS: list[dict[str, Any]] = [
    {"float_val": [1, 2, 3]},
    {"float_val": [float("nan"), -0.0, 3]},
    {"tensor_content": bytes(range(12))},
    {"tensor_content": b"\xff" * 12},
    {"dtype": DataType.INT32, "tensor_content": bytes(range(12))},
    {"dtype": DataType.BOOL, "shape": (12,), "tensor_content": bytes(range(12))},
    {"dtype": DataType.STRING, "tensor_content": b"\3\3\3abcdefghi"},
]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Requests from few parts, so that many have the same length and nearly the same form, some with bytes changed."""
    data = bytearray(payload(alias=draw(st.sampled_from("xz")), **draw(st.sampled_from(KINDS))))
    for _ in range(draw(st.integers(0, 2))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


@examples(300)
@given(st.lists(requests(), min_size=1, max_size=8))
def test_what_was_read_before_changes_nothing(payloads: list[bytes]) -> None:
    """With all forms learned every request is, to the bit, what its message class makes of it."""
    reader = Reader(learn_every=1)
    for data in payloads:
        try:
            expected = meaning(predict_request.of_message(Message.FromString(data)))
        except DecodeError:
            with pytest.raises(DecodeError):
                reader.read(data)
        else:
            assert meaning(reader.read(data)) == expected


def test_bools_of_a_known_form_are_zeros_and_ones() -> None:
    """As in a request that is parsed: a client may send any byte for true."""
    first, second = (payload(dtype=DataType.BOOL, tensor_content=content) for content in (b"\0\1\0", b"\xff\0\2"))
    tensor = taught(first).read(second).tensor("x")
    assert tensor is not None
    assert tensor.array.tobytes() == b"\1\0\1"
