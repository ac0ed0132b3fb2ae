"""ModelInferRequests: what is read of them is what the message class has, however they are written."""

from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from serving.codecs.open_inference import message
from serving.codecs.open_inference.contents import InferTensorContents
from serving.codecs.open_inference.datatypes import DATATYPES
from serving.codecs.open_inference.infer import WantedOutput
from serving.codecs.protobuf import pieces, wire
from serving.core.model_spec import ModelSpec
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.errors import Code, ServingError
from tests.support.properties import examples
from tests.unit.codecs.v2_messages import (
    TYPED,
    InferParameter,
    ModelInferRequest,
    add_raw,
    add_typed,
    bits,
    numbers,
    raw_of,
    request,
    strings,
)

FIXED = [dtype for dtype in DATATYPES if dtype is not DataType.STRING]
X = numbers(DataType.FLOAT, 1, 2, 5)
MANY = pieces.LARGE


def read(made: Any) -> Any:
    return message.read(made.SerializeToString())


def refused(made: Any) -> str:
    """Why a request is refused, at once or when its tensors are asked for."""
    with pytest.raises(ServingError) as error:
        [each.read() for each in read(made).inputs.values()]
    assert error.value.code is Code.INVALID_ARGUMENT
    return error.value.text


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """Of any type that the protocol has."""
    dtype = draw(st.sampled_from(list(DATATYPES)))
    shape = draw(st_np.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=4))
    if dtype is DataType.STRING:
        array = np.empty(shape, object)
        array[...] = np.array(draw(st.lists(st.binary(max_size=5), min_size=array.size, max_size=array.size)), object)[
            : array.size
        ].reshape(shape)
        return Tensor(dtype, array)
    return Tensor(dtype, draw(st_np.arrays(STORAGE[dtype], shape)))


@examples(200)
@given(st.lists(tensors(), min_size=1, max_size=3), st.booleans())
def test_every_tensor_comes_as_it_was_sent(given: list[Tensor], typed: bool) -> None:
    """Raw, or in typed contents where the type has them."""
    made = request()
    typed = typed and all(tensor.dtype in TYPED for tensor in given)
    for index, tensor in enumerate(given):
        (add_typed if typed else add_raw)(made, f"x{index}", tensor)
    found = read(made).inputs
    assert [bits(found[f"x{index}"].read()) for index in range(len(given))] == [bits(each) for each in given]


@pytest.mark.parametrize("dtype", [pytest.param(each, id=DATATYPES[each]) for each in DATATYPES])
@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
def test_large_tensors_of_every_type(dtype: DataType, typed: bool) -> None:
    """They are read in pieces, beside small ones, in the order in which they were sent."""
    if typed and dtype not in TYPED:
        pytest.skip("has no typed contents")
    size = MANY // (1 if typed else STORAGE[dtype].itemsize)
    if dtype is DataType.STRING:
        large = strings(b"a", b"b" * MANY, *[b"", b"long" * 5] * 200)
    else:
        large = Tensor(dtype, (np.arange(size) % 100).astype(STORAGE[dtype]))
    add, made = (add_typed if typed else add_raw), request(id="7")
    for name, tensor in (("a", numbers(DataType.INT8, 1, -1)), ("b", large), ("c", X)):
        add(made, name, tensor)
    made.outputs.add(name="y")
    found = read(made)
    assert [bits(found.inputs[name].read()) for name in "abc"] == [
        bits(each) for each in (numbers(DataType.INT8, 1, -1), large, X)
    ]
    assert (found.id, found.outputs, found.spec) == ("7", (WantedOutput("y"),), ModelSpec("m"))


def test_large_raw_contents_are_views() -> None:
    """Nothing of a large tensor is copied."""
    data = add_raw(request(), "x", Tensor(DataType.FLOAT, np.ones(MANY, np.float32))).SerializeToString()
    tensor = message.read(data).inputs["x"].read()
    assert np.shares_memory(tensor.array, np.frombuffer(data, np.uint8))


@pytest.mark.parametrize("count", [3, MANY])
def test_contents_in_two_parts_are_one(count: int) -> None:
    """What follows of a message in a message is merged into it, whether it is short or long."""
    halves = [InferTensorContents(fp32_contents=[value] * count) for value in (1, 2)]
    entry = ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[2 * count]).SerializeToString()
    entry += b"".join([wire.field(b"\x2a", half.SerializeToString()) for half in halves])
    tensor = message.read(request().SerializeToString() + wire.field(b"\x2a", entry)).inputs["x"].read()
    assert tensor.array.tolist() == [1] * count + [2] * count


@pytest.mark.parametrize(
    ("version", "expected"),
    [("", ModelSpec("m")), ("3", ModelSpec("m", 3)), ("stable", ModelSpec("m", label="stable"))],
)
def test_versions(version: str, expected: ModelSpec) -> None:
    """None, a number, or a label."""
    made = add_raw(request(model_version=version), "x", X)
    assert read(made).spec == expected
    assert message.peek(made.SerializeToString()) == expected


def test_parameters() -> None:
    """The signature, the time limit, classes; others are passed over."""
    made = add_raw(request(), "x", X)
    made.parameters["signature_name"].string_param = "s"
    made.parameters["timeout"].uint64_param = 1500
    made.parameters["priority"].uint64_param = 2
    made.parameters["mine"].double_param = 0.5
    made.parameters["unset"].SetInParent()
    made.outputs.add(name="y").parameters["classification"].int64_param = 3
    found = read(made)
    assert (found.signature_name, found.timeout_ms, found.outputs) == ("s", 2, (WantedOutput("y", classes=3),))


