"""Inference by the Open Inference Protocol over REST on bare sockets: the specification's requests, and refusals."""

import gzip
import json
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from tests.server.doors.open_inference import HEADER_LENGTH, MULTI, given, infer, split
from tests.support.raw import RawConnection, request


def test_example_of_the_specification(connection: RawConnection) -> None:
    """Two inputs in JSON, flat, one output of two, the id given back."""
    asked = {"id": "42", "inputs": MULTI, "outputs": [{"name": "sum"}]}
    response = infer(connection, "multi", asked)
    assert response.headers["content-type"] == "application/json"
    assert HEADER_LENGTH not in response.headers
    assert b"\n" not in response.body
    assert response.json == {
        "model_name": "multi",
        "model_version": "1",
        "id": "42",
        "outputs": [{"name": "sum", "datatype": "FP32", "shape": [2, 2], "data": [11.0, 12.0, 23.0, 24.0]}],
    }


def test_nested_data_is_row_major(connection: RawConnection) -> None:
    asked = {"inputs": [given("a", "FP32", [2, 2], [[1, 2], [3, 4]]), MULTI[1]], "outputs": [{"name": "sum"}]}
    assert split(infer(connection, "multi", asked))[0]["outputs"][0]["data"] == [11.0, 12.0, 23.0, 24.0]


def test_example_of_the_binary_extension(connection: RawConnection) -> None:
    """One input behind the JSON, one in it; one output each way, and where the JSON ends is said."""
    asked = {
        "inputs": [given("a", "FP32", [2, 2], binary_data_size=16), MULTI[1]],
        "outputs": [{"name": "sum", "parameters": {"binary_data": True}}, {"name": "b2"}],
    }
    response = infer(connection, "multi", asked, np.array([1, 2, 3, 4], np.float32).tobytes())
    answer, behind = split(response)
    assert response.headers["content-type"] == "application/octet-stream"
    assert answer["outputs"] == [
        {"name": "sum", "datatype": "FP32", "shape": [2, 2], "parameters": {"binary_data_size": 16}},
        {"name": "b2", "datatype": "INT32", "shape": [2], "data": [20, 40]},
    ]
    assert np.frombuffer(behind, np.float32).tolist() == [11.0, 12.0, 23.0, 24.0]


def test_all_outputs_binary(connection: RawConnection) -> None:
    """``binary_data_output`` is for those that say nothing of their own; the bytes lie in the order of the outputs."""
    asked = {"inputs": MULTI, "parameters": {"binary_data_output": True}}
    answer, behind = split(infer(connection, "multi", asked))
    sizes = [output["parameters"]["binary_data_size"] for output in answer["outputs"]]
    assert [output["name"] for output in answer["outputs"]] == ["b2", "sum"]
    assert behind == np.array([20, 40], np.int32).tobytes() + np.array([11, 12, 23, 24], np.float32).tobytes()
    assert sizes == [8, 16]


DTYPES = {
    "BOOL": ("bool", np.array([True, False])),
    "UINT8": ("uint8", np.array([0, 255], np.uint8)),
    "UINT16": ("uint16", np.array([0, 65535], np.uint16)),
    "UINT32": ("uint32", np.array([0, 2**32 - 1], np.uint32)),
    "UINT64": ("uint64", np.array([0, 2**64 - 1], np.uint64)),
    "INT8": ("int8", np.array([-128, 127], np.int8)),
    "INT16": ("int16", np.array([-(2**15), 2**15 - 1], np.int16)),
    "INT32": ("int32", np.array([-(2**31), 2**31 - 1], np.int32)),
    "INT64": ("int64", np.array([-(2**63), 2**63 - 1], np.int64)),
    "FP16": ("half", np.array([1.5, -65504], np.float16)),
    "FP32": ("float", np.array([0.1, -3e38], np.float32)),
    "FP64": ("double", np.array([0.1, -1e308], np.float64)),
    "BF16": ("bfloat16", np.array([0x3F80, 0xC000], np.uint16)),
}


@pytest.mark.parametrize("datatype", DTYPES)
def test_every_number_type_as_bytes(connection: RawConnection, datatype: str) -> None:
    """What a version copies comes back bit for bit; the signature is chosen by a parameter."""
    signature, array = DTYPES[datatype]
    asked = {
        "inputs": [given("x", datatype, [2], binary_data_size=array.nbytes)],
        "parameters": {"signature_name": signature, "binary_data_output": True},
    }
    answer, behind = split(infer(connection, "dtypes", asked, array.tobytes()))
    assert (answer["outputs"][0]["datatype"], behind) == (datatype, array.tobytes())


