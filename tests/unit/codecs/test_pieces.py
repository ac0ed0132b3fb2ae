"""Messages parsed in pieces: what protobuf makes of them in one call, and refused where it refuses them."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given

from serving.codecs.protobuf import pieces, wire
from serving.protos import ClassificationRequest, Example, MultiInferenceRequest, PredictRequest
from tests.wire_messages import fields, messages

KINDS = [ClassificationRequest, MultiInferenceRequest, Example, PredictRequest]


@pytest.fixture(autouse=True, scope="module")
def short_pieces() -> Iterator[None]:
    """Pieces of few bytes, so that short messages have many of them and fields that are long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "_PIECE", 12)
        patch.setattr(pieces, "LARGE", 1)
        yield


def outcome(kind: Any, data: bytes, parse: Any) -> Any:
    """The message in its canonical bytes, or that it is none."""
    try:
        return parse(kind, data).SerializeToString(deterministic=True)
    except DecodeError:
        return DecodeError


def at_once(kind: Any, data: bytes) -> Any:
    message = kind.FromString(data)
    message.DiscardUnknownFields()
    return message


def in_pieces(kind: Any, data: bytes) -> Any:
    message = pieces.parse(kind, data)
    message.DiscardUnknownFields()
    return message


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.DESCRIPTOR.name)
@given(data=messages())
def test_pieces_are_the_message(kind: Any, data: bytes) -> None:
    """Whatever the fields, nested, repeated, unknown, cut off or with bytes changed."""
    assert outcome(kind, data, in_pieces) == outcome(kind, data, at_once)


@given(messages())
def test_pieces_cover_the_message(data: bytes) -> None:
    """They follow one another without a gap; between two of them lie at most a tag and a length."""
    position = 0
    try:
        for tag, start, end in pieces.pieces(data, 0, len(data)):
            assert start == position if tag == 0 else 0 < start - position <= 10
            position = end
    except DecodeError:
        return
    assert position == len(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x0b" + fields("5x" * 20) + b"\x14", id="ends as another"),
        pytest.param(b"\x0b" * 200 + b"\x0c" * 200, id="200 in one another"),
        pytest.param(b"\x0b" + b"\x0e" * 30 + b"\x0c", id="no field in it"),
        pytest.param(b"\x0b", id="without an end"),
        pytest.param(b"\x0c", id="without a start"),
    ],
)
def test_groups_that_are_none(data: bytes) -> None:
    """Groups are passed over, if they are some."""
    assert outcome(PredictRequest, data, in_pieces) is outcome(PredictRequest, data, at_once) is DecodeError


def test_long_group_is_passed_over() -> None:
    """No message here has groups; what is in one is nobody's."""
    data = b"\xab\x06" + b"\x1a\x01y" * 20 + b"\xac\x06" + b"\x1a\x01z"
    assert list(in_pieces(PredictRequest, data).output_filter) == ["z"]


def test_messages_in_messages_without_end() -> None:
    """As deep as protobuf goes and no deeper."""
    data = b""
    for _ in range(60):
        data = wire.field(b"\x7a", wire.field(b"\x1a", data))
    data = wire.field(b"\x12", wire.field(b"\x0a", b"x") + wire.field(b"\x12", data))
    assert outcome(PredictRequest, data, in_pieces) is outcome(PredictRequest, data, at_once) is DecodeError


def test_long_entry_of_a_map_of_numbers() -> None:
    """Such maps are in the options of a stream."""
    data = wire.field(b"\x2a", wire.field(b"\x12", wire.field(b"\x0a", b"a" * 20) + b"\x10\1"))
    assert outcome(PredictRequest, data, in_pieces) == outcome(PredictRequest, data, at_once)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 300], ids=str)
def test_runs_of_equal_fields(size: int) -> None:
    """Every length of a field, at every place of a piece's end."""
    data = wire.field(b"\x1a", b"a" * size) * 40
    assert outcome(PredictRequest, data, in_pieces) == outcome(PredictRequest, data, at_once)
