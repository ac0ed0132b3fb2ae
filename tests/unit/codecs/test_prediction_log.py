"""Records for warm-up, and REST requests as messages: what the message classes read is what was meant."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.protobuf import prediction_log, tensor_proto
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.model_spec import ModelSpec
from serving.core.tensor import DataType, Tensor
from serving.protos import ClassificationRequest, Example, LogMetadata, PredictionLog, PredictRequest, message

METADATA = LogMetadata(timestamp_secs=7).SerializeToString()
NUMBERS = Tensor(DataType.INT64, np.array([[1, -2]]))
STRINGS = Tensor(DataType.STRING, np.array([b"\xff", b"b"], object))


def example(name: str, value: float) -> Any:
    """An Example of one feature."""
    made = Example()
    made.features.feature[name].float_list.value.append(value)
    return made


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        pytest.param(LogType.PREDICT, "predict_log", id="predict"),
        pytest.param(LogType.CLASSIFY, "classify_log", id="classify"),
        pytest.param(LogType.REGRESS, "regress_log", id="regress"),
        pytest.param(LogType.MULTI_INFERENCE, "multi_inference_log", id="multi-inference"),
    ],
)
def test_record(kind: LogType, field: str) -> None:
    """A record is a PredictionLog of its kind with the three messages it was made of."""
    made = PredictionLog()
    log = getattr(made, field)
    log.request.SetInParent()
    log.response.SetInParent()
    request, response = log.request, log.response
    if kind is LogType.MULTI_INFERENCE:
        request.tasks.add().model_spec.name = "m"
        response.results.add().model_spec.name = "m"
    else:
        request.model_spec.name = response.model_spec.name = "m"
    made.log_metadata.timestamp_secs = 7
    record = prediction_log.encode(kind, METADATA, request.SerializeToString(), response.SerializeToString())
    assert record is not None
    assert PredictionLog.FromString(record) == made


def test_response_that_is_no_text_is_left_out() -> None:
    """Labels that protobuf refuses cost the response, not the record, which must be readable."""
    request = ClassificationRequest(model_spec={"name": "m"})
    response = b"\x0a\x07\x0a\x05\x0a\x03\x0a\x01\xff"  # one class with the label FF
    record = prediction_log.encode(LogType.CLASSIFY, METADATA, request.SerializeToString(), response)
    assert record is not None
    log = PredictionLog.FromString(record).classify_log
    assert (log.request, log.HasField("response")) == (request, False)


def test_request_that_is_no_text_is_no_record() -> None:
    """A file with such a record would keep a version from loading."""
    request = b"\x0a\x03\x0a\x01\xff"  # a model called FF
    assert prediction_log.encode(LogType.PREDICT, METADATA, request, b"") is None


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(ModelSpec("m"), {"name": "m"}, id="latest"),
        pytest.param(ModelSpec("m", version=0), {"name": "m", "version": {"value": 0}}, id="version"),
        pytest.param(ModelSpec("m", label="l"), {"name": "m", "version_label": "l"}, id="label"),
        pytest.param(ModelSpec("m", signature_name="s"), {"name": "m", "signature_name": "s"}, id="signature"),
    ],
)
def test_request_names_what_was_asked_for(spec: ModelSpec, expected: Any) -> None:
    """The model_spec is that of the request, not of the version that answered."""
    request = PredictRequest.FromString(prediction_log.predict_request(spec, {}))
    assert request.model_spec == message("tensorflow.serving.ModelSpec")(**expected)


@pytest.mark.parametrize("tensor", [NUMBERS, STRINGS], ids=["numbers", "strings"])
def test_predict_request_has_the_tensors(tensor: Tensor) -> None:
    """Each input is a TensorProto of the same values."""
    request = PredictRequest.FromString(prediction_log.predict_request(ModelSpec("m"), {"x": tensor, "y": NUMBERS}))
    read = tensor_proto.decode(request.inputs["x"])
    assert set(request.inputs) == {"x", "y"}
    assert read is not None
    assert (read.dtype, read.array.tolist()) == (tensor.dtype, tensor.array.tolist())


def test_strings_are_in_their_typed_field() -> None:
    """Readers that take tensor_content to be numbers can read the strings."""
    request = PredictRequest.FromString(prediction_log.predict_request(ModelSpec("m"), {"x": STRINGS}))
    assert list(request.inputs["x"].string_val) == [b"\xff", b"b"]


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=5))
def test_examples_request_has_the_examples(values: list[float]) -> None:
    """Every Example comes back, in order."""
    examples = [example("v", value) for value in values]
    data = prediction_log.examples_request(ModelSpec("m"), [each.SerializeToString() for each in examples])
    request = ClassificationRequest.FromString(data)
    assert (request.model_spec.name, list(request.input.example_list.examples)) == ("m", examples)
