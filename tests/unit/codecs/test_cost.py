"""What decoding a PredictRequest is estimated to cost: by what it carries and what it asks for, not by trying."""

from typing import Any

import pytest

from serving.codecs.predict import cost
from serving.codecs.protobuf import wire
from serving.core.tensor import DataType
from serving.protos import PredictRequest

INLINE = 1e-3
"""What is done on the spot, at most."""


def request(dtype: DataType, count: int, **fields: Any) -> bytes:
    message = PredictRequest()
    message.model_spec.name = "m"
    proto = message.inputs["x"]
    proto.dtype = dtype
    proto.tensor_shape.dim.add(size=count)
    for name, values in fields.items():
        if isinstance(values, bytes):
            setattr(proto, name, values)
        else:
            getattr(proto, name).extend(values)
    return bytes(message.SerializeToString())


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(request(DataType.FLOAT, 3, float_val=[1, 2, 3]), id="three numbers"),
        pytest.param(request(DataType.FLOAT, 100_000, float_val=[1] * 100_000), id="100,000 numbers"),
        pytest.param(request(DataType.UINT8, 150_528, tensor_content=bytes(150_528)), id="an image"),
        pytest.param(request(DataType.STRING, 10, string_val=[b"text"] * 10), id="ten strings"),
        pytest.param(request(DataType.INT64, 10_000, int64_val=[1] * 10_000), id="10,000 varints"),
        pytest.param(request(DataType.STRING, 1, string_val=[bytes(200_000)]), id="a long string"),
        pytest.param(request(DataType.FLOAT, 2**31), id="so many that it is refused"),
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
        pytest.param(request(DataType.FLOAT, 33_000_000), id="33 million floats declared"),
        pytest.param(request(DataType.STRING, 4_000_000), id="4 million strings declared"),
        pytest.param(request(DataType.STRING, 50_000, tensor_content=bytes(50_000)), id="strings in content"),
        pytest.param(request(DataType.STRING, 50_000, string_val=[b""] * 50_000), id="strings"),
        pytest.param(request(DataType.INT32, 100_000, int_val=[300] * 100_000), id="varints"),
        pytest.param(b"\x12\0" * 20_000, id="empty inputs"),
        pytest.param(b"\x0a\0" * 20_000, id="empty specs"),
        pytest.param(wire.field(b"\x12", wire.field(b"\x12", b"\x12\0" * 20_000)), id="shapes without end"),
        pytest.param(wire.field(b"\x12", wire.field(b"\x12", b"\x2d\0\0\0\0" * 20_000)), id="a tag for each number"),
        pytest.param(b"\xff" * 100_000, id="no message, long"),
    ],
)
def test_dear(payload: bytes) -> None:
    """What a few bytes ask for, strings, varints, and fields without end."""
    assert cost.seconds(payload) > INLINE
