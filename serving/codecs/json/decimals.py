"""Arrays of numbers as JSON on one line without blanks: ``[[2.5,3.0],[0.333333343,1e-05]]``.

Floats have TensorFlow Serving's digits: six if these give the value back, else nine or seventeen, and always a point or
an exponent (docs/rest.md, "Numbers in answers"). Not the digits of messages (``json_digits``).
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, zip_longest
from typing import Any, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from serving.codecs.json import decades as json_decades
from serving.codecs.json.strings import joined
from serving.core.tensor import DataType

Floats: TypeAlias = NDArray[np.float32] | NDArray[np.float64]

NUMBERS = frozenset(
    {
        DataType.FLOAT,
        DataType.DOUBLE,
        DataType.INT32,
        DataType.INT16,
        DataType.INT8,
        DataType.UINT8,
        DataType.INT64,
        DataType.UINT32,
        DataType.UINT64,
        DataType.BOOL,
    }
)
"""The types written here, booleans included."""

MOST_EXACT = 4096
"""Numbers of an output that have these digits without being asked for; larger outputs have the shortest ones."""

_SPECIAL = {b"nan": b"NaN", b"-nan": b"NaN", b"inf": b"Infinity", b"-inf": b"-Infinity"}
_INFINITE = {math.inf: b"Infinity", -math.inf: b"-Infinity"}
_FULL_PRECISION = {np.dtype(np.float32): b"%.9g", np.dtype(np.float64): b"%.17g"}

_DIGITS = bytes.maketrans(b"123456789.", b"0" * 10)
_EIGHT = b"0" * 8
_NOT_DIGITS = b"-.[]"

_to_json, _NUMPY = orjson.dumps, orjson.OPT_SERIALIZE_NUMPY

_PIECE = 1 << 14
MANY = 48
"""Fewer floats are formatted faster one by one."""


def text(array: NDArray[Any], *, exact_digits: bool) -> bytes:
    """The JSON of an array of a dtype of ``NUMBERS`` and any shape.

    Floats have TensorFlow Serving's digits if ``exact_digits``, or if there are at most ``MOST_EXACT``; else the
    shortest that give the value back. What is not finite is ``NaN``, ``Infinity`` or ``-Infinity``.
    """
    if array.size > _PIECE:
        return joined(texts(array, exact_digits=exact_digits))
    if array.ndim == 0:
        return text(array.reshape(1), exact_digits=exact_digits)[1:-1]
    return _writer(array, exact_digits)(array)


def texts(array: NDArray[Any], *, exact_digits: bool) -> Iterable[bytes]:
    """The same in pieces that none takes long to write; each ends in a number, the last one is all the brackets."""
    if array.size <= _PIECE:
        whole = text(array, exact_digits=exact_digits)
        end = len(whole) - array.ndim
        return whole[:end], whole[end:]
    array = np.ascontiguousarray(array)
    return _to_numbers(_pieces(array, _writer(array, exact_digits)))


def _writer(array: NDArray[Any], exact_digits: bool) -> Callable[[NDArray[Any]], bytes]:
    if array.dtype.kind != "f":
        return _dumps
    if array.size < MANY:
        return few
    if array.size > MOST_EXACT and not exact_digits:
        return _shortest
    return _many if array.dtype == np.float32 else few


def _to_numbers(texts: Iterator[bytes]) -> Iterator[bytes]:
    """The brackets and commas behind the last number of each text moved to the next one."""
    behind = b""
    for text in texts:
        numbers = text.rstrip(b"[,]")
        if numbers:
            yield behind + numbers
            behind = text[len(numbers) :]
        else:
            behind += text
    yield behind


def _pieces(array: NDArray[Any], write: Callable[[NDArray[Any]], bytes]) -> Iterator[bytes]:
    if array.size <= _PIECE:
        yield write(array)
        return
    rows = max(1, _PIECE * len(array) // array.size)
    yield b"["
    for start in range(0, len(array), rows):
        if start:
            yield b","
        if rows == 1:
            yield from _pieces(array[start], write)
        else:
            yield write(array[start : start + rows])[1:-1]
    yield b"]"


def float_texts(values: Floats) -> list[bytes]:
    """One text per value, row-major, with TensorFlow Serving's digits."""
    return text(values.ravel(), exact_digits=True)[1:-1].split(b",") if values.size else []


def _dumps(array: NDArray[Any]) -> bytes:
    try:
        return _to_json(array, None, _NUMPY)
    except orjson.JSONEncodeError:  # its elements do not lie one behind the other, which is not worth asking each for
        return _to_json(np.ascontiguousarray(array), None, _NUMPY)


def few(array: Floats) -> bytes:
    """``text`` of fewer than ``MANY`` floats, with at least one dimension.

    The shortest digits tell which floats need more than six; only these are formatted with more.
    """
    found = _dumps(array)
    if not (
        found.find(b"e") >= 0  # ``in`` would take bytes for a number first, and make an error of that
        or found.find(b"n") >= 0
        or found.find(b"0.0000") >= 0
        or found.translate(_DIGITS).find(_EIGHT) >= 0
    ):
        # Decimals of seven characters, the point included, and not below 1e-4: six digits, written alike.
        return found
    return _nested(_formatted(array, found), array.shape)


def _formatted(array: Floats, shortest: bytes) -> bytes:
    """The floats of an array one by one, with commas between them; ``shortest`` is its JSON."""
    digits = shortest.translate(None, _NOT_DIGITS).split(b",")
    if b"e" in shortest:
        digits = [number.partition(b"e")[0] for number in digits]
    full = _FULL_PRECISION[array.dtype]
    pattern = b",".join([b"%g" if len(number.strip(b"0")) <= 6 else full for number in digits])
    found: bytes = pattern % tuple(array.ravel().tolist())
    if found.count(b".") == len(digits):
        return found
    texts = found.split(b",")
    return b",".join([text if b"." in text or b"e" in text else _SPECIAL.get(text, text + b".0") for text in texts])


def _nested(line: bytes, shape: tuple[int, ...]) -> bytes:
    """The numbers of ``line`` in brackets."""
    if line.count(b",") >= shape[-1]:
        texts = line.split(b",")
        for size in shape[:0:-1]:
            texts = [b"[%b]" % b",".join(texts[start : start + size]) for start in range(0, len(texts), size)]
        return b"[%b]" % b",".join(texts)
    return b"[" * len(shape) + line + b"]" * len(shape)


def _many(array: NDArray[np.float32]) -> bytes:
    flat = array.ravel()
    decimals, left = json_decades.decimals(flat)
    found = json_decades.exponents(_dumps(decimals.reshape(array.shape)))
    if not left:
        return found
    rest = flat[left]
    return _filled(found, _formatted(rest, _dumps(rest)).split(b","))


def _shortest(array: Floats) -> bytes:
    found = _dumps(array)
    if b"n" not in found:
        return found
    flat = array.ravel()
    return _filled(found, [_INFINITE.get(value, b"NaN") for value in flat[~np.isfinite(flat)].tolist()])


def _filled(found: bytes, texts: list[bytes]) -> bytes:
    """``found`` with its nulls replaced."""
    return b"".join(chain.from_iterable(zip_longest(found.split(b"null"), texts, fillvalue=b"")))
