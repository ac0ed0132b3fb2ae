"""JSON requests to predict, classify and regress, in rows and columns, against Python's ``json`` and the exact road."""

import base64
import binascii
import json
import re
import sys
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.codecs.json import example, request, text
from serving.core.signature import TensorInfo
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.protos import Example
from tests.fuzz import json_text
from tests.fuzz.drawing import chance, mutated
from tests.fuzz.json_text import Style, listed, members, nested, quoted
from tests.fuzz.target import Target, unless_refused
from tests.support.json_requests import SX, XY, B, S, X, infos, outcome

_INPUTS: Sequence[Mapping[str, TensorInfo]] = (
    X,
    X,
    X,
    XY,
    S,
    SX,
    B,
    infos(x=DataType.DOUBLE),
    infos(x=DataType.INT64),
    infos(x=DataType.UINT8),
    infos(x=DataType.UINT64),
    infos(a=DataType.FLOAT, b=DataType.STRING, c=DataType.INT8),
)
"""What the model takes; the first byte of an input says which."""

_DAMAGED = 6
"""In a hundred."""
_DEEPEST = 200
_READ_OTHERWISE = re.compile(rb"Inf|NaN|[eE]\+?0*[1-9][0-9]{2}")
"""Words, and exponents that TensorFlow Serving refuses even where the number is a zero."""

_LARGEST, _LEAST = (float(each) for each in (np.finfo(np.float32).max, np.finfo(np.float32).tiny))
"""Smaller floats become zeros."""


class _UnsureError(Exception):
    """The reference has no opinion: what ``json`` and TensorFlow Serving take for a request differs there."""


def _predict(random: Random) -> bytes:
    number = random.randrange(len(_INPUTS))
    body = _request(random, _INPUTS[number]).encode()
    return bytes((number,)) + (mutated(random, body) if chance(random, _DAMAGED) else body)


def _request(random: Random, inputs: Mapping[str, TensorInfo]) -> str:
    style = json_text.style(random)
    pairs = [_rows(random, style, inputs) if chance(random, 60) else _columns(random, style, inputs)]
    if chance(random, 20):
        pairs.insert(
            random.randrange(2), ("signature_name", quoted(style, random.choice(("s", "serving_default", "ü"))))
        )
    if chance(random, 5):
        pairs.insert(
            random.randrange(len(pairs) + 1), ("other", random.choice(('{"x": [1]}', "null", '"text"', "1.5")))
        )
    return members(style, pairs)


def _shape(random: Random) -> tuple[int, ...]:
    rank = random.choice((0, 0, 1, 1, 1, 2, 3))
    return tuple([random.choice((1, 1, 2, 3, 5, 17 if rank == 1 else 2)) for _ in range(rank)])


def _value(random: Random, style: Style, dtype: DataType, shape: Sequence[int]) -> str:
    return nested(random, style, shape, lambda: json_text.leaf(random, style, dtype))


def _rows(random: Random, style: Style, inputs: Mapping[str, TensorInfo]) -> tuple[str, str]:
    shapes = {name: _shape(random) for name in inputs}
    count = random.choice((1, 1, 2, 3, 8, 20))
    if len(inputs) == 1 and chance(random, 70):
        ((name, info),) = inputs.items()
        return "instances", listed(style, [_value(random, style, info.dtype, shapes[name]) for _ in range(count)])
    rows = [
        members(style, [(name, _value(random, style, info.dtype, shapes[name])) for name, info in inputs.items()])
        for _ in range(count)
    ]
    return "instances", listed(style, rows)


def _columns(random: Random, style: Style, inputs: Mapping[str, TensorInfo]) -> tuple[str, str]:
    values = [(name, _value(random, style, info.dtype, _shape(random))) for name, info in inputs.items()]
    if len(values) == 1 and chance(random, 60):
        return "inputs", values[0][1]
    random.shuffle(values)
    return "inputs", members(style, values)


def _check_predict(data: bytes) -> bool:
    inputs, body = dict(_INPUTS[data[0] % len(_INPUTS)] if data else X), data[1:]
    found = outcome(request.read, body, inputs)
    assert found == outcome(request.read_exactly, body, inputs)
    read = unless_refused(lambda: request.read(body).tensors(inputs))
    try:
        expected = _expected(body, inputs)
    except _UnsureError:
        return read is not None
    assert read is not None, f"json takes it: {found}"
    for name, values in expected.items():
        _assert_alike(read[1][name], values)
    return True


