"""What a PredictRequest costs to decode, told from tags and lengths alone: its owner decides by it where to do so."""

from functools import partial
from math import prod

from serving.codecs.protobuf import cost, wire
from serving.codecs.protobuf.cost import BYTE, DEAREST_BYTE, STRING_BYTE, VARINT_BYTE
from serving.core.tensor import STORAGE, DataType

_MADE_BYTE = 2e-9
"""Of what a shape declares beyond what there is: it is filled, and copied on its way in, out and into the answer."""
_MOST_MADE = 2**27
"""As in ``tensor_proto``, which refuses more."""

_ENTRY, _VALUE = 0x12, 0x12
_DTYPE, _SHAPE, _DIM, _SIZE, _CONTENT = 0x08, 0x12, 0x12, 0x08, 0x22
_BYTE_COSTS = dict.fromkeys((0x2A, 0x32, 0x4A, 0x62, 0x42), BYTE) | dict.fromkeys(
    (0x3A, 0x52, 0x5A, 0x6A, 16 << 3 | 2, 17 << 3 | 2), VARINT_BYTE
)
"""By the tags of the typed fields: floats and doubles, also of complex numbers, and strings; and the varints."""


def _request(payload: bytes) -> float:
    total, known = 0.0, 0
    for tag, start, end in cost.fields(payload, 0, len(payload)):
        if tag == _ENTRY:
            for part, first, last in cost.fields(payload, start, end):
                if part == _VALUE:
                    total += _tensor(payload, first, last)
                    known += last - first
    return total + DEAREST_BYTE * (len(payload) - known)


def _tensor(payload: bytes, start: int, stop: int) -> float:
    dtype, sizes, read, seen = 0, [], 0.0, 0
    for tag, first, end in cost.fields(payload, start, stop):
        if tag == _DTYPE:
            dtype = payload[first]
        elif tag == _SHAPE:
            sizes += _sizes(payload, first, end)
        elif tag == _CONTENT or tag in _BYTE_COSTS:
            rate = STRING_BYTE if dtype == DataType.STRING else BYTE
            read += (end - first) * _BYTE_COSTS.get(tag, rate)
            seen += end - first
    made = prod(sizes) * (STORAGE[DataType(dtype)].itemsize if dtype in STORAGE else 1) - seen
    return read + DEAREST_BYTE * (stop - start - seen) + (_MADE_BYTE * made if 0 < made <= _MOST_MADE else 0)


def _sizes(payload: bytes, start: int, stop: int) -> list[int]:
    """The dimensions of a shape, of which there are more than one can look at only in what is refused."""
    sizes = []
    for tag, first, end in cost.fields(payload, start, stop):
        if tag == _DIM:
            inner = cost.fields(payload, first, end)
            sizes.append(sum(wire.read_varint(payload, value)[0] for part, value, _ in inner if part == _SIZE))
    return sizes


seconds = partial(cost.seconds, _request)
"""About how long a core decodes a request, and copies what it asks for."""
