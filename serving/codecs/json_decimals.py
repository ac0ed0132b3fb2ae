"""Tensors' elements as JSON texts: the decimals, words and strings of predictions.

Not the digits of messages (``json_digits``); the rule is in docs/compatibility.md, "Numbers in answers".
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.codecs.json_strings import base64_encoded, quoted
from serving.core.tensor import DataType

_SPECIAL = {b"nan": b"NaN", b"-nan": b"NaN", b"inf": b"Infinity", b"-inf": b"-Infinity"}
_FULL_PRECISION = {np.dtype(np.float32): b"%.9g\n", np.dtype(np.float64): b"%.17g\n"}

INTEGERS = frozenset(
    {
        DataType.INT32,
        DataType.INT16,
        DataType.INT8,
        DataType.UINT8,
        DataType.INT64,
        DataType.UINT32,
        DataType.UINT64,
    }
)


def float_texts(values: NDArray[np.float32] | NDArray[np.float64]) -> list[bytes]:
    """One text per value, row-major: six significant digits where these give the value back, else 9 or 17."""
    numbers = values.ravel().tolist()
    texts = _formatted(b"%g\n", numbers)
    # Parsing to double first and narrowing then is exact here: no decimal of six digits lies so near to the middle
    # between two floats that its double is the middle, unless it is the middle itself.
    with np.errstate(over="ignore"):
        parsed = np.array(list(map(float, texts)), dtype=np.float64).astype(values.dtype)
    inexact = np.flatnonzero((parsed != values.ravel()) & np.isfinite(values.ravel()))
    if inexact.size:
        longer = _formatted(_FULL_PRECISION[values.dtype], [numbers[index] for index in inexact])
        for index, text in zip(inexact.tolist(), longer, strict=True):
            texts[index] = text
    return [text if b"." in text or b"e" in text else _SPECIAL.get(text, text + b".0") for text in texts]


def _formatted(pattern: bytes, numbers: list[float]) -> list[bytes]:
    """Every number through ``pattern``, which ends in a newline; one formatting call is much cheaper than many."""
    return (pattern * len(numbers) % tuple(numbers)).split()


def integer_texts(values: NDArray[Any]) -> list[bytes]:
    """One text per integer, row-major."""
    return _formatted(b"%d\n", values.ravel().tolist())


def bool_texts(values: NDArray[np.bool_]) -> list[bytes]:
    """``true`` or ``false`` per value, row-major."""
    return [b"true" if value else b"false" for value in values.ravel().tolist()]


def string_texts(values: NDArray[Any]) -> list[bytes]:
    """One JSON string per element of an object array of bytes, row-major."""
    return [quoted(value) for value in values.ravel().tolist()]


def base64_texts(values: NDArray[Any], depth: int) -> list[bytes]:
    """One object with the member ``b64`` per element, laid out for ``depth`` containers around it."""
    outer = b"    " * depth
    return [b'{\n%b    "b64": "%b"\n%b}' % (outer, base64_encoded(value), outer) for value in values.ravel().tolist()]
