"""Bodies and answers: what is sent has the example in it, and a wrong answer is not taken for a right one."""

import io
import json

import numpy as np
import pytest

from serving.protos import PredictRequest, PredictResponse
from tests.bench import payloads
from tests.bench.models import NAMES
from tests.bench.payloads import Floats, Form


@pytest.mark.parametrize("model", NAMES)
def test_json_has_the_example(model: str) -> None:
    """The instances are the example, to the bit."""
    sent = json.loads(payloads.body(model, model, Form.JSON))["instances"]
    assert np.array_equal(np.array(sent, np.float32), payloads.example(model))


@pytest.mark.parametrize("model", NAMES)
def test_npy_has_the_example(model: str) -> None:
    """The array is the example."""
    assert np.array_equal(np.load(io.BytesIO(payloads.body(model, model, Form.NPY))), payloads.example(model))


@pytest.mark.parametrize("model", NAMES)
def test_message_has_the_example(model: str) -> None:
    """The tensor is the example, as typed values when it is small, under the name the server knows."""
    request = PredictRequest.FromString(payloads.body(model, "theirs", Form.GRPC))
    tensor = request.inputs["x"]
    values = tensor.float_val if model == "half_plus_two" else np.frombuffer(tensor.tensor_content, np.float32)
    assert request.model_spec.name == "theirs"
    assert np.array_equal(np.reshape(values, [dim.size for dim in tensor.tensor_shape.dim]), payloads.example(model))


def test_frame() -> None:
    """A gRPC message has a flag and four bytes of length before it."""
    assert payloads.framed(b"abc") == b"\0\0\0\0\x03abc"


def _answer(form: Form, y: Floats, *, content: bool = False) -> bytes:
    if form is Form.JSON:
        return json.dumps({"predictions": y.tolist()}).encode()
    if form is Form.NPY:
        file = io.BytesIO()
        np.save(file, y)
        return file.getvalue()
    response = PredictResponse()
    if content:
        response.outputs["y"].tensor_content = y.tobytes()
    else:
        response.outputs["y"].float_val.extend(y.ravel())
    serialized: bytes = response.SerializeToString()
    return serialized


@pytest.mark.parametrize("content", [pytest.param(False, id="values"), pytest.param(True, id="content")])
@pytest.mark.parametrize("form", Form)
def test_answers_are_read(form: Form, content: bool) -> None:
    """The values come back in one row, whatever carried them."""
    y = np.array([[2.5, 3.0], [4.5, 0.1]], np.float32)
    assert np.array_equal(payloads.read(form, _answer(form, y, content=content)), y.ravel())


@pytest.mark.parametrize(
    ("model", "y", "right"),
    [
        pytest.param("half_plus_two", [2.5, 3.0, 4.5], True, id="half plus two"),
        pytest.param("half_plus_two", [2.5, 3.0, 4.6], False, id="half plus two, wrong"),
        pytest.param("half_plus_two", [], False, id="half plus two, nothing"),
        pytest.param("mlp", [0.1] * 10, True, id="probabilities"),
        pytest.param("mlp", [0.2] * 10, False, id="no probabilities"),
        pytest.param("mlp", [1.0], False, id="too few classes"),
        pytest.param("resnet", [0.001] * 1000, True, id="thousand classes"),
    ],
)
def test_right_answers(model: str, y: list[float], right: bool) -> None:
    """A server that answers fast and wrong is not measured."""
    assert payloads.is_right(model, np.array(y, np.float32)) is right
