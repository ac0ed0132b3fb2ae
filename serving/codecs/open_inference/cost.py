"""What a ModelInferRequest costs to decode, told from tags and lengths: its owner decides by it where to do so."""

from functools import partial

from serving.codecs.open_inference.message import CONTENTS, INPUT, RAW
from serving.codecs.protobuf import cost
from serving.codecs.protobuf.cost import BYTE, DEAREST_BYTE, STRING_BYTE, VARINT_BYTE

_DATATYPE, _BYTES = 0x12, b"BYTES"
_PLAIN = frozenset((0x32, 0x3A))
"""Tags of typed contents that are the numbers as they lie: floats and doubles."""
_STRING = 0x42


def _request(payload: bytes) -> float:
    total, known, raw, strings = 0.0, 0, 0, False
    for tag, start, end in cost.fields(payload, 0, len(payload)):
        if tag == RAW:
            raw += end - start
            known += end - start
        elif tag == INPUT:
            known += end - start
            of_input, of_bytes = _input(payload, start, end)
            total += of_input
            strings |= of_bytes
    return total + raw * (STRING_BYTE if strings else BYTE) + DEAREST_BYTE * (len(payload) - known)


def _input(payload: bytes, start: int, stop: int) -> tuple[float, bool]:
    """What an input costs without its raw contents, and whether these are strings."""
    total, seen, strings = 0.0, 0, False
    for tag, first, end in cost.fields(payload, start, stop):
        if tag == _DATATYPE:
            strings |= payload[first:end] == _BYTES
        elif tag == CONTENTS:
            total += _contents(payload, first, end)
            seen += end - first
    return total + DEAREST_BYTE * (stop - start - seen), strings


def _contents(payload: bytes, start: int, stop: int) -> float:
    total, seen = 0.0, 0
    for tag, first, end in cost.fields(payload, start, stop):
        total += (end - first) * (BYTE if tag in _PLAIN or tag == _STRING else VARINT_BYTE)
        seen += end - first
    return total + DEAREST_BYTE * (stop - start - seen)


seconds = partial(cost.seconds, _request)
"""About how long a core decodes a request."""
