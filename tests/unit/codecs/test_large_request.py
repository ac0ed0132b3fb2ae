"""PredictRequests read in pieces: what their message class makes of them, tensors to the bit."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.predict import request as predict_request
from serving.codecs.predict.request import PredictRequest, Reader
from serving.codecs.protobuf import model_spec, pieces, tensor_proto, wire
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.protos import PredictRequest as Message
from serving.protos import TensorProto
from tests.wire_messages import field, messages, varint

REPEATED = {name: TensorProto.DESCRIPTOR.fields_by_name[name] for name in set(tensor_proto.FIELDS.values())}


@pytest.fixture(autouse=True, scope="module")
def short_pieces() -> Iterator[None]:
    """Pieces of few bytes, so that short requests have many of them and fields that are long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "_PIECE", 12)
        patch.setattr(pieces, "LARGE", 1)
        yield


def meaning(request: PredictRequest) -> Any:
    """What can be compared of a request; a map has no order."""
    values = {alias: request.tensor(alias) for alias in request.sent}
    return request.spec, {alias: tensor and contents(tensor) for alias, tensor in values.items()}, request.output_filter


def contents(tensor: Tensor) -> Any:
    dtype, array = tensor
    return dtype, array.shape, array.tolist() if dtype is DataType.STRING else array.tobytes()


def check(data: bytes) -> None:
    """In pieces as at once."""
    try:
        expected = meaning(predict_request.of_message(Message.FromString(data)))
    except DecodeError:
        with pytest.raises(DecodeError):
            Reader().read(data)
        return
    assert meaning(Reader().read(data)) == expected
    message = Message.FromString(data)
    assert model_spec.peek(data) == (
        model_spec.decode_spec(message.model_spec) if message.HasField("model_spec") else None
    )


@given(messages())
def test_any_fields(data: bytes) -> None:
    """Whatever the bytes."""
    check(data)


NUMBERS = st.integers(0, 300) | st.integers(0, 2**64 - 1)


@st.composite
def values(draw: st.DrawFn, number: int, *, fixed: int, strings: bool) -> bytes:
    """One occurrence of a typed field: a number, or many packed; or a string."""
    if strings:
        return wire.field(varint(number << 3 | 2), draw(st.binary(max_size=30)))
    if not fixed:
        many = draw(st.lists(NUMBERS, max_size=12))
        if draw(st.booleans()):
            return b"".join(varint(number << 3) + varint(each) for each in many[:4])
        return wire.field(varint(number << 3 | 2), b"".join(map(varint, many)))
    if draw(st.booleans()):
        return varint(number << 3 | {4: 5, 8: 1}[fixed]) + draw(st.binary(min_size=fixed, max_size=fixed))
    size = draw(st.integers(0, 6)) * fixed + draw(st.sampled_from((0, 0, 0, 0, 0, 1)))
    return wire.field(varint(number << 3 | 2), draw(st.binary(min_size=size, max_size=size)))


@st.composite
def tensors(draw: st.DrawFn) -> bytes:
    """TensorProtos whose parts come in any order and often."""
    dtype = draw(st.sampled_from(sorted(STORAGE)))
    name = tensor_proto.FIELDS[dtype]
    width = {"float_val": 4, "scomplex_val": 4, "double_val": 8, "dcomplex_val": 8}.get(name, 0)
    typed = values(REPEATED[name].number, fixed=width, strings=name in ("string_val", "float8_val"))
    sizes = st.lists(st.sampled_from((1, 2, 3, 6)), max_size=3)
    content = st.binary(max_size=40) | st.sampled_from((b"", b"1", bytes(24), b"\0" * 6, b"\2\1\3" + b"a" * 27))
    parts = draw(st.lists(typed, max_size=5))
    parts.append(varint(8) + varint(dtype))
    shapes = [wire.field(b"\x12", b"\x08" + varint(size)) for size in draw(sizes)]
    parts += [wire.field(b"\x12", shape) for shape in shapes] or [b"\x12\0"]
    if draw(st.booleans()):
        parts += [wire.field(b"\x22", each) for each in draw(st.lists(content, max_size=3))]
    if draw(st.integers(0, 4)) == 0:
        parts.append(draw(field(content)))
    return b"".join(draw(st.permutations(parts)))


@given(st.lists(st.tuples(st.sampled_from((b"x", b"z", b"a" * 20)), tensors()), min_size=1, max_size=3), st.data())
def test_any_tensors(inputs: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    """Values of every type: packed or not, in many parts, too few or too many, beside contents; and others between."""
    entries = [wire.field(b"\x12", wire.field(b"\x0a", key) + wire.field(b"\x12", value)) for key, value in inputs]
    others = [b"\x0a\x03\x0a\x01m", b"\x0a\x02\x0a\0", b"\x0a\x04\x12\x02\x08\5", b"\x0a\x03\x22\x01l", b"\x1a\x01y"]
    parts = data.draw(st.permutations(entries + data.draw(st.lists(st.sampled_from(others), max_size=5))))
    check(b"".join(parts))


def long_input(proto: bytes) -> bytes:
    return wire.field(b"\x12", wire.field(b"\x0a", b"x") + wire.field(b"\x12", proto))


CONTENT = b"\x08\x04\x12\x04\x12\x02\x08\x14" + wire.field(b"\x22", b"7" * 20)


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x22\0", id="none"),
        pytest.param(b"\x22\x011", id="one byte"),
        pytest.param(b"\x22\x14" + b"8" * 20, id="long"),
        pytest.param(b"\x38\7", id="a number"),
        pytest.param(b"\x22\0\x38\7", id="none, and a number"),
    ],
)
def test_last_content_counts(later: bytes) -> None:
    """A long content is kept beside the message, until another comes."""
    check(long_input(CONTENT + later))
    check(long_input(CONTENT + later + wire.field(b"\x22", b"9" * 20)))


def test_numbers_are_not_copied() -> None:
    """Packed floats of a large request are a view of it also when its form is not known."""
    data = long_input(b"\x08\x01\x12\x04\x12\x02\x08\x08" + wire.field(b"\x2a", bytes(32)))
    tensor = Reader().read(data).tensor("x")
    assert tensor is not None
    assert np.shares_memory(tensor.array, np.frombuffer(data, np.uint8))


def test_known_form() -> None:
    """A request is known by its form once one like it was read, and not before."""
    data = long_input(b"\x08\x01\x12\x04\x12\x02\x08\x08" + wire.field(b"\x2a", bytes(32)))
    reader = Reader(learn_every=1)
    assert reader.known(data) is None
    reader.read(data)
    known = reader.known(data)
    assert known is not None
    assert meaning(known) == meaning(Reader().read(data))