@pytest.mark.parametrize("datatype", [name for name in DTYPES if name not in ("FP16", "BF16")])
def test_every_number_type_in_json(connection: RawConnection, datatype: str) -> None:
    signature, array = DTYPES[datatype]
    asked = {"inputs": [given("x", datatype, [2], array.tolist())], "parameters": {"signature": signature}}
    (output,) = split(infer(connection, "dtypes", asked))[0]["outputs"]
    assert np.array(output["data"], array.dtype).tolist() == array.tolist()


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
def test_types_that_are_binary_only(connection: RawConnection, datatype: str) -> None:
    """Both ways: the specification has no JSON for them."""
    signature, array = DTYPES[datatype]
    parameters = {"signature_name": signature}
    in_json = infer(connection, "dtypes", {"inputs": [given("x", datatype, [2], [1, 2])], "parameters": parameters})
    assert (in_json.status, "binary_data_size" in in_json.json["error"]) == (400, True)
    asked = {"inputs": [given("x", datatype, [2], binary_data_size=4)], "parameters": parameters}
    out = infer(connection, "dtypes", asked, array.tobytes())
    assert (out.status, "binary_data" in out.json["error"]) == (400, True)


STRINGS = [b"one", b"", "äöü".encode(), b"\n"]
RAW_STRINGS = b"".join(struct.pack("<I", len(value)) + value for value in STRINGS)


def test_strings_as_bytes(connection: RawConnection) -> None:
    """With their lengths in four bytes, both ways."""
    asked = {
        "inputs": [given("s", "BYTES", [4], binary_data_size=len(RAW_STRINGS))],
        "parameters": {"signature_name": "plain", "binary_data_output": True},
    }
    assert split(infer(connection, "strings", asked, RAW_STRINGS))[1] == RAW_STRINGS


def test_strings_in_json(connection: RawConnection) -> None:
    """As they are, UTF-8; what is none has to be asked for as bytes."""
    texts = [value.decode() for value in STRINGS]
    asked = {"inputs": [given("s", "BYTES", [4], texts)], "parameters": {"signature_name": "plain"}}
    assert split(infer(connection, "strings", asked))[0]["outputs"][0]["data"] == texts
    not_utf8 = {
        "inputs": [given("s", "BYTES", [1], binary_data_size=5)],
        "parameters": {"signature_name": "plain"},
    }
    refused = infer(connection, "strings", not_utf8, b"\x01\0\0\0\xff")
    assert (refused.status, "binary_data" in refused.json["error"]) == (400, True)


def test_scalars_and_nothing(connection: RawConnection) -> None:
    asked = {"inputs": [MULTI[0]], "parameters": {"signature_name": "scalar"}}
    (output,) = split(infer(connection, "multi", asked))[0]["outputs"]
    assert (output["shape"], output["data"]) == ([], [10.0])
    empty = {"inputs": [given("x", "FP32", [0], [])], "parameters": {"binary_data_output": True}}
    answer, behind = split(infer(connection, "dtypes", empty))
    assert (answer["outputs"][0]["parameters"], behind) == ({"binary_data_size": 0}, b"")


def test_classification(connection: RawConnection) -> None:
    """The highest of each row with their indices, in JSON and as bytes."""
    wanted = {"name": "sum", "parameters": {"classification": 1}}
    asked = {"inputs": [given("a", "FP32", [2, 2], [1, 9, 8, 2]), given("b", "INT32", [2], [0, 0])]}
    (output,) = split(infer(connection, "multi", asked | {"outputs": [wanted]}))[0]["outputs"]
    assert output == {"name": "sum", "datatype": "BYTES", "shape": [2, 1], "data": ["9.000000:1", "8.000000:0"]}
    wanted["parameters"] = {"classification": 2, "binary_data": True}
    answer, behind = split(infer(connection, "multi", asked | {"outputs": [wanted]}))
    assert (answer["outputs"][0]["shape"], behind[:14]) == ([2, 2], b"\x0a\0\0\09.000000:1")


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)], ids=["gzip", "deflate"]
)
def test_compressed_requests(connection: RawConnection, encoding: str, compress: Any) -> None:
    """The length of the JSON is that of the content."""
    text = json.dumps({"inputs": [given("x", "FP32", [2], binary_data_size=8)]}).encode()
    body = compress(text + np.array([1, 2], np.float32).tobytes())
    lines = f"Content-Encoding: {encoding}", f"Inference-Header-Content-Length: {len(text)}"
    connection.send(request("POST", "/v2/models/dtypes/infer", body, *lines))
    assert connection.response().json["outputs"][0]["data"] == [1.0, 2.0]
    connection.send(request("POST", "/v2/models/dtypes/infer", body[:-3], *lines))
    refused = connection.response()
    assert (refused.status, encoding in refused.json["error"]) == (400, True)


