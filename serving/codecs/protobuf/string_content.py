"""TensorFlow's string list in ``tensor_content``: the lengths as varints, then the bytes one after the other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.codecs.protobuf import wire

_LONGEST_LENGTH = 5
"""Bytes of a length, as TensorFlow reads it."""
_MOST = 2**14
"""Strings that are made in one go."""


def decode(content: bytes | memoryview, count: int) -> NDArray[Any] | None:
    """The strings, ``count`` at least 1; None if the bytes are not exactly so many."""
    data = np.frombuffer(content, np.uint8)
    head = _end_of_lengths(data, count)
    if head is None:
        return None
    try:
        lengths = wire.numbers(data[:head].data, np.int64, _LONGEST_LENGTH)
    except ValueError:
        return None
    if head + int(lengths.sum()) != len(data):
        return None
    values = np.empty(count, object)
    if head == len(data):
        values.fill(b"")
        return values
    ends = head + np.cumsum(lengths)
    for at in range(0, count, _MOST):
        _slice(values[at : at + _MOST], data, ends[at : at + _MOST], head)
        head = int(ends[min(at + _MOST, count) - 1])
    return values


def _slice(values: NDArray[Any], data: NDArray[np.uint8], ends: NDArray[np.int64], start: int) -> None:
    text = wire.joined([data[start : ends[-1]].data])
    stops = (ends - start).tolist()
    values[:] = [text[one:other] for one, other in zip([0, *stops], stops, strict=False)]


def _end_of_lengths(data: NDArray[np.uint8], count: int) -> int | None:
    """Where the ``count``-th byte that ends a number lies, behind it."""
    for at in range(0, len(data), wire.STEP):
        last = data[at : at + wire.STEP] < 128
        found = int(np.count_nonzero(last))
        if found >= count:
            return at + int(np.flatnonzero(last)[count - 1]) + 1
        count -= found
    return None


def encode(array: NDArray[Any]) -> bytes:
    """The list of an array's strings."""
    flat = array.ravel()
    heads, texts = [], []
    for at in range(0, len(flat), _MOST):
        values: list[bytes] = flat[at : at + _MOST].tolist()
        heads.append(wire.varints(np.fromiter(map(len, values), np.int64, len(values))))
        texts.append(b"".join(values))
    return wire.joined(heads + texts)
