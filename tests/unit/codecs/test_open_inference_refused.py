"""Inference requests of the Open Inference Protocol that are refused, and with which text."""

from typing import Any

import pytest

from serving.codecs.open_inference import json_request
from serving.errors import Code, ServingError
from tests.unit.codecs.open_inference_bodies import BYTES, FLOATS, LONG, alike, nothing, one, read, tensors


def refusal(document: Any, behind: bytes = b"", *, padding: int = 0) -> str:
    """Why a request is refused, when its inputs are read at the latest."""
    with pytest.raises(ServingError) as caught:
        tensors(read(document, behind, padding=padding))
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.message


EMPTY = bytes(4 * 10**5)
"""As many empty strings as a quarter of that."""


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param([], "no JSON object", id="no object"),
        pytest.param({}, "no list of inputs", id="no inputs"),
        pytest.param({"inputs": {}}, "no list of inputs", id="inputs of another kind"),
        pytest.param({"inputs": [1]}, "Element 0 of inputs", id="an input of another kind"),
        pytest.param(one(name=None), "Element 0 of inputs has no name", id="no name"),
        pytest.param(one(name=7), "has no name", id="a name of another kind"),
        pytest.param({"inputs": [*one()["inputs"] * 2]}, "twice", id="an input twice"),
        pytest.param(one(datatype=None), "no datatype", id="no datatype"),
        pytest.param(one(datatype="float32"), "expected one of BF16, BOOL", id="unknown datatype"),
        pytest.param(one(shape=None), "no shape", id="no shape"),
        pytest.param(one(shape=[1.0]), "no shape", id="a shape of fractions"),
        pytest.param(one(shape=[True, 2]), "no shape", id="a shape of truths"),
        pytest.param(one(shape=[-1]), "none of them negative", id="a negative size"),
        pytest.param(one(shape=[1] * 65), "65 dimensions", id="too many dimensions"),
        pytest.param(one(shape=[3]), "has 2 elements; expected 3", id="more elements than there are"),
        pytest.param(one(shape=[]), "has 2 elements; expected 1", id="fewer elements than there are"),
        pytest.param(one(shape=[0, 2**40, 2**40], data=[]), "fit into memory", id="sizes that nobody has"),
        pytest.param(one(data=None), "no list of data", id="no data"),
        pytest.param(one(data=1.5), "no list of data", id="data that is no list"),
        pytest.param(one(data="\x00data 0"), "no list of data", id="data that is a string"),
        pytest.param(one(data=[1, "2"]), "is no FP32", id="a string among numbers"),
        pytest.param(one(data=[1, True]), "is no FP32", id="a truth among numbers"),
        pytest.param(one(data=[1, None]), "is no FP32", id="null among numbers"),
        pytest.param(one(data=[1, [2]]), "beside lists", id="lists beside numbers"),
        pytest.param(one(data=[1, 1e39]), "is no FP32", id="beyond the range of a float"),
        pytest.param(one(datatype="INT8", data=[1, 128]), "is no INT8", id="beyond the range of an integer"),
        pytest.param(one(datatype="UINT64", data=[1, -1]), "is no UINT64", id="negative"),
        pytest.param(one(datatype="INT64", data=[1, 2**63]), "is no INT64", id="beyond 64 bits"),
        pytest.param(one(datatype="INT32", data=[1, 2.0]), "is no INT32", id="a fraction for an integer"),
        pytest.param(one(datatype="BOOL", data=[1, 0]), "is no BOOL", id="numbers for truths"),
        pytest.param(one(datatype="BYTES", data=[1, 0]), "is no BYTES", id="numbers for strings"),
        pytest.param(one(datatype="BF16"), "no form in JSON", id="bfloat16 in JSON"),
        pytest.param(one(datatype="FP16"), "no form in JSON", id="half in JSON"),
        pytest.param(one(parameters=1), "parameters of input", id="parameters of another kind"),
        pytest.param(one(parameters={"a": [1]}), "parameters of input", id="a parameter of another kind"),
        pytest.param(one(parameters={"binary_data_size": 8}), "both data and", id="data in both places"),
        pytest.param(one(data=None, parameters={"binary_data_size": "8"}), "expected bytes", id="a text as size"),
        pytest.param(one(data=None, parameters={"binary_data_size": -1}), "expected bytes", id="negative bytes"),
        pytest.param(one(data=None, parameters={"binary_data_size": 8}), "There are 0 bytes", id="no bytes"),
        pytest.param(one(parameters={"shared_memory_region": "r"}), "shared memory", id="shared memory"),
        pytest.param(one() | {"id": 7}, '"id"', id="an id of another kind"),
        pytest.param(one() | {"outputs": {}}, '"outputs"', id="outputs of another kind"),
        pytest.param(one() | {"outputs": [1]}, "Element 0 of outputs", id="an output of another kind"),
        pytest.param(one() | {"outputs": [{}]}, "Element 0 of outputs", id="an output without a name"),
        pytest.param(
            one() | {"outputs": [{"name": "y", "parameters": {"binary_data": 1}}]}, "binary_data", id="no truth"
        ),
        pytest.param(
            one() | {"outputs": [{"name": "y", "parameters": {"classification": -1}}]}, "classification", id="classes"
        ),
        pytest.param(
            one() | {"outputs": [{"name": "y", "parameters": {"shared_memory_region": "r"}}]},
            'Output "y" is to be in the shared memory',
            id="an output in shared memory",
        ),
        pytest.param(one() | {"parameters": []}, "parameters of the request", id="parameters that are a list"),
        pytest.param(one() | {"parameters": {"timeout": -1}}, "timeout", id="a negative timeout"),
        pytest.param(one() | {"parameters": {"timeout": "1"}}, "timeout", id="a timeout of another kind"),
        pytest.param(one() | {"parameters": {"signature_name": 1}}, "signature_name", id="a signature of another kind"),
        pytest.param(one() | {"parameters": {"binary_data_output": "yes"}}, "binary_data_output", id="all outputs"),
    ],
)
@pytest.mark.parametrize("padding", [0, LONG], ids=["short", "long"])
def test_refused(document: Any, expected: str, padding: int) -> None:
    """With the same text whichever road reads the body."""
    assert expected in refusal(document, padding=padding)


