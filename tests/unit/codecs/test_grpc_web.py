"""gRPC-Web's bodies: what a client may send, what it may not, and what it gets."""

import re
from base64 import b64encode
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs import grpc_web
from serving.codecs.protobuf.wire import STEP
from serving.errors import Code, ServingError
from tests.support.frames import framed


def frames(body: bytes) -> list[tuple[int, bytes]]:
    """The frames of a body: first bytes and contents."""
    found = []
    while body:
        size = int.from_bytes(body[1:5], "big")
        found.append((body[0], body[5 : 5 + size]))
        body = body[5 + size :]
    return found


@given(st.binary(max_size=200))
def test_one_frame_is_a_message(payload: bytes) -> None:
    """Whatever is in it, as bytes and as base64."""
    frame = framed(payload)
    assert grpc_web.message(frame, text=False) == payload
    assert grpc_web.message(b64encode(frame), text=True) == payload


@given(st.binary(max_size=200), st.lists(st.integers(0, 205), max_size=6))
def test_base64_may_be_in_padded_chunks(payload: bytes, places: list[int]) -> None:
    """A client may encode any pieces of a frame one by one, padding each."""
    frame = framed(payload)
    edges = [0, *sorted(min(place, len(frame)) for place in places), len(frame)]
    chunks = [b64encode(frame[start:end]) for start, end in pairwise(edges)]
    assert grpc_web.message(b"".join(chunks), text=True) == payload


@pytest.mark.parametrize("size", [STEP - 5, STEP, 3 * STEP + 1])
def test_large_bodies(size: int) -> None:
    """They are read and written in steps, which leaves no traces."""
    payload = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    frame = framed(payload)
    assert grpc_web.message(frame, text=False) == payload
    assert grpc_web.message(b64encode(frame), text=True) == payload
    body = framed(payload) + framed(b"grpc-status:0\r\n", 0x80)
    assert grpc_web.answer(payload, text=False) == body
    assert grpc_web.answer(payload, text=True) == b64encode(body)


INVALID, UNIMPLEMENTED = Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED
MALFORMED = [
    pytest.param(b"", False, INVALID, "has 0 bytes", id="nothing"),
    pytest.param(b"\0\0\0\0", False, INVALID, "has 4 bytes", id="half a head"),
    pytest.param(b"\0\0\0\0\2x", False, INVALID, "announces 2 bytes and has 1", id="cut off"),
    pytest.param(b"\0\xff\xff\xff\xffx", False, INVALID, "announces 4294967295 bytes and has 1", id="4 GiB announced"),
    pytest.param(framed(b"x", 1), False, UNIMPLEMENTED, "is compressed", id="compressed"),
    pytest.param(framed(b"x", 2), False, INVALID, "the byte 2", id="an unknown flag"),
    pytest.param(framed(b"", 0x80), False, INVALID, "the byte 128", id="trailers alone"),
    pytest.param(framed(b"x") * 2, False, UNIMPLEMENTED, "6 bytes are behind", id="two messages"),
    pytest.param(framed(b"x") + b"\0", False, UNIMPLEMENTED, "1 bytes are behind", id="a byte too many"),
    pytest.param(b"AAAAAAE", True, INVALID, "no base64", id="base64 cut off"),
    pytest.param(b"AAAAAAF4\r\n", True, INVALID, "no base64", id="a line break"),
    pytest.param(b"AAAAAA-_", True, INVALID, "no base64", id="base64 for URLs"),
    pytest.param(b"====", True, INVALID, "no base64", id="padding alone"),
    pytest.param(b"AAA=A", True, INVALID, "no base64", id="a letter behind padding"),
    pytest.param(b"A===", True, INVALID, "no base64", id="too much padding"),
    pytest.param(framed(b"x"), True, INVALID, "no base64", id="bytes in place of base64"),
    pytest.param(b64encode(framed(b"x")), False, INVALID, "the byte 65", id="base64 in place of bytes"),
]


@pytest.mark.parametrize(("body", "text", "code", "said"), MALFORMED)
def test_malformed(body: bytes, text: bool, code: Code, said: str) -> None:
    """Each is refused with what is wrong with it."""
    with pytest.raises(ServingError, match=re.escape(said)) as refused:
        grpc_web.message(body, text=text)
    assert refused.value.code is code


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes(body: bytes, text: bool) -> None:
    """Nothing but our own error comes of any body."""
    try:
        grpc_web.message(body, text=text)
    except ServingError:
        return
    assert frames(body) or text


def test_failure() -> None:
    """The trailers are the only frame; what is no printable ASCII, and the percent sign, are escaped in the text."""
    written = grpc_web.trailers(Code.NOT_FOUND, "50 % of \u00e4\r\ngrpc-status:0", [("retry-after", "1")])
    assert written == b"grpc-status:5\r\ngrpc-message:50 %25 of %C3%A4%0D%0Agrpc-status:0\r\nretry-after:1\r\n"
    assert frames(grpc_web.failure(written, text=False)) == [(0x80, written)]
    assert grpc_web.failure(written, text=True) == b64encode(framed(written, 0x80))


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1H", 3.6e6), ("2M", 1.2e5), ("3S", 3000), ("100m", 100), ("1500u", 1.5), ("99999999n", 99.999999), ("0m", 0)],
)
def test_timeouts(written: str, expected: float) -> None:
    """Every unit there is."""
    assert grpc_web.timeout_ms(written) == pytest.approx(expected)


@pytest.mark.parametrize("written", ["", "1", "m", "-1m", "1.5S", "123456789m", "1s", " 1m", "\u0661m"])
def test_malformed_timeouts(written: str) -> None:
    """They are refused, not passed over: the caller wanted a limit."""
    with pytest.raises(ServingError, match="grpc-timeout") as refused:
        grpc_web.timeout_ms(written)
    assert refused.value.code is INVALID


def test_long_bodies_are_known_as_such() -> None:
    """By their size, and base64 by its chunks."""
    assert grpc_web.reading_seconds(b"x" * 1000, text=False) < 1e-4
    assert grpc_web.reading_seconds(b"x" * 10**7, text=True) > 1e-3
    assert (
        grpc_web.reading_seconds(b"AA==" * 10_000, text=True)
        > 1e-3
        > grpc_web.reading_seconds(b"A" * 40_000, text=True)
    )
