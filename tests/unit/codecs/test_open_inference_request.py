"""Inference requests of the Open Inference Protocol: every type in JSON and as bytes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from serving.codecs.open_inference import json_request
from serving.codecs.open_inference.infer import address
from serving.codecs.open_inference.json_data import BINARY_ONLY
from serving.core.model_spec import ModelSpec
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from tests.unit.codecs.open_inference_bodies import (
    BYTES,
    FLOATS,
    LONG,
    TENSORS,
    alike,
    in_bytes,
    in_json,
    nothing,
    one,
    raw,
    read,
    tensors,
)


@drawn(st.lists(TENSORS, max_size=3))
def test_every_type_as_bytes(given: list[Tensor]) -> None:
    """What is behind the JSON comes back bit for bit, one input after the other."""
    named = {str(index): tensor for index, tensor in enumerate(given)}
    document = {"inputs": [in_bytes(name, tensor) for name, tensor in named.items()]}
    found = tensors(read(document, b"".join(map(raw, given))))
    assert found.keys() == named.keys()
    assert all(alike(found[name], tensor) for name, tensor in named.items())


@drawn(st.lists(TENSORS, max_size=3), st.booleans(), st.sampled_from([0, LONG]))
def test_every_type_in_json(given: list[Tensor], flat: bool, padding: int) -> None:
    """The same in JSON, flat or nested, in short bodies and long ones; for those that JSON has no form for, refused."""
    named = {str(index): tensor for index, tensor in enumerate(given)}
    request = read({"inputs": [in_json(name, each, flat=flat) for name, each in named.items()]}, padding=padding)
    for name, tensor in named.items():
        if tensor.dtype in BINARY_ONLY:
            with pytest.raises(ServingError, match="binary_data_size"):
                request.inputs[name].tensor(tensor.dtype)
        else:
            assert alike(request.inputs[name].tensor(tensor.dtype), tensor)


def test_mixed() -> None:
    """Inputs of both kinds in one request, in any order."""
    other = Tensor(DataType.STRING, np.array([[b"a"], [b"\xff"]], object))
    document = {"inputs": [in_bytes("x", FLOATS), in_json("y", FLOATS), in_bytes("z", other)]}
    found = tensors(read(document, raw(FLOATS) + raw(other)))
    assert alike(found["x"], FLOATS)
    assert alike(found["y"], FLOATS)
    assert alike(found["z"], other)


def test_repeated_heads() -> None:
    """The same JSON before other bytes is the same request for other numbers."""
    document = {"inputs": [in_bytes("x", FLOATS), in_json("y", FLOATS)], "parameters": {"signature_name": "s"}}
    for number in (1.0, 2.0):
        tensor = Tensor(DataType.FLOAT, np.full(2, number, np.float32))
        request = read(document, raw(tensor))
        assert request.signature_name == "s"
        assert alike(tensors(request)["x"], tensor)
        assert alike(tensors(request)["y"], FLOATS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"id":"1","inputs":[]}', "1"),
        ('{"id": "2", "inputs": []}', "2"),
        ('{"id": "", "inputs": []}', ""),
        ('{"id": "\\u0033", "inputs": []}', "3"),
        ('{"id": "ü", "inputs": []}', "ü"),
        ('{"inputs": [], "id": "4"}', "4"),
        ('{"id": "1", "inputs": [], "id": "5"}', "5"),
        ('{ "id" : "6" , "inputs" : [] }', "6"),
        ('{"id":"7", "id":"8", "inputs":[]}', "8"),
    ],
)
def test_ids_before_the_rest(text: str, expected: str) -> None:
    """Written in any way, with binary data to come or without."""
    for length in (None, len(text.encode())):
        assert json_request.read(text.encode(), length, nothing).id == expected


@pytest.mark.parametrize(
    "text", ['{"id":"1",}', '{"id":"1", "inputs"', '{"id":"1",', '{"id":1,"inputs":[]}', '{"id":"1"}']
)
def test_ids_before_nothing(text: str) -> None:
    for length in (None, len(text)):
        with pytest.raises(ServingError) as caught:
            json_request.read(text.encode(), length, nothing)
        assert caught.value.code is Code.INVALID_ARGUMENT


def test_numbers_are_views() -> None:
    """Nothing of the body is copied."""
    document = {"inputs": [in_bytes("x", FLOATS)]}
    array = tensors(read(document, raw(FLOATS)))["x"].array
    assert not array.flags.owndata
    assert not array.flags.writeable


def test_other_members() -> None:
    """The id, the outputs, and the parameters that mean something; others are passed over, and null is nothing."""
    outputs = [
        {"name": "a", "parameters": {"binary_data": False, "classification": 3, "other": "x"}},
        {"name": "b"},
    ]
    parameters = {"signature_name": "s", "timeout": 1500, "binary_data_output": True, "priority": 1, "sequence_id": 7}
    request = read(
        {"inputs": [], "id": "7", "outputs": outputs, "parameters": parameters, "other": {"x": [1]}},
    )
    assert (request.id, request.signature_name, request.timeout_ms, request.binary) == ("7", "s", 2, True)
    assert [tuple(each) for each in request.outputs] == [("a", False, 3), ("b", True, 0)]
    assert read({"inputs": [], "id": None, "outputs": None, "parameters": None}) == read({"inputs": []})


def test_another_datatype_than_declared() -> None:
    """Nothing is cast, and types that the protocol has no name for cannot be sent."""
    given = read(one()).inputs["x"]
    with pytest.raises(ServingError, match="has the datatype FP32; expected FP64"):
        given.tensor(DataType.DOUBLE)
    with pytest.raises(ServingError, match="complex64"):
        given.tensor(DataType.COMPLEX64)


class _TooLongError(Exception):
    pass


@pytest.mark.parametrize(
    ("document", "behind"),
    [
        pytest.param(one(shape=[10**6], data=[1.5] * 10**6), b"", id="numbers"),
        pytest.param(one(shape=[10**5], datatype="BYTES", data=["abc"] * 10**5), b"", id="strings"),
        pytest.param(
            one(shape=[10**5], **BYTES, parameters={"binary_data_size": 4 * 10**5}), bytes(4 * 10**5), id="raw"
        ),
        pytest.param({"inputs": [], "other": [{"data": [1]}] * 50_000}, b"", id="many lists"),
    ],
)
def test_what_takes_long_is_said_before(document: Any, behind: bytes) -> None:
    """So that no event thread reads it."""

    def check(seconds: float) -> None:
        if seconds > 0.001:
            raise _TooLongError

    with pytest.raises(_TooLongError):
        read(document, behind, check=check)


def test_large_binary_is_short() -> None:
    """Numbers behind the JSON take no time at all."""
    behind = bytes(4 * 10**6)
    document = one(shape=[10**6], data=None, parameters={"binary_data_size": len(behind)})
    for padding in (0, LONG):
        said: list[float] = []
        read(document, behind, padding=padding, check=said.append)
        assert sum(said) < 0.001


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("", ModelSpec("m")),
        ("7", ModelSpec("m", 7)),
        ("007", ModelSpec("m", 7)),
        ("stable", ModelSpec("m", label="stable")),
        ("-1", ModelSpec("m", label="-1")),
        ("\u0663", ModelSpec("m", label="\u0663")),
        (str(2**63 - 1), ModelSpec("m", 2**63 - 1)),
    ],
)
def test_addresses(version: str, expected: ModelSpec) -> None:
    assert address("m", version) == expected


@pytest.mark.parametrize("version", [str(2**63), "9" * 5000])
def test_versions_that_are_too_large(version: str) -> None:
    with pytest.raises(ServingError, match="too large") as caught:
        address("m", version)
    assert caught.value.code is Code.INVALID_ARGUMENT
