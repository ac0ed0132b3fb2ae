"""The hand-written corner of protobuf's wire format agrees with the message classes."""

from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from serving.codecs.protobuf import wire
from serving.protos import MetaGraphDef, TensorProto


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_varint_is_protobufs(number: int) -> None:
    """A varint is what a message class writes for the same number."""
    assert TensorProto(version_number=min(number, 2**31 - 1)).SerializeToString() in (
        b"" if number == 0 else b"\x18" + wire.varint(min(number, 2**31 - 1)),
    )


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int32, np.int64, np.uint32, np.uint64], ids=str)
@given(data=st.data())
def test_varints_are_protobufs(kind: type[np.generic], data: st.DataObject) -> None:
    """Few numbers or many, of any width and sign: what a message class writes into a packed field."""
    shapes = st.lists(st.integers(1, 20), min_size=1, max_size=2).map(tuple)
    array: NDArray[Any] = data.draw(hnp.arrays(kind, shapes))
    field = "uint64_val" if kind is np.uint64 else "int64_val"
    written = TensorProto(**{field: array.ravel().tolist()}).SerializeToString()
    assert written == wire.field(b"\x8a\x01" if kind is np.uint64 else b"\x52", wire.varints(array))


@given(st.binary(max_size=300))
def test_field_is_protobufs(value: bytes) -> None:
    """A length-delimited field is what a message class writes; it omits only the empty value."""
    assert TensorProto(tensor_content=value).SerializeToString() == (wire.field(b"\x22", value) if value else b"")


def test_only_field_keeps_one_field_and_drops_the_rest() -> None:
    """Signatures survive, in order; the graph and the rest of a MetaGraphDef do not."""
    meta_graph = MetaGraphDef()
    meta_graph.meta_info_def.tags.append("serve")
    meta_graph.graph_def.node.add(name="n", op="NoOp")
    meta_graph.signature_def["one"].method_name = "m1"
    meta_graph.signature_def["two"].method_name = "m2"
    kept = MetaGraphDef.FromString(wire.only_field(meta_graph.SerializeToString(), 5))
    assert {name: kept.signature_def[name].method_name for name in kept.signature_def} == {"one": "m1", "two": "m2"}
    assert [field.name for field, _ in kept.ListFields()] == ["signature_def"]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"\x08\x96\x01", id="varint"),
        pytest.param(b"\x09" + bytes(8), id="64 bits"),
        pytest.param(b"\x0d" + bytes(4), id="32 bits"),
        pytest.param(b"\x0a\x03abc", id="length-delimited"),
    ],
)
def test_only_field_passes_over_every_wire_type(message: bytes) -> None:
    """A field of any wire type is skipped whole, and kept whole when it is the one wanted."""
    wanted = b"\x2a\x01x"
    assert wire.only_field(message + wanted + message, 5) == wanted
    assert wire.only_field(message + wanted + message, 1) == message + message


def test_only_field_refuses_what_is_no_message() -> None:
    """Groups, which no message here has, are named with their place."""
    with pytest.raises(ValueError, match="wire type 3 at byte 0"):
        wire.only_field(b"\x0b", 1)


@pytest.mark.parametrize("step", [10, 2**20], ids=["small steps", "one step"])
@given(values=st.lists(st.integers(0, 300) | st.integers(0, 2**64 - 1), max_size=20))
def test_numbers_are_what_was_written(step: int, values: list[int]) -> None:
    """Varints of any length, also where a step ends within one."""
    data = b"".join(map(wire.varint, values))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "STEP", step)
        assert wire.numbers(data).tolist() == values
        assert wire.numbers(data, np.int32).tolist() == np.array(values, np.uint64).astype(np.int32).tolist()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"\1\x80", "cut off", id="cut off"),
        pytest.param(b"\1" + b"\x80" * 10 + b"\1", "more than 10 bytes", id="too long"),
        pytest.param(b"\x80" * 40 + b"\1", "more than 10 bytes", id="beyond a step"),
    ],
)
def test_no_numbers(data: bytes, text: str) -> None:
    """What protobuf refuses is refused."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "STEP", 20)
        with pytest.raises(ValueError, match=text):
            wire.numbers(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x0a\5abc", id="longer than there is"),
        pytest.param(b"\x08\x80", id="number cut off"),
        pytest.param(b"\x08" + b"\x80" * 10 + b"\1", id="number too long"),
        pytest.param(b"\x8a\x80\x80\x80\x80\0\0", id="tag too long"),
        pytest.param(b"\x0a\x81\x80\x80\x80\x80\0a", id="length too long"),
        pytest.param(b"\2\0", id="field 0"),
        pytest.param(b"\x0d\0\0", id="32 bits cut off"),
        pytest.param(b"\x0e", id="wire type 6"),
    ],
)
def test_no_field(data: bytes) -> None:
    """protobuf refuses them as well."""
    with pytest.raises(ValueError, match="byte"):
        wire.field_at(data, 0, len(data))
    with pytest.raises(DecodeError):
        TensorProto.FromString(data)


@given(st.lists(st.binary(max_size=20) | hnp.arrays(np.complex64, hnp.array_shapes(min_side=0)), max_size=5))
def test_joined(parts: list[Any]) -> None:
    """Bytes and arrays of any shape, whether they are few bytes or many."""
    buffers = [part if isinstance(part, bytes) else part.data for part in parts]
    expected = b"".join(bytes(part) for part in buffers)
    assert wire.joined(buffers) == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "STEP", 0)
        assert wire.joined(buffers) == expected
