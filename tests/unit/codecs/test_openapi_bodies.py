"""Bodies of examples: read by the codec that reads requests they are the tensors that they were made of."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.json import request as json_request
from serving.codecs.json import response as json_response
from serving.codecs.openapi import bodies, schemas
from serving.core.signature import TensorInfo
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.errors import ServingError
from serving.protos import Example
from tests.support.models import strings, tensor

DTYPES = sorted(schemas.CARRIED)
_TEXTS = [b"text", b"\xff\xfe", "\u00e9".encode(), b"", b"tab\tand\nlines"]


@st.composite
def inputs(draw: st.DrawFn) -> dict[str, Tensor]:
    """One to three tensors with as many rows."""
    rows = draw(st.integers(1, 3))
    made = {}
    for alias in draw(st.lists(st.sampled_from(["a", "b", "c_bytes"]), min_size=1, max_size=3, unique=True)):
        dtype = draw(st.sampled_from(DTYPES))
        shape = (rows, *draw(st.lists(st.integers(1, 3), max_size=2)))
        count = int(np.prod(shape))
        if dtype is DataType.STRING:
            array = np.empty(count, object)
            array[:] = draw(st.lists(st.sampled_from(_TEXTS), min_size=count, max_size=count))
        else:
            array = np.array(draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)), STORAGE[dtype])
            if dtype in (DataType.FLOAT, DataType.DOUBLE):
                array = array * 0.123456789
        made[alias] = bodies.shortened(Tensor(dtype, array.reshape(shape).astype(STORAGE[dtype])))
    return made


def read(body: Any, given: dict[str, Tensor]) -> dict[str, Tensor]:
    infos = {alias: TensorInfo(name=f"{alias}:0", dtype=each.dtype) for alias, each in given.items()}
    return json_request.read_longer(json.dumps(body).encode()).tensors(infos)[1]


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(
        one.dtype == right[alias].dtype and np.array_equal(one.array, right[alias].array) for alias, one in left.items()
    )


@given(inputs())
def test_what_is_shown_is_what_was_made(made: dict[str, Tensor]) -> None:
    """In rows and in columns, whatever the types."""
    assert same(read(bodies.rows("serving_default", made), made), made)
    assert same(read(bodies.columns("serving_default", made), made), made)


def test_the_default_signature_is_not_named() -> None:
    """Others are."""
    made = {"x": tensor(DataType.FLOAT, [1.5])}
    assert bodies.columns("serving_default", made) == {"inputs": [1.5]}
    assert bodies.rows("other", made) == {"signature_name": "other", "instances": [1.5]}


def test_rows_of_several_inputs_are_objects() -> None:
    """Each has all inputs."""
    made = {"a": tensor(DataType.INT32, [[1, 2], [3, 4]]), "b": strings(b"x", b"y")}
    assert bodies.rows("serving_default", made) == {"instances": [{"a": [1, 2], "b": "x"}, {"a": [3, 4], "b": "y"}]}


def test_bytes_are_base64() -> None:
    """By the name of the input, or where one string of it is no text; then all of them are."""
    assert bodies.columns("s", {"a": strings(b"text", b"\xff")})["inputs"] == [{"b64": "dGV4dA=="}, {"b64": "/w=="}]
    assert bodies.columns("s", {"a_bytes": strings(b"text")})["inputs"] == [{"b64": "dGV4dA=="}]
    assert bodies.columns("s", {"a": strings(b"text")})["inputs"] == ["text"]


def test_few_digits() -> None:
    """Examples are for people; integers stay what they are."""
    made = tensor(DataType.FLOAT, [0.123456])
    assert bodies.columns("serving_default", {"x": bodies.shortened(made)}) == {"inputs": [0.123]}
    whole = tensor(DataType.INT64, [2**62 + 1])
    assert bodies.shortened(whole) is whole


def test_examples() -> None:
    """A tf.Example by its features; no float looks like an integer, and bytes that are no text are base64."""
    example = Example()
    example.features.feature["f"].float_list.value.extend([0.0, 0.125])
    example.features.feature["i"].int64_list.value.append(3)
    example.features.feature["s"].bytes_list.value.extend([b"text", b"\xff"])
    body = bodies.examples("c", strings(example.SerializeToString()))
    assert body == {
        "signature_name": "c",
        "examples": [{"f": [0.5, 0.125], "i": [3], "s": ["text", {"b64": base64.b64encode(b"\xff").decode()}]}],
    }


@pytest.mark.parametrize("given", [strings(b"\xff\xff"), tensor(DataType.FLOAT, [1.0])], ids=["garbage", "numbers"])
def test_no_examples(given: Tensor) -> None:
    """What is no tf.Example cannot be sent to Classify or Regress."""
    assert bodies.examples("c", given) is None


@pytest.mark.parametrize("dtype", [dtype for dtype in DataType if dtype in STORAGE], ids=lambda dtype: dtype.word)
def test_types_of_json(dtype: DataType) -> None:
    """What is said to be carried is what requests and answers in JSON take."""
    value: Any = "x" if dtype is DataType.STRING else dtype is DataType.BOOL or 1
    array = np.array([b"x" if dtype is DataType.STRING else 1], STORAGE[dtype])
    taken = written = True
    try:
        read({"inputs": [value]}, {"x": Tensor(dtype, array)})
    except ServingError:
        taken = False
    try:
        json_response.outputs({"y": Tensor(dtype, array)})
    except ServingError:
        written = False
    assert (taken and written) is (dtype in schemas.CARRIED)
