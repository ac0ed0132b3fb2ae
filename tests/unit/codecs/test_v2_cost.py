"""What decoding a ModelInferRequest is estimated to cost: by what it carries, not by trying."""

import numpy as np
import pytest

from serving.codecs.open_inference import cost
from serving.codecs.protobuf import wire
from serving.core.tensor import STORAGE, DataType, Tensor
from tests.unit.codecs.v2_messages import add_raw, add_typed, request, strings

INLINE = 1e-3
"""What is done on the spot, at most."""


def raw(tensor: Tensor) -> bytes:
    return bytes(add_raw(request(), "x", tensor).SerializeToString())


def typed(tensor: Tensor) -> bytes:
    return bytes(add_typed(request(), "x", tensor).SerializeToString())


def ones(dtype: DataType, count: int) -> Tensor:
    return Tensor(dtype, np.ones(count, STORAGE[dtype]))


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(raw(ones(DataType.FLOAT, 3)), id="three numbers"),
        pytest.param(raw(ones(DataType.UINT8, 600_000)), id="an image"),
        pytest.param(typed(ones(DataType.FLOAT, 100_000)), id="100,000 floats"),
        pytest.param(typed(ones(DataType.INT32, 10_000)), id="10,000 varints"),
        pytest.param(raw(strings(*[b"text"] * 100)), id="100 strings"),
        pytest.param(typed(strings(bytes(200_000))), id="a long string"),
        pytest.param(b"\xff" * 100, id="no message"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_cheap(payload: bytes) -> None:
    """Numbers as they lie, and anything short."""
    assert cost.seconds(payload) < INLINE


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(raw(ones(DataType.UINT8, 2_000_000)), id="two million bytes, which are copied"),
        pytest.param(raw(strings(*[b""] * 50_000)), id="strings, raw"),
        pytest.param(typed(strings(*[b""] * 50_000)), id="strings"),
        pytest.param(typed(ones(DataType.INT32, 100_000)), id="varints"),
        pytest.param(b"\x2a\0" * 20_000, id="empty inputs"),
        pytest.param(b"\x3a\0" * 20_000, id="empty raw contents"),
        pytest.param(wire.field(b"\x2a", b"\x18\1" * 20_000), id="a shape without end"),
        pytest.param(wire.field(b"\x2a", wire.field(b"\x2a", b"\x35\0\0\0\0" * 20_000)), id="a tag for each number"),
        pytest.param(b"\xff" * 100_000, id="no message"),
    ],
)
def test_dear(payload: bytes) -> None:
    """What would hold up an event thread."""
    assert cost.seconds(payload) > INLINE
