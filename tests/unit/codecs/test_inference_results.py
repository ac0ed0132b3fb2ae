"""Classification and regression results on both wires."""

import numpy as np
import pytest

from serving.codecs.json import results as json_results
from serving.codecs.protobuf import inference_response
from serving.core.results import Classification, Regression
from serving.core.servable import ServableId
from serving.protos import message

LABELS = np.array([[b"car", b""], [b"\xff", b"bike"]], object)
SCORES = np.array([[0.25, 0.0], [-0.0, 3e10]], np.float32)
ID = ServableId(name="m", version=7)

ClassificationResponse = message("tensorflow.serving.ClassificationResponse")
RegressionResponse = message("tensorflow.serving.RegressionResponse")
MultiInferenceResponse = message("tensorflow.serving.MultiInferenceResponse")


def classes(result: Classification) -> list[list[tuple[str, float]]]:
    """What a client reads from the serialised result; labels must be UTF-8 for that."""
    data = inference_response.response(inference_response.classification(result), ID, "sig")
    response = ClassificationResponse.FromString(data)
    assert (response.model_spec.name, response.model_spec.version.value) == ("m", 7)
    assert response.model_spec.signature_name == "sig"
    return [[(each.label, each.score) for each in one.classes] for one in response.result.classifications]


def test_labels_and_scores() -> None:
    """Each example has its classes, a label and a score each."""
    result = Classification(LABELS[:1], SCORES[:1])
    assert classes(result) == [[("car", 0.25), ("", 0.0)]]


def test_minus_zero_is_written() -> None:
    """Only plus zero may be left out, as proto3 does."""
    data = inference_response.classification(Classification(None, np.array([[-0.0, 0.0]], np.float32)))
    assert data == b"\x0a\x09\x0a\x05\x15\x00\x00\x00\x80\x0a\x00"


def test_labels_without_scores() -> None:
    """Scores that the signature lacks are zero."""
    assert classes(Classification(LABELS[:1], None)) == [[("car", 0.0), ("", 0.0)]]


def test_scores_without_labels() -> None:
    """Labels that the signature lacks are empty."""
    assert classes(Classification(None, SCORES[:1])) == [[("", 0.25), ("", 0.0)]]


def test_label_bytes_go_out_as_they_are() -> None:
    """A label that is no UTF-8 is not refused."""
    assert b"\x0a\x01\xff" in inference_response.classification(Classification(LABELS[1:], None))


def test_regressions() -> None:
    """One value per example, in order."""
    result = Regression(np.array([0.0, 2.5], np.float32))
    data = inference_response.response(inference_response.regression(result), ID, "sig")
    assert [each.value for each in RegressionResponse.FromString(data).result.regressions] == [0.0, 2.5]


def test_multi_inference_tasks() -> None:
    """Each task's answer has its own kind and signature."""
    data = inference_response.task(ID, "c", Classification(None, SCORES[:1]))
    data += inference_response.task(ID, "r", Regression(np.array([1.5], np.float32)))
    first, second = MultiInferenceResponse.FromString(data).results
    assert first.WhichOneof("result") == "classification_result"
    assert first.model_spec.signature_name == "c"
    assert [each.value for each in second.regression_result.regressions] == [1.5]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param(
            Classification(LABELS, SCORES),
            b'[[["car", 0.25], ["", 0.0]], [["\xff", -0.0], ["bike", 3e+10]]\n    ]',
            id="both",
        ),
        pytest.param(Classification(LABELS[:1], None), b'[[["car", 0.0], ["", 0.0]]\n    ]', id="labels"),
        pytest.param(Classification(None, SCORES[:1]), b'[[["", 0.25], ["", 0.0]]\n    ]', id="scores"),
    ],
)
def test_classifications_as_json(result: Classification, expected: bytes) -> None:
    """A list of label and score per class, the closing bracket on a line of its own."""
    assert json_results.classifications(result) == b'{\n    "results": ' + expected + b"\n}"


def test_regressions_as_json() -> None:
    """A flat list on one line."""
    body = json_results.regressions(Regression(np.array([42, 3.5], np.float32)))
    assert body == b'{\n    "results": [42.0, 3.5]\n}'


def test_a_result_without_arrays_has_no_shape() -> None:
    """A classification of nothing is empty rather than an error."""
    assert Classification(None, None).shape == (0, 0)
