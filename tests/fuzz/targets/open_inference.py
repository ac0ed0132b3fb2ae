"""The Open Inference Protocol's requests, JSON with bytes behind it, against Python's ``json`` and ``struct``."""

import json
import struct
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.codecs.open_inference import json_request
from serving.codecs.open_inference.datatypes import DATATYPES, DTYPES
from serving.codecs.open_inference.json_data import BINARY_ONLY
from serving.core.tensor import STORAGE, DataType, Tensor, truths
from tests.fuzz import json_text
from tests.fuzz.drawing import chance, mutated, some_bytes
from tests.fuzz.json_text import Style, listed, members, nested, quoted
from tests.fuzz.target import Target, unless_refused

_DAMAGED = 8
"""In a hundred."""
_SIZE = struct.Struct("<I")
_LONG = 5000
"""Blanks that make a request one of those whose numbers are read apart."""
_LARGEST = float(np.finfo(np.float32).max)


def _request(random: Random) -> bytes:
    """The length of the JSON in four bytes, or that there is none, then the body."""
    style = json_text.style(random)
    behind: list[bytes] = []
    inputs = [
        _input(random, style, name, behind) for name in random.sample(("x", "y", "ü", ""), random.choice((1, 1, 2)))
    ]
    pairs = [("inputs", listed(style, inputs))]
    if chance(random, 30):
        pairs.insert(random.randrange(2), ("id", quoted(style, random.choice(("7", '"data": [1]', "ü")))))
    if chance(random, 30):
        pairs.append(("parameters", random.choice(('{"timeout": 1000}', '{"binary_data_output": true}', "{}", "[]"))))
    if chance(random, 30):
        pairs.append(("outputs", random.choice(('[{"name": "y"}]', "[]", '[{"name": 1}]', "null"))))
    text = members(style, pairs).encode() + b" " * (_LONG if chance(random, 40) else 0)
    length = len(text) if behind or chance(random, 20) else 2**32 - 1
    body = text + b"".join(behind)
    return _SIZE.pack(length) + (mutated(random, body) if chance(random, _DAMAGED) else body)


def _input(random: Random, style: Style, name: str, behind: list[bytes]) -> str:
    dtype = random.choice([*DATATYPES])
    shape = [random.choice((0, 1, 2, 3)) for _ in range(random.choice((0, 1, 1, 2)))]
    pairs = [("name", quoted(style, name)), ("datatype", quoted(style, DATATYPES[dtype])), ("shape", json.dumps(shape))]
    if dtype in BINARY_ONLY or chance(random, 40):
        data = _raw(random, dtype, int(np.prod(shape, dtype=int)))
        behind.append(data)
        pairs.append(("parameters", json.dumps({"binary_data_size": len(data)})))
    else:
        one = lambda: _leaf(random, style, dtype)  # noqa: E731
        flat = chance(random, 50) or not shape
        pairs.append(("data", nested(random, style, [int(np.prod(shape, dtype=int))] if flat else shape, one)))
    random.shuffle(pairs)
    return members(style, pairs)


def _leaf(random: Random, style: Style, dtype: DataType) -> str:
    if dtype is DataType.STRING:
        return quoted(style, random.choice(("", "a", '"data": [1]', "ü")))
    return json_text.leaf(random, style, DataType.UINT8 if dtype is DataType.UINT16 else dtype)


def _raw(random: Random, dtype: DataType, count: int) -> bytes:
    if dtype is not DataType.STRING:
        return random.randbytes(count * STORAGE[dtype].itemsize)
    values = [some_bytes(random, 6) for _ in range(count)]
    return b"".join(_SIZE.pack(len(value)) + value for value in values)


def _check(data: bytes) -> bool:
    given, body = int.from_bytes(data[:4], "little"), data[4:]
    length = None if given == 2**32 - 1 else given
    request = unless_refused(lambda: json_request.read(body, length, lambda _: None))
    if request is None:
        return False
    found = {name: unless_refused(lambda each=each: each.tensor(each.dtype)) for name, each in request.inputs.items()}  # type: ignore[misc]
    text = body if length is None else body[:length]
    at = len(text)
    for member in _inputs(text):
        dtype, shape = DTYPES[member["datatype"]], tuple(member["shape"])
        size = (member.get("parameters") or {}).get("binary_data_size")
        tensor = found[member["name"]]
        if size is None:
            array = None if tensor is None else _listed(member["data"], dtype)
        else:
            array = _bytes(body[at : at + size], dtype)
            at += size
        if tensor is not None and array is not None:
            assert tensor.array.shape == shape
            _assert_alike(tensor, array)
    return None not in found.values()


def _inputs(text: bytes) -> list[dict[str, Any]]:
    inputs: list[dict[str, Any]] = json.loads(text)["inputs"]
    return inputs


def _listed(value: Any, dtype: DataType) -> NDArray[Any] | None:
    """The elements; None where Python is no judge."""
    leaves = _flat(value)
    if dtype is DataType.FLOAT and any(abs(leaf) > _LARGEST for leaf in leaves):
        return None
    made = np.empty(len(leaves), STORAGE[dtype])
    made[:] = [leaf.encode() for leaf in leaves] if dtype is DataType.STRING else leaves
    return made


def _flat(value: Any) -> list[Any]:
    return [leaf for each in value for leaf in _flat(each)] if isinstance(value, list) else [value]


def _bytes(data: bytes, dtype: DataType) -> NDArray[Any] | None:
    if dtype is not DataType.STRING:
        storage = STORAGE[dtype]
        return np.frombuffer(data, storage) if len(data) % storage.itemsize == 0 else None
    values, at = [], 0
    while at + 4 <= len(data):
        (size,) = _SIZE.unpack_from(data, at)
        values.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    array: NDArray[Any] = np.empty(len(values), object)
    array[:] = values
    return array


def _assert_alike(tensor: Tensor, array: NDArray[Any]) -> None:
    if tensor.dtype is DataType.STRING:
        assert tensor.array.ravel().tolist() == array.tolist()
    else:
        expected = truths(array) if tensor.dtype is DataType.BOOL else array
        assert tensor.array.tobytes() == expected.tobytes()


TARGETS = (
    Target(
        name="open_inference.request",
        promise="the tensors that json and struct read, or INVALID_ARGUMENT",
        make=_request,
        check=_check,
        seeds=(
            b'\xff\xff\xff\xff{"inputs": [{"name": "x", "datatype": "FP32", "shape": [2], "data": [1.5, 2]}]}',
            b'\x5d\0\0\0{"inputs": [{"name":"x","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":5}}]}'
            b"\x01\0\0\0a",
        ),
    ),
)
