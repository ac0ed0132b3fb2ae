"""SageMaker's content types as forms: which there are, and that long bodies are not read in an event thread."""

import pytest

from serving.codecs.json.request import Layout
from serving.errors import ServingError
from serving.inference.placement import TooLongHereError
from serving.rest.api.hosted import StatusError
from serving.rest.api.sagemaker_forms import Body, Wanted, body_of, predict_form, wanted
from serving.rest.api.tfs_predict import Writers
from serving.rest.media import Form
from tests.support.json_requests import X

WRITERS = Writers(as_content=False, exact_digits=False)
JSON = Wanted(Form.JSON)


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("", Body.JSON),
        ("application/json", Body.JSON),
        (" Text/CSV ; header=absent", Body.CSV),
        ("application/jsonlines", Body.JSON_LINES),
        ("application/jsons", Body.JSON_LINES),
        ("application/x-npy", Body.ARRAYS),
        ("application/x-npz", Body.ARRAYS),
    ],
)
def test_content_types(content_type: str, expected: Body) -> None:
    """Case and parameters do not matter; a body without a type is JSON."""
    assert body_of(content_type) is expected


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-protobuf", "application/x-recordio-protobuf"])
def test_other_content_types(content_type: str) -> None:
    """The error has the status of its own that HTTP has for it."""
    with pytest.raises(StatusError, match=f"Unsupported Media Type: {content_type}; expected one of") as error:
        body_of(content_type)
    assert error.value.status == 415


@pytest.mark.parametrize(
    ("accept", "form", "content_type"),
    [
        ("", Form.JSON, b"application/json"),
        ("*/*", Form.JSON, b"application/json"),
        ("text/csv", Form.JSON, b"application/json"),
        ("application/jsonlines,application/json", Form.JSON, b"application/jsonlines"),
        ("application/json;q=0.1, application/x-npy;q=0.2", Form.NPY, b"application/x-npy"),
        ("application/x-npz", Form.NPZ, b"application/x-npz"),
    ],
)
def test_accept(accept: str, form: Form, content_type: bytes) -> None:
    """The first of the highest quality that can be written."""
    found = wanted(accept)
    assert (found.form, found.content_type) == (form, content_type)


@pytest.mark.parametrize("answer", [JSON, wanted("application/jsonlines")])
@pytest.mark.parametrize(
    ("body", "short", "unit"),
    [
        pytest.param(Body.JSON, b"[0.25,1]", b"[0.25,1],", id="JSON"),
        pytest.param(Body.JSON_LINES, b"[0.25,1]", b"[0.25,1]\n", id="lines of numbers"),
        pytest.param(Body.JSON_LINES, b'["a"]', b'["a"]\n', id="lines of strings"),
        pytest.param(Body.CSV, b"0.25,1", b"0.25,1\n", id="CSV of numbers"),
        pytest.param(Body.CSV, b"a,b", b"a,b\n", id="CSV of strings"),
    ],
)
def test_long_bodies_are_left_to_others(body: Body, short: bytes, unit: bytes, answer: Wanted) -> None:
    """Short ones are read at once, long ones only where time is not limited."""
    read = predict_form(WRITERS, body, answer).read
    assert read(short, True).signature_name == ""
    long = b"[" + unit * 99_999 + short + b"]" if body is Body.JSON else unit * 100_000
    with pytest.raises(TooLongHereError):
        read(long, True)
    assert read(long, False).signature_name == ""


@pytest.mark.parametrize("where", ["first", "last"])
def test_a_long_request_is_known_as_one(where: str) -> None:
    """Wherever its name is; what is read at once is as much as of TensorFlow Serving's own."""
    members = [b'"instances": [1.0]', b'"pad": "' + b"x" * 40_000 + b'"']
    body = b"{" + b", ".join(members if where == "first" else members[::-1]) + b"}"
    layout, tensors = predict_form(WRITERS, Body.JSON, JSON).read(body, False).tensors(X)
    assert (layout, tensors["x"].array.tolist()) == (Layout.ROW, [1.0])


def test_an_array_is_answered_in_rows() -> None:
    """An error names what is wrong with it before any model is looked for."""
    with pytest.raises(ServingError, match=r"expected an array as numpy\.save"):
        predict_form(WRITERS, Body.ARRAYS, JSON).read(b"x", True)
