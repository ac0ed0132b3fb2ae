"""Requests with parameters: the signature that they name is asked for, wherever they are."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.json.parameters import has_parameters, with_signature
from serving.codecs.json.request import read
from serving.errors import Code, ServingError
from tests.support.json_requests import X

PARAMETERS = st.dictionaries(st.sampled_from(["a", "parameters", "signature_name"]), st.text(max_size=4), max_size=3)
WORDS = st.lists(st.sampled_from([*'a"\\{}:,', "parameters"]), max_size=6).map("".join)


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        pytest.param(b'{"instances": [1], "parameters": {"signature_name": "s"}}', "s", id="last"),
        pytest.param(b'{"instances": [1] , "parameters" : {"signature_name" : "s", "k": [1]} }\n', "s", id="blanks"),
        pytest.param(b'{"parameters": {"signature_name": "s"}, "instances": [1]}', "s", id="first"),
        pytest.param(b'{"x": 1, "parameters": {"signature_name": "s"}, "instances": [1]}', "s", id="in between"),
        pytest.param(b'{"instances": [1], "parameters": {"confidenceThreshold": 0.5}}', "", id="others"),
        pytest.param(b'{"instances": [1], "parameters": {}}', "", id="none"),
        pytest.param(b'{"instances": [1], "parameters": null}', "", id="null"),
        pytest.param(b'{"instances": [1], "parameters": {"signature_name": null}}', "", id="no name"),
        pytest.param(b'{"signature_name": "own", "instances": [1]}', "own", id="no parameters"),
        pytest.param(b'{"parameters": {}, "instances": [1], "parameters": {"signature_name": "s"}}', "", id="twice"),
        pytest.param(
            b'{"parameters": {"signature_name": "s"}, "instances": [1], "signature_name": "own"}',
            "own",
            id="both, first",
        ),
        pytest.param(
            b'{"signature_name": "own", "instances": [1], "parameters": {"signature_name": "s"}}',
            "own",
            id="both, last",
        ),
    ],
)
def test_signature(body: bytes, signature: str) -> None:
    """It becomes the request's own; the instances stay what they are."""
    document = read(with_signature(body))
    assert document.signature_name == signature
    assert document.tensors(X)[1]["x"].array.tolist() == [1.0]


@pytest.mark.parametrize("value", [b"[]", b'"s"', b"1", b'{"signature_name": 1}', b'{"signature_name": ["s"]}'])
@pytest.mark.parametrize("body", [b'{"instances": [1], "parameters": %b}', b'{"parameters": %b, "instances": [1]}'])
def test_refused(body: bytes, value: bytes) -> None:
    """Parameters are an object, and a name is a string."""
    with pytest.raises(ServingError, match="parameters") as error:
        with_signature(body % value)
    assert error.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "instances",
    [
        [{"parameters": {"signature_name": "inner"}}],
        ["parameters"],
        ['a"parameters'],
        [{'a"parameters': {"signature_name": "inner"}}],
        [{"a": {"parameters": {}}}],
    ],
)
def test_instances_are_not_parameters(instances: list[Any]) -> None:
    """A name inside of an instance, or in a string, is none of the request's."""
    body = json.dumps({"instances": instances}).encode()
    assert json.loads(with_signature(body)) == {"instances": instances}
    outer = json.dumps({"instances": instances, "parameters": {"signature_name": "s"}}).encode()
    found = json.loads(with_signature(outer))
    assert (found["instances"], found["signature_name"]) == (instances, "s")


@given(
    st.lists(WORDS | st.dictionaries(WORDS, PARAMETERS, max_size=2), max_size=3), st.none() | PARAMETERS, st.booleans()
)
def test_any_request(instances: list[Any], given_: Any, first: bool) -> None:
    """The instances are the same, and the signature is that of the outer parameters."""
    members = {"parameters": given_, "instances": instances}
    body = json.dumps(members if first else dict(reversed(members.items()))).encode()
    found = json.loads(with_signature(body))
    assert found["instances"] == instances
    assert found.get("signature_name") == (given_ or {}).get("signature_name")


def test_without_the_word_nothing_is_looked_at() -> None:
    """Most requests have none."""
    assert not has_parameters(b'{"instances": [1.0]}')
    assert has_parameters(b'{"instances": [1.0], "parameters": {}}')
