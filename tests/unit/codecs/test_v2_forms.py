"""ModelInferRequests by their forms: whatever was read before, a request is what its message says."""

from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.open_inference import message
from serving.codecs.open_inference.datatypes import DATATYPES
from serving.codecs.open_inference.forms import KnownRequest, Reader, Request
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.errors import ServingError
from tests.support.properties import examples
from tests.unit.codecs.v2_messages import add_raw, add_typed, meaning, numbers, request, strings

FIXED = [dtype for dtype in DATATYPES if dtype is not DataType.STRING]


def payload(*values: float, dtype: DataType = DataType.FLOAT, typed: bool = False, **fields: Any) -> bytes:
    """A request with one input ``x``."""
    made = (add_typed if typed else add_raw)(request(**fields), "x", numbers(dtype, *(values or (1, 2, 3))))
    return bytes(made.SerializeToString())


def taught(*payloads: bytes) -> Reader:
    """A reader that has seen these and kept the form of each."""
    reader = Reader(learn_every=1)
    for each in payloads:
        reader.read(each)
    return reader


def known(data: bytes, found: Request) -> bool:
    """Whether a request was told by its form, and its numbers were not copied."""
    return isinstance(found, KnownRequest) and all(
        np.shares_memory(tensor.array, np.frombuffer(data, np.uint8)) for tensor in found.tensors
    )


ONE, OTHER = payload(1, 2, 3), payload(4, 5, 6)


@pytest.mark.parametrize("dtype", [pytest.param(each, id=DATATYPES[each]) for each in FIXED])
@pytest.mark.parametrize("shape", [(2, 3), (6,), ()], ids=str)
def test_raw_contents_of_every_type(dtype: DataType, shape: tuple[int, ...]) -> None:
    """A request that differs in its numbers alone is neither parsed nor copied."""
    first, second = (
        add_raw(request(), "x", Tensor(dtype, np.full(shape, value, STORAGE[dtype]))).SerializeToString()
        for value in (0, 1)
    )
    found = taught(first).read(second)
    assert known(second, found)
    assert meaning(found) == meaning(message.read(second))


@pytest.mark.parametrize("dtype", [DataType.FLOAT, DataType.DOUBLE])
def test_typed_floats(dtype: DataType) -> None:
    """They lie packed in the message."""
    first, second = (payload(value, 2, dtype=dtype, typed=True) for value in (1, 0.5))
    found = taught(first).read(second)
    assert known(second, found)
    assert meaning(found) == meaning(message.read(second))


def test_id_may_change() -> None:
    """An id of as many bytes is another's of the same form; the field is kept as it came."""
    second = payload(4, 5, 6, id="b4f1-0001")
    found = taught(payload(id="x" * 9)).read(second)
    assert isinstance(found, KnownRequest)
    assert known(second, found)
    assert meaning(found) == meaning(message.read(second))
    assert found.id_field == message.id_field(second)


@pytest.mark.parametrize("given", ["ü-23456", "x" * 200])
def test_ids_that_are_not_told_by_bytes(given: str) -> None:
    """Whether they are text is for the message class to say."""
    data = payload(id=given)
    found = taught(data).read(data)
    assert not isinstance(found, KnownRequest)
    assert found.id == given


def test_id_that_is_no_text_is_refused() -> None:
    """As the message class does."""
    with pytest.raises(DecodeError):
        taught(payload(id="ab")).read(payload(id="ab").replace(b"\x1a\x02ab", b"\x1a\x02\xff\xfe"))


def test_several_inputs_and_everything_beside_them() -> None:
    """Version, parameters and outputs are part of the form."""

    def make(value: float) -> bytes:
        made = add_raw(request(model_version="3"), "b", numbers(DataType.INT64, 7, 8))
        add_raw(made, "a", numbers(DataType.FLOAT, value))
        made.parameters["signature_name"].string_param = "s"
        made.parameters["timeout"].int64_param = 5000
        made.outputs.add(name="y").parameters["classification"].int64_param = 2
        made.outputs.add(name="z")
        return bytes(made.SerializeToString(deterministic=True))

    second = make(2)
    found = taught(make(1)).read(second)
    assert isinstance(found, KnownRequest)
    assert known(second, found)
    assert meaning(found) == meaning(message.read(second))
    assert (found.outline.names, found.outline.classified, found.timeout_ms) == (("b", "a"), True, 5)


def test_keys_tell_calls_apart() -> None:
    """Two forms have one key only if they are bound alike."""

    def key(data: bytes) -> Any:
        found = taught(data).read(data)
        assert isinstance(found, KnownRequest)
        return found.outline.key

    wanted = request()
    wanted.outputs.add(name="y")
    different = [
        payload(),
        payload(dtype=DataType.INT32),
        add_raw(request(), "z", numbers(DataType.FLOAT, 1)).SerializeToString(),
        add_raw(wanted, "x", numbers(DataType.FLOAT, 1)).SerializeToString(),
    ]
    assert len({key(data) for data in different}) == len(different)
    assert key(payload(1)) == key(payload(1, 2)) == key(payload(1, typed=True))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(add_raw(request(), "x", strings(b"a")).SerializeToString(), id="strings"),
        pytest.param(payload(dtype=DataType.INT32, typed=True), id="varints"),
        pytest.param(ONE + b"\x0b\x0c", id="a group"),
        pytest.param(ONE + b"\x1a\0" * 300, id="fields without end"),
        pytest.param(payload(model_version="x" * 5000), id="a long name"),
        pytest.param(payload(id="a") + b"\x1a\x01b", id="two ids"),
        pytest.param(request().SerializeToString(), id="no inputs"),
        pytest.param(add_raw(request(), "x", numbers(DataType.FLOAT)).SerializeToString(), id="no elements"),
    ],
)
def test_odd_requests_have_no_form(data: bytes) -> None:
    """They are read by their message each time, and are what it says."""
    again = taught(data).read(data)
    assert not isinstance(again, KnownRequest)
    assert meaning(again) == meaning(message.read(data))


def test_bools_of_a_known_form_are_zeros_and_ones() -> None:
    """A client may send any byte for true."""
    first = add_raw(request(), "x", numbers(DataType.BOOL, 0, 1, 0)).SerializeToString()
    found = taught(first).read(first.replace(b"\0\1\0", b"\xff\0\2"))
    assert isinstance(found, KnownRequest)
    assert found.tensors[0].array.tobytes() == b"\1\0\1"


KINDS = [
    payload(),
    payload(typed=True),
    payload(id="abcd"),
    payload(dtype=DataType.INT32),
    payload(dtype=DataType.INT32, typed=True),
    add_raw(request(), "x", strings(b"abcd", b"efgh")).SerializeToString(),
]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Requests from few parts, so that many have nearly the same form, some with bytes changed."""
    data = bytearray(draw(st.sampled_from(KINDS)))
    for _ in range(draw(st.integers(0, 2))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


def outcome(read: Any, data: bytes) -> Any:
    """What reading comes to."""
    try:
        return meaning(read(data))
    except DecodeError:
        return "no message"
    except ServingError as error:
        return error.text


@examples(300)
@given(st.lists(requests(), min_size=1, max_size=8))
def test_what_was_read_before_changes_nothing(payloads: list[bytes]) -> None:
    """With all forms learned every request is, to the bit, what its message class makes of it."""
    reader = Reader(learn_every=1)
    for data in payloads:
        assert outcome(reader.read, data) == outcome(message.read, data)
