"""What a core takes to decode the parts of a message, told from their tags and lengths alone."""

from collections.abc import Callable, Iterator
from itertools import islice

from google.protobuf.message import DecodeError

from serving.codecs.protobuf import pieces

_MOST_FIELDS = 24
"""Fields that are looked at in each message and part of it; what lies behind them counts as the dearest."""

_CALL = 2e-5
BYTE, VARINT_BYTE, STRING_BYTE, DEAREST_BYTE = 1e-9, 3e-8, 6e-8, 2e-7
"""Of numbers as they lie; of varints; of strings with their lengths in one field; of fields of two bytes each."""


def seconds(of: Callable[[bytes], float], payload: bytes) -> float:
    """What ``of`` says of a message, and of the call. Bytes that are no message are cheap."""
    try:
        return _CALL + of(payload)
    except DecodeError:
        return _CALL + DEAREST_BYTE * len(payload)


def fields(payload: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Tag, beginning and end of the fields that are looked at."""
    return islice(pieces.each(payload, start, stop), _MOST_FIELDS)