@pytest.mark.parametrize(
    ("shape", "size", "behind", "expected"),
    [
        pytest.param(
            [2],
            8,
            b"1234567",
            "There are 7 bytes behind",
            id="too few bytes",
        ),
        pytest.param([2], 8, b"123456789", "come to 8", id="too many bytes"),
        pytest.param([3], 8, b"12345678", "has 8 bytes; expected 12", id="another shape"),
    ],
)
def test_refused_bytes(shape: list[int], size: int, behind: bytes, expected: str) -> None:
    document = one(shape=shape, data=None, parameters={"binary_data_size": size})
    assert expected in refusal(document, behind)


@pytest.mark.parametrize(
    ("count", "behind"),
    [
        pytest.param(1, b"\x01\0\0", id="a length that is cut off"),
        pytest.param(1, b"\x02\0\0\0a", id="a string that is cut off"),
        pytest.param(1, b"\xff\xff\xff\xffa", id="a length beyond all"),
        pytest.param(2, b"\x01\0\0\0a", id="too few strings"),
        pytest.param(1, b"\x01\0\0\0a\0\0\0\0", id="too many strings"),
        pytest.param(2**40, b"\0\0\0\0", id="more strings than there can be"),
    ],
)
def test_refused_strings(count: int, behind: bytes) -> None:
    document = one(shape=[count], **BYTES, parameters={"binary_data_size": len(behind)})
    assert f"which are not {count} strings" in refusal(document, behind)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"inputs": [}', b"[" * 100_000, b'{"a": NaN', b"nul"])
def test_no_json(body: bytes) -> None:
    with pytest.raises(ServingError, match="cannot be parsed as JSON") as caught:
        json_request.read(body, None, nothing)
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_half_a_pair() -> None:
    """A string that has no form in UTF-8 is refused, with NaN beside it too, where Python's parser lets it through."""
    for data in (b'["\\ud800"]', b'["\\ud800"], "other": NaN'):
        body = b'{"inputs": [{"name": "x", "datatype": "BYTES", "shape": [1], "data": %b}]}' % data
        with pytest.raises(ServingError):
            tensors(json_request.read(body, None, nothing))


def test_header_longer_than_the_body() -> None:
    with pytest.raises(ServingError, match="Inference-Header-Content-Length is 3, and the body has 2 bytes"):
        json_request.read(b"{}", 3, nothing)


def test_data_in_strings_is_none() -> None:
    """What looks like an input's data is left alone where it is part of a string or of something else."""
    document = one() | {"id": '"data": [1, 2]', "other": {"data": [1, 2], '\\"data"': [3]}}
    request = read(document, padding=LONG)
    assert request.id == '"data": [1, 2]'
    assert alike(tensors(request)["x"], FLOATS)