def spoiled(**changes: Any) -> Any:
    """A good request with its input changed."""
    made = add_raw(request(), "x", X)
    for name, value in changes.items():
        setattr(made.inputs[0], name, value)
    return made


def with_parameter(holder: str, name: str, **choice: Any) -> Any:
    made = add_raw(request(), "x", X)
    made.outputs.add(name="y")
    target = {"request": made, "input": made.inputs[0], "output": made.outputs[0]}[holder]
    target.parameters[name].CopyFrom(InferParameter(**choice))
    return made


def typed(dtype: DataType, **contents: Any) -> Any:
    made = request()
    made.inputs.add(name="x", datatype=DATATYPES[dtype], shape=[2], contents=contents)
    return made


@pytest.mark.parametrize(
    ("made", "text"),
    [
        pytest.param(request(model_name=""), "no model_name", id="no model"),
        pytest.param(request(model_version="9" * 20), "too large", id="version beyond 64 bits"),
        pytest.param(spoiled(datatype="FP8"), 'datatype "FP8"; expected one of BF16', id="unknown datatype"),
        pytest.param(spoiled(datatype=""), 'datatype ""', id="no datatype"),
        pytest.param(spoiled(datatype="FP64"), "12 bytes; expected 24", id="bytes of another type"),
        pytest.param(spoiled(datatype="BYTES"), "not 3 strings", id="no strings"),
        pytest.param(add_raw(add_raw(request(), "x", X), "x", X), "given twice", id="the same input twice"),
        pytest.param(add_typed(add_raw(request(), "x", X), "y", X), "2 inputs and 1 raw", id="mixed"),
        pytest.param(
            add_raw(typed(DataType.FLOAT, fp32_contents=[1, 2]), "y", X), "2 inputs and 1 raw", id="mixed, raw last"
        ),
        pytest.param(typed(DataType.HALF), "no typed contents", id="FP16 typed"),
        pytest.param(typed(DataType.BFLOAT16, fp32_contents=[1, 2]), "no typed contents", id="BF16 typed"),
        pytest.param(typed(DataType.FLOAT, fp32_contents=[1]), "1 values in fp32_contents; expected 2", id="few"),
        pytest.param(typed(DataType.FLOAT), "0 values in fp32_contents; expected 2", id="none"),
        pytest.param(typed(DataType.FLOAT, fp64_contents=[1, 2]), "contents in fp64", id="another field"),
        pytest.param(typed(DataType.INT8, int_contents=[1, 128]), "value 128; expected -128 to 127", id="beyond INT8"),
        pytest.param(typed(DataType.UINT16, uint_contents=[1, 65536]), "value 65536", id="beyond UINT16"),
        pytest.param(with_parameter("request", "timeout", string_param="1"), "timeout", id="timeout as text"),
        pytest.param(with_parameter("request", "signature", int64_param=1), "signature_name", id="signature as number"),
        pytest.param(with_parameter("output", "classification", int64_param=-1), "classification", id="classes"),
        pytest.param(
            with_parameter("input", "shared_memory_region", string_param="r"), "shared memory", id="input in memory"
        ),
        pytest.param(
            with_parameter("output", "shared_memory_region", string_param="r"), "shared memory", id="output in memory"
        ),
    ],
)
def test_refused(made: Any, text: str) -> None:
    """INVALID_ARGUMENT, with what was wrong."""
    assert text in refused(made)


def test_contents_beside_raw_contents_are_refused() -> None:
    """Also where there are as many raw contents as inputs, and where they are read in pieces."""
    for tensor in (X, Tensor(DataType.FLOAT, np.ones(MANY, np.float32))):
        made = add_typed(request(), "x", tensor)
        made.raw_input_contents.append(raw_of(tensor))
        assert "contents beside raw_input_contents" in refused(made)


@pytest.mark.parametrize("shape", [[-1, -3], [2**62, 4], [3, 2**40], [1] * 65], ids=str)
@pytest.mark.parametrize("add", [add_raw, add_typed])
def test_shapes_that_no_tensor_has(shape: list[int], add: Any) -> None:
    """They are refused before anything is made of such a size."""
    made = add(request(), "x", X)
    del made.inputs[0].shape[:]
    made.inputs[0].shape.extend(shape)
    refused(made)


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x7f", b"\x0a\x01\xff", b"\x0b" * 1000, b"\0\0"], ids=repr)
def test_bytes_that_are_no_message(data: bytes) -> None:
    """As the message class says; what such bytes are for cannot be told."""
    with pytest.raises(DecodeError):
        message.read(data)
    assert message.peek(data) is None


def test_peek_says_what_the_message_says() -> None:
    """The last of several names counts, behind whatever number of fields."""
    made = add_raw(request(model_version="2"), "x", X).SerializeToString()
    assert message.peek(made) == ModelSpec("m", 2)
    assert message.peek(made + b"\x0a\x01n") == ModelSpec("n", 2)
    assert message.peek(made + b"\x1a\0" * 100 + b"\x0a\x01n") == ModelSpec("n", 2)
    assert message.read(made + b"\x1a\0" * 100 + b"\x0a\x01n").spec == ModelSpec("n", 2)
    assert message.peek(b"") == ModelSpec("")


def test_id_field() -> None:
    """As it came; the last one; nothing if there is none, or none that is text."""
    assert message.id_field(request(id="abc").SerializeToString()) == b"\x1a\x03abc"
    assert message.id_field(request(id="a").SerializeToString() + b"\x1a\x01b") == b"\x1a\x01b"
    assert message.id_field(request().SerializeToString()) == b""
    assert message.id_field(b"\x1a\x01\xff") == b""
    assert message.id_field(b"\xff") == b""
