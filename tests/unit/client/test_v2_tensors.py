"""Tensors of the Open Inference Protocol: what is sent is read again, and typed contents are read too."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serving.client import messages, v2_tensors
from tests.server.client.arrays import SHAPES, dtype_of

NAMES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64"),
)


def output(datatype: str, shape: list[int], **contents: Any) -> Any:
    """A tensor as a server answers with."""
    tensor = messages.ModelInferResponse.InferOutputTensor(datatype=datatype, shape=shape)
    for name, values in contents.items():
        getattr(tensor.contents, name).extend(values)
    return tensor


@given(st.data())
def test_numbers(data: st.DataObject) -> None:
    """Every type and shape, bit by bit."""
    dtype = dtype_of(data.draw(st.sampled_from(NAMES)))
    shape = data.draw(SHAPES)
    size = int(np.prod(shape)) * dtype.itemsize
    raw = data.draw(st.binary(min_size=size, max_size=size))
    bits = np.frombuffer(raw, np.uint8)
    array = ((bits % 2).astype(dtype) if dtype.kind == "b" else bits.view(dtype)).reshape(shape)
    tensor = messages.ModelInferRequest.InferInputTensor()
    sent = v2_tensors.fill(tensor, array)
    again = v2_tensors.read(tensor, sent)
    assert (again.dtype, again.shape, again.tobytes()) == (array.dtype, array.shape, array.tobytes())


@given(hnp.arrays(object, SHAPES, elements=st.binary(max_size=300)))
def test_strings(array: Any) -> None:
    """Each has its length before it."""
    tensor = messages.ModelInferRequest.InferInputTensor()
    again = v2_tensors.read(tensor, v2_tensors.fill(tensor, array)) if array.size else array
    assert (again.shape, again.tolist()) == (array.shape, array.tolist())


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (output("BOOL", [2], bool_contents=[True, False]), np.array([True, False])),
        (output("INT8", [1, 1], int_contents=[-8]), np.array([[-8]], np.int8)),
        (output("INT16", [1], int_contents=[-300]), np.array([-300], np.int16)),
        (output("INT32", [1], int_contents=[-70000]), np.array([-70000], np.int32)),
        (output("INT64", [1], int64_contents=[2**40]), np.array([2**40], np.int64)),
        (output("UINT8", [1], uint_contents=[255]), np.array([255], np.uint8)),
        (output("UINT16", [1], uint_contents=[65535]), np.array([65535], np.uint16)),
        (output("UINT32", [1], uint_contents=[2**32 - 1]), np.array([2**32 - 1], np.uint32)),
        (output("UINT64", [1], uint64_contents=[2**64 - 1]), np.array([2**64 - 1], np.uint64)),
        (output("FP32", [], fp32_contents=[0.5]), np.float32(0.5)),
        (output("FP64", [1], fp64_contents=[0.1]), np.array([0.1], np.float64)),
        (output("BYTES", [2], bytes_contents=[b"", b"\xff"]), np.array([b"", b"\xff"], object)),
        (output("FP32", [0]), np.zeros(0, np.float32)),
    ],
)
def test_typed_contents(tensor: Any, expected: Any) -> None:
    """What a server answers with that sends no raw contents."""
    array = v2_tensors.read(tensor, None)
    assert (array.dtype, array.shape, array.tolist()) == (expected.dtype, expected.shape, expected.tolist())


@pytest.mark.parametrize(
    ("tensor", "raw", "error", "expected"),
    [
        pytest.param(
            output("FP32", [2]), b"1234", ValueError, r"expected 2 elements, for the shape \[2\], got 1", id="few"
        ),
        pytest.param(output("FP32", [2]), b"123", ValueError, "elements of 4 bytes, got 3 bytes", id="part"),
        pytest.param(output("FP32", [-1]), b"", ValueError, r"of known shape, got \[-1\]", id="shape"),
        pytest.param(output("FP8", [1]), b"1", TypeError, "got 'FP8'", id="datatype"),
        pytest.param(output("FP16", [1]), None, ValueError, "raw contents for FP16", id="typed halves"),
        pytest.param(output("BYTES", [1]), b"\2\0\0\0a", ValueError, "5 bytes that end in one", id="cut string"),
        pytest.param(output("BYTES", [1]), b"\2\0", ValueError, "2 bytes that end in one", id="cut length"),
        pytest.param(output("INT64", [2], int64_contents=[1]), None, ValueError, "expected 2 elements", id="few typed"),
    ],
)
def test_tensors_that_are_none(tensor: Any, raw: bytes | None, error: type[Exception], expected: str) -> None:
    """The error has what was expected and what came."""
    with pytest.raises(error, match=expected):
        v2_tensors.read(tensor, raw)


def test_names_of_types() -> None:
    """numpy's names, and those of types that it lacks."""
    assert [v2_tensors.dtype_name(each) for each in ("FP32", "BF16", "BYTES", "FP8")] == [
        "float32",
        "bfloat16",
        "string",
        "fp8",
    ]
    assert v2_tensors.read(output("BF16", [1]), b"\x80\x3f").dtype == ml_dtypes.bfloat16