def _assert_alike(tensor: Tensor, values: NDArray[Any]) -> None:
    """Floats may differ in the last bit, where TensorFlow Serving's parser does not round as others do."""
    assert tensor.array.shape == values.shape
    if values.dtype.kind == "f":
        assert np.allclose(tensor.array, values, rtol=1e-6, atol=_LEAST)
    else:
        assert tensor.array.tolist() == values.tolist()


def _document(body: bytes) -> Any:
    """The first value of a body, if it is such that every parser reads it alike."""
    if body.count(b"[") + body.count(b"{") > _DEEPEST or _READ_OTHERWISE.search(body):
        raise _UnsureError
    try:
        plain = body.decode().lstrip(" \t\r\n")
        value = json.JSONDecoder(object_pairs_hook=_no_duplicates).raw_decode(plain)[0]
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()  # halves of characters are an error here
        return value
    except ValueError:  # neither JSON nor UTF-8, or a number of thousands of digits
        raise _UnsureError from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _UnsureError
    return made


def _expected(body: bytes, inputs: Mapping[str, TensorInfo]) -> dict[str, NDArray[Any]]:
    document = _document(body)
    if not isinstance(document, dict) or ("instances" in document) == ("inputs" in document):
        raise _UnsureError
    if not isinstance(document.get("signature_name", ""), str):
        raise _UnsureError
    given = document.get("instances", document.get("inputs"))
    columns: Mapping[str, Any]
    if "inputs" in document:
        columns = given if isinstance(given, dict) and not _is_base64(given) else dict.fromkeys(inputs, given)
        if columns.keys() != inputs.keys() or (len(inputs) > 1 and not isinstance(given, dict)):
            raise _UnsureError
    else:
        columns = _stacked(given, inputs)
    return {name: _array(columns[name], info.dtype) for name, info in inputs.items()}


def _stacked(rows: Any, inputs: Mapping[str, TensorInfo]) -> dict[str, list[Any]]:
    if not isinstance(rows, list) or not rows:
        raise _UnsureError
    if all(isinstance(row, dict) and row.keys() == inputs.keys() and not _is_base64(row) for row in rows):
        return {name: [row[name] for row in rows] for name in inputs}
    if len(inputs) > 1 or any(isinstance(row, dict) and not _is_base64(row) for row in rows):
        raise _UnsureError
    return dict.fromkeys(inputs, rows)


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"}


def _array(value: Any, dtype: DataType) -> NDArray[Any]:
    shape = _rectangle(value)
    leaves = [_leaf(each, dtype) for each in _flat(value)]
    made = np.empty(len(leaves), STORAGE[dtype])
    made[:] = leaves
    return made.reshape(shape)