@pytest.mark.parametrize("binary", [False, True])
def test_large_requests(connection: RawConnection, binary: bool) -> None:
    """More than is read or written in an event thread."""
    array = np.arange(300_000, dtype=np.float32) / 3
    asked: dict[str, Any] = {"parameters": {"binary_data_output": True}}
    if binary:
        asked["inputs"] = [given("x", "FP32", [array.size], binary_data_size=array.nbytes)]
    else:
        asked["inputs"] = [given("x", "FP32", [array.size], array.tolist())]
    answer = infer(connection, "dtypes", asked, array.tobytes() if binary else b"")
    assert np.array_equal(np.frombuffer(split(answer)[1], np.float32), array)
    asked["parameters"] = {}
    answer = infer(connection, "dtypes", asked, array.tobytes() if binary else b"")
    assert np.array_equal(np.array(split(answer)[0]["outputs"][0]["data"], np.float32), array)


def test_not_finite(connection: RawConnection) -> None:
    """As Python writes it: neither of both is JSON, and both sides' parsers take it."""
    asked = {"inputs": [given("x", "FP32", [3], [float("nan"), float("inf"), 1.0])]}
    found = split(infer(connection, "dtypes", asked))[0]["outputs"][0]["data"]
    assert (str(found[0]), found[1:]) == ("nan", [float("inf"), 1.0])


def test_deadline(connection: RawConnection) -> None:
    """``timeout`` is in microseconds."""
    asked = {
        "inputs": [given("ms", "FP32", [1], [30_000])],
        "parameters": {"signature_name": "wait", "timeout": 20_000},
    }
    response = infer(connection, "slow", asked)
    assert (response.status, list(response.json)) == (504, ["error"])


@pytest.mark.parametrize(
    ("model", "asked", "status", "expected"),
    [
        pytest.param("nobody", {"inputs": MULTI}, 404, "nobody", id="no such model"),
        pytest.param("multi/versions/7", {"inputs": MULTI}, 404, "7", id="no such version"),
        pytest.param("multi", {"inputs": MULTI[:1]}, 400, "b", id="too few inputs"),
        pytest.param("multi", {"inputs": MULTI, "outputs": [{"name": "z"}]}, 400, "z", id="no such output"),
        pytest.param("multi", {"inputs": MULTI, "parameters": {"signature_name": "z"}}, 400, '"z"', id="signature"),
        pytest.param("multi", {"inputs": [MULTI[0], given("b", "INT64", [2], [1, 2])]}, 400, "INT32", id="datatype"),
        pytest.param(
            "dtypes",
            {"inputs": [given("x", "FP32", [1], [1])], "parameters": {"signature_name": "complex64"}},
            400,
            "complex64",
            id="no datatype",
        ),
        pytest.param(
            "dtypes",
            {"inputs": [given("x", "FP32", [1], shared_memory_region="r", shared_memory_byte_size=4)]},
            400,
            "shared memory",
            id="shared memory",
        ),
        pytest.param("dtypes", {"inputs": [given("x", "FP32", [1], [[]])]}, 400, "0 elements", id="shape and data"),
        pytest.param("dtypes", {"inputs": [given("x", "FP33", [1], [1])]}, 400, "FP33", id="no such datatype"),
    ],
)
def test_refused(connection: RawConnection, model: str, asked: Any, status: int, expected: str) -> None:
    response = infer(connection, model, asked)
    assert (response.status, response.headers["content-type"], list(response.json)) == (
        status,
        "application/json",
        ["error"],
    )
    assert expected in response.json["error"]


@pytest.mark.parametrize("length", ["x", "-1", "99999", ""])
def test_header_lengths_that_are_none(connection: RawConnection, length: str) -> None:
    text = json.dumps({"inputs": [given("x", "FP32", [1], [1])]}).encode()
    connection.send(request("POST", "/v2/models/dtypes/infer", text, f"Inference-Header-Content-Length: {length}"))
    response = connection.response()
    assert (response.status, "Inference-Header-Content-Length" in response.json["error"]) == (400, True)
