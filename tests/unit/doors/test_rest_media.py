"""Which form a request has and which one its answer gets, by the headers alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.rest.media import JSON_ONLY, Form, accepts_gzip, forms, prefers_html, prefers_openmetrics

JSON, PROTOBUF, NPY, NPZ = Form


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        pytest.param("", JSON, id="none"),
        pytest.param("application/json", JSON, id="JSON"),
        pytest.param("application/x-www-form-urlencoded", JSON, id="curl's own"),
        pytest.param("image/png", JSON, id="anything"),
        pytest.param("application/x-protobuf", PROTOBUF, id="protobuf"),
        pytest.param("application/protobuf", PROTOBUF, id="protobuf by its newer name"),
        pytest.param("application/x-npy", NPY, id="npy"),
        pytest.param("application/x-npz", NPZ, id="npz"),
        pytest.param("Application/X-NPY", NPY, id="case"),
        pytest.param(" application/x-npy ; charset=utf-8", NPY, id="parameters"),
        pytest.param("application/x-npyz", JSON, id="longer"),
    ],
)
def test_content_type(content_type: str, expected: Form) -> None:
    """The body's form is the content type's, JSON for all that is not ours; without Accept so is the answer's."""
    assert forms(content_type, "") == (expected, expected)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param("*/*", NPY, id="all"),
        pytest.param("application/*", NPY, id="all applications"),
        pytest.param("application/json", JSON, id="JSON"),
        pytest.param("application/json, text/plain, */*", JSON, id="JSON first"),
        pytest.param("*/*, application/json", NPY, id="all first"),
        pytest.param("text/html", NPY, id="nothing of ours"),
        pytest.param("text/html, application/protobuf", PROTOBUF, id="one of ours"),
        pytest.param("Application/X-NPZ", NPZ, id="case"),
        pytest.param("application/json;q=0.5, application/x-npz", NPZ, id="quality of the first"),
        pytest.param("application/json ; level=1 ; q = 0.9, application/x-npz;q=0.8", JSON, id="qualities"),
        pytest.param("application/json;q=0", NPY, id="excluded"),
        pytest.param("application/json;q=none", JSON, id="no number"),
        pytest.param(",;q=1,,", NPY, id="nothing"),
        pytest.param("text/html," * 64 + "application/json", NPY, id="behind the 64th"),
    ],
)
def test_accept(accept: str, expected: Form) -> None:
    """The answer to an npy request gets the first form of the highest quality."""
    assert forms("application/x-npy", accept) == (NPY, expected)


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "text/html"])
def test_json_alone_is_one_object(accept: str) -> None:
    """Requests that TensorFlow Serving knows are told by identity."""
    assert forms("application/json", accept) is JSON_ONLY


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param("application/openmetrics-text", True, id="alone"),
        pytest.param("application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1", True, id="first"),
        pytest.param("application/openmetrics-text;version=1.0.0;escaping=x;q=0.6,text/plain;q=0.3", True, id="more"),
        pytest.param("text/plain, application/openmetrics-text;q=0.5", False, id="rather text"),
        pytest.param("application/openmetrics-text;q=0", False, id="excluded"),
        pytest.param("*/*", False, id="anything"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_scrapers_ask_for_openmetrics(accept: str, expected: bool) -> None:
    """By name, and not less than for text."""
    assert prefers_openmetrics(accept) is expected


@given(st.text(), st.text())
def test_any_headers(content_type: str, accept: str) -> None:
    """Whatever stands in the headers has a meaning."""
    assert set(forms(content_type, accept)) <= set(Form)


@pytest.mark.parametrize(
    ("accept", "prefers"),
    [
        ("text/html", True),
        ("text/html, */*;q=0.8", True),
        ("application/json, text/html", True),
        ("application/json, text/html;q=0.9", False),
        ("*/*", False),
        ("text/html;q=0", False),
        ("", False),
    ],
)
def test_who_prefers_html(accept: str, prefers: bool) -> None:
    """Whoever names it, and nothing rather than that."""
    assert prefers_html(accept) is prefers


@pytest.mark.parametrize(
    ("encodings", "accepts"),
    [("gzip", True), ("br;q=1.0, GZIP;q=0.5", True), ("gzip;q=0", False), ("*", False), ("", False)],
)
def test_who_accepts_gzip(encodings: str, accepts: bool) -> None:
    """Whoever names it."""
    assert accepts_gzip(encodings) is accepts
