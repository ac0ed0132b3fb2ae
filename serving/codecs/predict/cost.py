"""What a PredictRequest costs to decode, told from tags and lengths alone: its owner decides by it where to do so."""

from itertools import islice
from math import prod

from google.protobuf.message import DecodeError

from serving.codecs.protobuf import pieces, wire
from serving.core.tensor import STORAGE, DataType

_MOST_FIELDS = 24
"""Fields that are looked at in each message and part of it; what lies behind them counts as the dearest."""

_CALL = 20e-6
_BYTE, _VARINT_BYTE, _STRING_BYTE, _DEAREST_BYTE = 1e-9, 3e-8, 6e-8, 2e-7
"""Of numbers as they lie and of a string; of varints; of strings in ``tensor_content``; of fields of two bytes each."""
_MADE_BYTE = 2e-9
"""Of what a shape declares beyond what there is: it is filled, and copied on its way in, out and into the answer."""
_MOST_MADE = 2**27
"""As in ``tensor_proto``, which refuses more."""

_ENTRY, _VALUE = 0x12, 0x12
_DTYPE, _SHAPE, _DIM, _SIZE, _CONTENT = 0x08, 0x12, 0x12, 0x08, 0x22
_BYTE_COSTS = dict.fromkeys((0x2A, 0x32, 0x4A, 0x62, 0x42), _BYTE) | dict.fromkeys(
    (0x3A, 0x52, 0x5A, 0x6A, 16 << 3 | 2, 17 << 3 | 2), _VARINT_BYTE
)
"""By the tags of the typed fields: floats and doubles, also of complex numbers, and strings; and the varints."""


def seconds(payload: bytes) -> float:
    """About how long a core decodes the request, and copies what it asks for. Bytes that are no message are cheap."""
    try:
        return _CALL + _request(payload)
    except DecodeError:
        return _CALL + _DEAREST_BYTE * len(payload)


def _request(payload: bytes) -> float:
    total, known = 0.0, 0
    for tag, start, end in islice(pieces.each(payload, 0, len(payload)), _MOST_FIELDS):
        if tag == _ENTRY:
            for part, first, last in islice(pieces.each(payload, start, end), _MOST_FIELDS):
                if part == _VALUE:
                    total += _tensor(payload, first, last)
                    known += last - first
    return total + _DEAREST_BYTE * (len(payload) - known)


def _tensor(payload: bytes, start: int, stop: int) -> float:
    dtype, sizes, cost, seen = 0, [], 0.0, 0
    for tag, first, end in islice(pieces.each(payload, start, stop), _MOST_FIELDS):
        if tag == _DTYPE:
            dtype = payload[first]
        elif tag == _SHAPE:
            sizes += _sizes(payload, first, end)
        elif tag == _CONTENT or tag in _BYTE_COSTS:
            rate = _STRING_BYTE if dtype == DataType.STRING else _BYTE
            cost += (end - first) * _BYTE_COSTS.get(tag, rate)
            seen += end - first
    made = prod(sizes) * (STORAGE[DataType(dtype)].itemsize if dtype in STORAGE else 1) - seen
    return cost + _DEAREST_BYTE * (stop - start - seen) + (_MADE_BYTE * made if 0 < made <= _MOST_MADE else 0)


def _sizes(payload: bytes, start: int, stop: int) -> list[int]:
    """The dimensions of a shape, of which there are more than one can look at only in what is refused."""
    sizes = []
    for tag, first, end in islice(pieces.each(payload, start, stop), _MOST_FIELDS):
        if tag == _DIM:
            inner = islice(pieces.each(payload, first, end), _MOST_FIELDS)
            sizes.append(sum(wire.read_varint(payload, value)[0] for part, value, _ in inner if part == _SIZE))
    return sizes