def _rectangle(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        return ()
    shapes = {_rectangle(each) for each in value}
    if len(shapes) != 1:
        raise _UnsureError
    return len(value), *shapes.pop()


def _flat(value: Any) -> list[Any]:
    return [leaf for each in value for leaf in _flat(each)] if isinstance(value, list) else [value]


def _leaf(value: Any, dtype: DataType) -> Any:
    if dtype is DataType.STRING:
        return _bytes(value)
    if dtype is DataType.BOOL and isinstance(value, bool):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or dtype is DataType.BOOL:
        raise _UnsureError
    if dtype in (DataType.FLOAT, DataType.DOUBLE):
        if abs(value) > (_LARGEST if dtype is DataType.FLOAT else 1e308):
            raise _UnsureError
        return value
    kept = np.iinfo(STORAGE[dtype])
    if isinstance(value, float) or not kept.min <= value <= kept.max:
        raise _UnsureError
    return value


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise _UnsureError from None
    if not _is_base64(value) or not isinstance(value["b64"], str):
        raise _UnsureError
    try:
        decoded = base64.b64decode(value["b64"], validate=True)
    except (ValueError, binascii.Error):
        raise _UnsureError from None
    if base64.b64encode(decoded).decode() != value["b64"]:  # Python takes more
        raise _UnsureError
    return decoded


def _examples(random: Random) -> bytes:
    style = json_text.style(random)
    pairs = [("examples", listed(style, [_example(random, style) for _ in range(random.choice((1, 1, 2, 5)))]))]
    if chance(random, 25):
        pairs.insert(random.randrange(2), ("context", _example(random, style)))
    if chance(random, 20):
        pairs.insert(random.randrange(2), ("signature_name", quoted(style, "s")))
    body = members(style, pairs).encode()
    return mutated(random, body) if chance(random, _DAMAGED) else body


def _example(random: Random, style: Style) -> str:
    features = {}
    for _ in range(random.randrange(4)):
        dtype = random.choice((DataType.DOUBLE, DataType.INT64, DataType.STRING))
        shape = random.choice(((), (1,), (3,), (0,)))
        value = _value(random, style, dtype, shape)
        if dtype is DataType.DOUBLE:
            value = nested(random, style, shape, lambda: f"{random.randrange(-1000, 1000) / 8}")
        features[random.choice(("x", "y", "name", "ü"))] = value
    return members(style, list(features.items()))


def _check_examples(body: bytes) -> bool:
    read = unless_refused(lambda: example.read(body))
    serialized = [] if read is None else read.examples()
    messages = [Example.FromString(each) for each in serialized]
    try:
        document = _document(body)
        if not isinstance(document, dict) or not all(isinstance(each, dict) for each in document["examples"]):
            raise _UnsureError
    except (_UnsureError, KeyError, TypeError):
        return read is not None
    context = document.get("context", {})
    if read is None or not isinstance(context, dict):
        return False
    for message, given in zip(messages, document["examples"], strict=True):
        features = context | given
        assert set(message.features.feature) == {_text(name) for name in features}
        for name, value in features.items():
            count = len(value) if isinstance(value, list) else 1
            found = message.features.feature[_text(name)]
            kind = found.WhichOneof("kind")
            assert (len(getattr(found, kind).value) if kind else 0) == count
    return True


def _text(name: str) -> str:
    return name.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _any_document(random: Random) -> bytes:
    style = json_text.style(random)
    body = _any_value(random, style, 4).encode()
    return mutated(random, body) if chance(random, _DAMAGED) else body


def _any_value(random: Random, style: Style, depth: int) -> str:
    match random.randrange(6 if depth else 4):
        case 0:
            return random.choice(("null", "true", "false"))
        case 1 | 2 | 3:
            return json_text.leaf(random, style, random.choice((DataType.DOUBLE, DataType.INT64, DataType.STRING)))
        case 4:
            return listed(style, [_any_value(random, style, depth - 1) for _ in range(random.randrange(4))])
        case _:
            names = random.sample(("a", "b", "ü", "", "b64"), random.randrange(4))
            return members(style, [(name, _any_value(random, style, depth - 1)) for name in names])


def _check_document(body: bytes) -> bool:
    read = unless_refused(lambda: (text.parse(body),))
    try:
        expected = _document(body)
        _assert_representable(expected)
    except _UnsureError:
        return read is not None
    assert read is not None
    _assert_same(read[0], expected)
    return True


def _assert_representable(value: Any) -> None:
    """_UnsureError for what only one of the two has: numbers too large, and halves of characters."""
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _assert_representable(each)
    for word in value if isinstance(value, dict) else [value] if isinstance(value, str) else ():
        if any("\ud800" <= letter <= "\udfff" for letter in word):
            raise _UnsureError
    if isinstance(value, int | float) and abs(value) > 1e300:
        raise _UnsureError


def _assert_same(read: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert [name for name, _ in read] == list(expected)
        for name, value in read:
            _assert_same(value, expected[name])
    elif isinstance(expected, list):
        assert len(read) == len(expected)
        for one, other in zip(read, expected, strict=True):
            _assert_same(one, other)
    elif isinstance(expected, int | float) and not isinstance(expected, bool):
        assert read == expected or abs(read - expected) <= 1e-14 * abs(expected) + sys.float_info.min
    else:
        assert read == expected


TARGETS = (
    Target(
        name="json_bodies.predict",
        promise="tensors or ServingError, the same on all roads, and those that json gives where both read alike",
        make=_predict,
        check=_check_predict,
        seeds=(
            b'\0{"instances": [1.0, 2]}',
            b'\3{"inputs": {"x": [1.5], "y": 2}}',
            b'\4{"instances": [{"b64": "YQ=="}]}',
        ),
    ),
    Target(
        name="json_bodies.examples",
        promise="Examples that parse, with as many values as the JSON has, or ServingError",
        make=_examples,
        check=_check_examples,
        seeds=(b'{"context": {"c": "x"}, "examples": [{"x": [1.5, 2.5], "s": {"b64": "YQ=="}}]}',),
    ),
    Target(
        name="json_bodies.document",
        promise="the value that json gives where both read alike, or ServingError",
        make=_any_document,
        check=_check_document,
        seeds=(b'{"a": [1, -2.5e3, null, true, "\\u00fc"], "b": {}}',),
    ),
)
