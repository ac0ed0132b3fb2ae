"""Large messages, parsed in pieces: protobuf's classes parse in one call, and all other threads wait for its end.

Messages that follow one another are, to protobuf, one message; so a message is cut between its fields, and each piece
is merged into what the others made. What is parsed, and what is refused, is left to protobuf.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from serving.codecs.protobuf import wire

LARGE = 2**18
"""Bytes from which on a message is read in pieces; below, protobuf takes at most 6 ms for the worst of messages."""

_PIECE = 2**16
"""Bytes of a piece, and of a field that is a piece of its own: 1.5 ms at most."""

_DEEPEST = 100
"""protobuf's limit on messages in messages."""

_VARINT, _LENGTH, _GROUP, _END_GROUP = 0, 2, 3, 4

_Message = TypeVar("_Message")


def _tags(kind: int) -> bytes:
    """A pattern of the tags of a wire type; whether a number is too large is for protobuf to say."""
    one, more = (b"".join(b"\\x%02x" % byte for byte in range(*span) if byte & 7 == kind) for span in _SPANS)
    return b"(?:[%s]|[%s][\x80-\xff]{0,3}+[\\x00-\x7f])" % (one, more)


_SPANS = ((8, 128), (128, 256))
_UP_TO_127 = b"|".join(b"\\x%02x.{%d}" % (size, size) for size in range(128))
_SMALL_FIELDS = re.compile(
    b"(?:"
    + b"|".join(
        (
            _tags(_LENGTH) + b"(?:" + _UP_TO_127 + b")",
            _tags(_VARINT) + b"[\x80-\xff]{0,9}+[\\x00-\x7f]",
            _tags(5) + b".{4}",
            _tags(1) + b".{8}",
        )
    )
    + b"|(?!))*+",  # the last for Python before 3.11.5, which else goes on where an alternative has failed
    re.DOTALL,
)
"""Whole fields one after the other. A hundredth of what a loop over them takes, and the most of what a piece costs."""


def pieces(message: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Runs of whole fields, as 0 and where they begin and end; and each long field, as ``wire.field_at`` has it.

    Raises DecodeError if the bytes are no message.
    """
    try:
        yield from _pieces(message, start, stop)
    except ValueError as error:
        raise DecodeError(str(error)) from None


def _pieces(message: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    position = start
    while position < stop:
        found = _SMALL_FIELDS.match(message, position, min(stop, start + _PIECE))
        position = found.end() if found else position
        if position < stop and position - start < _PIECE:
            tag, value, end = wire.field_at(message, position, stop)
            end = _group_end(message, end, stop, tag) if tag & 7 == _GROUP else end
            if end - position > _PIECE and tag & 7 in (_LENGTH, _GROUP):
                if start < position:
                    yield 0, start, position
                yield tag, value, end
                start = end
            position = end
        if position - start >= _PIECE:
            yield 0, start, position
            start = position
    if start < stop:
        yield 0, start, stop


def _group_end(message: bytes, position: int, stop: int, tag: int) -> int:
    """Where a group ends, which no message here has: it is an unknown field, and passed over."""
    opened = [tag]
    while opened:
        tag, _, position = wire.field_at(message, position, stop, 0)  # which protobuf takes, here
        if tag & 7 == _GROUP:
            opened.append(tag)
        elif tag & 7 == _END_GROUP and tag != opened.pop() + 1:
            raise ValueError(f"a group that does not end at byte {position}")
        if len(opened) > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} groups in one another")
    return position


def parse(kind: Callable[[], _Message], message: bytes) -> _Message:
    """``kind.FromString(message)`` in pieces, if it is large. Raises DecodeError."""
    made = kind()
    if len(message) < LARGE:
        made.ParseFromString(message)  # type: ignore[attr-defined]
    else:
        merge(made, message, 0, len(message))
    return made


def merge(made: Any, message: bytes, start: int, stop: int, depth: int = 0) -> None:
    """``made.MergeFromString(message[start:stop])`` in pieces. Raises DecodeError."""
    if stop - start <= _PIECE:
        made.MergeFromString(message[start:stop])
        return
    if depth > _DEEPEST:
        raise DecodeError(f"more than {_DEEPEST} messages in one another")
    for tag, first, end in pieces(message, start, stop):
        if tag == 0:
            made.MergeFromString(message[first:end])
        else:
            merge_field(made, message, tag, first, end, depth)


def merge_field(made: Any, message: bytes, tag: int, first: int, end: int, depth: int = 0) -> None:
    """Merge one long field, as ``pieces`` gives it. Raises DecodeError."""
    field = made.DESCRIPTOR.fields_by_number.get(tag >> 3) if tag & 7 == _LENGTH else None
    if field is None:
        return  # unknown, or of another wire type, and there is no such number
    inner, kind = getattr(made, field.name), field.message_type
    is_map = kind is not None and kind.GetOptions().map_entry
    if kind is None or (is_map and kind.fields_by_name["value"].message_type is None):
        made.MergeFromString(wire.varint(tag) + wire.varint(end - first) + message[first:end])
    elif is_map:
        key, values, kept = entry(message, first, end)
        if not kept:
            inner = getattr(type(made)(), field.name)
        inner[key].Clear()
        for value in values:
            merge(inner[key], message, *value, depth + 1)
    elif field.is_repeated:
        merge(inner.add(), message, first, end, depth + 1)
    else:
        inner.SetInParent()
        merge(inner, message, first, end, depth + 1)


def entry(message: bytes, start: int, stop: int) -> tuple[str, list[tuple[int, int]], bool]:
    """Of an entry of a map from strings to messages: the key, where the value's parts lie, and whether it is one.

    protobuf drops an entry in which there is something unknown. Raises DecodeError.
    """
    key, values, kept = "", [], True
    for tag, first, end in each(message, start, stop):
        if tag == _KEY:
            key = _text(message[first:end])
        elif tag == _VALUE:
            values.append((first, end))
        else:
            kept = False
    return key, values, kept


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise DecodeError("a key is no UTF-8") from None


_KEY, _VALUE = 0x0A, 0x12


def each(message: bytes, position: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Every field, long or not; groups are passed over. Raises DecodeError."""
    try:
        while position < stop:
            tag, value, end = wire.field_at(message, position, stop)
            if tag & 7 == _END_GROUP:
                raise ValueError(f"the end of no group at byte {position}")
            position = _group_end(message, end, stop, tag) if tag & 7 == _GROUP else end
            yield tag, value, position
    except ValueError as error:
        raise DecodeError(str(error)) from None
