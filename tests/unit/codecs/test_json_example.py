"""Classify and regress requests in JSON, to the Examples they stand for."""

from typing import Any

import pytest

from serving.codecs.json.example import read
from serving.errors import Code, ServingError
from serving.protos import Example


def features(body: bytes) -> list[dict[str, tuple[str, list[Any]]]]:
    """The features of every example of a request by name: their kind and values."""
    return [
        {
            name: (kind, list(getattr(feature, kind).value) if kind else [])
            for name, feature in Example.FromString(serialized).features.feature.items()
            for kind in [feature.WhichOneof("kind") or ""]
        }
        for serialized in read(body).examples()
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"2.0", ("float_list", [2.0]), id="fraction"),
        pytest.param(
            b"[1e39, NaN]", ("float_list", [float("inf"), pytest.approx(float("nan"), nan_ok=True)]), id="ends"
        ),
        pytest.param(b"2", ("int64_list", [2]), id="integer"),
        pytest.param(b"[true, false, -1]", ("int64_list", [1, 0, -1]), id="booleans"),
        pytest.param(b"9223372036854775807", ("int64_list", [2**63 - 1]), id="largest integer"),
        pytest.param(b'"a"', ("bytes_list", [b"a"]), id="string"),
        pytest.param(b'["a", {"b64": "AP8="}]', ("bytes_list", [b"a", b"\x00\xff"]), id="base64"),
        pytest.param(b"[]", ("", []), id="nothing"),
    ],
)
def test_values_choose_the_kind_of_their_feature(value: bytes, expected: tuple[str, list[Any]]) -> None:
    """The first element's JSON type is the kind of the whole list."""
    assert features(b'{"examples": [{"x": %b}]}' % value) == [{"x": expected}]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b'{"examples": [{"f": [1, 2.0]}]}', "Unexpected element type in feature: f expecting type: int64"),
        pytest.param(b'{"examples": [{"f": [1.0, 2]}]}', "Unexpected element type in feature: f expecting type: float"),
        pytest.param(b'{"examples": [{"f": ["a", 1]}]}', "Unexpected element type in feature: f expecting type: bytes"),
        pytest.param(
            b'{"examples": [{"f": 1.0, "f": 2}]}', "Unexpected element type in feature: f expecting type: float"
        ),
        pytest.param(b'{"examples": [{"f": [[1]]}]}', "Feature: f has element with unexpected JSON type: Array"),
        pytest.param(b'{"examples": [{"f": {"b64": 1}}]}', "Feature: f has element with unexpected JSON type: Object"),
        pytest.param(b'{"examples": [{"f": null}]}', "Feature: f has element with unexpected JSON type: Null"),
        pytest.param(b'{"examples": [{"f": {"b64": "a"}}]}', "Unable to base64 decode"),
        pytest.param(
            b'{"examples": [{"f": 9223372036854775808}]}',
            "Feature: f has uint64_t element. Only int64_t is supported.",
        ),
        pytest.param(b'{"context": 3, "examples": []}', "Example must be JSON object but got JSON Number"),
        pytest.param(b'{"examples": [true]}', "Example must be JSON object but got JSON True"),
    ],
    ids=[
        "fraction among integers",
        "integer among fractions",
        "integer among strings",
        "named twice",
        "nested",
        "no string",
        "null",
        "bad base64",
        "integer too large",
        "context first",
        "no object",
    ],
)
def test_what_no_example_can_hold_is_refused(body: bytes, text: str) -> None:
    """INVALID_ARGUMENT with TensorFlow Serving's text."""
    with pytest.raises(ServingError) as raised:
        read(body)
    assert (raised.value.code, raised.value.message) == (Code.INVALID_ARGUMENT, text)


def test_feature_named_twice_has_all_the_values() -> None:
    """A feature's second list goes behind its first."""
    assert features(b'{"examples": [{"f": [], "f": 1.0, "f": [2.0]}]}') == [{"f": ("float_list", [1.0, 2.0])}]


def test_context_is_in_every_example() -> None:
    """An example's own features win over the context's."""
    first, second = features(b'{"context": {"a": 1, "b": 2}, "examples": [{}, {"a": 3}]}')
    assert (first, second["a"], second["b"]) == (
        {"a": ("int64_list", [1]), "b": ("int64_list", [2])},
        ("int64_list", [3]),
        ("int64_list", [2]),
    )


def test_context_is_not_multiplied_without_end() -> None:
    """A megabyte of context before each of many examples is more than a request may ask for."""
    body = b'{"context": {"a": "%b"}, "examples": [%b]}' % (b"x" * 2**20, b",".join([b'{"f": 1}'] * 128))
    with pytest.raises(ServingError) as raised:
        read(body)
    assert raised.value.code is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b"{}", "JSON Value: {} When method is classify, key 'examples' is expected", id="absent"),
        pytest.param(b'{"examples": 3}', "Expecting 'examples' value to be an list/array", id="no list"),
        pytest.param(b'{"examples": []}', "'examples' value is an empty array", id="empty"),
        pytest.param(b"[]", r"JSON Value: \[\] Is not object", id="no object"),
        pytest.param(b'{"signature_name": 1}', "'signature_name' key must be a string value", id="signature"),
    ],
)
def test_request_without_examples(body: bytes, text: str) -> None:
    """A body that has no list of examples says what was expected."""
    with pytest.raises(ServingError, match=text):
        read(body)
