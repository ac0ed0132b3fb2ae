"""What clients send to break a rule of HTTP/2, or to keep an odd one: frames, and calls that are not as they ought."""

from collections.abc import Callable

from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
)

from tests.server.doors.clients import Target, floats, predict_request
from tests.support.frames import PREDICT, PREFACE, framed
from tests.support.http2 import Fields, Peer, frame_of

Send = Callable[[Peer], None]

ONE = framed(predict_request(Target(model="half_plus_three"), {"x": floats(1)}))
SLOW = framed(predict_request(Target(model="slow", signature="wait"), {"ms": floats(200)}))

CALL: Fields = (
    (":method", "POST"),
    (":scheme", "http"),
    (":path", PREDICT),
    (":authority", "localhost"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
)

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
UNKNOWN = 0x42
WINDOW_SIZE, FRAME_SIZE, ENABLE_PUSH = 4, 5, 2


def frames(*given: object) -> Send:
    """Sends frames, bytes among them, in one go."""
    data = b"".join([each if isinstance(each, bytes) else each.serialize() for each in given])  # type: ignore[attr-defined]
    return lambda peer: peer.raw(data)


def after_call(*given: object) -> Send:
    """The same behind a call on stream 1 that still runs, and has sent everything."""

    def send(peer: Peer) -> None:
        peer.send(peer.request(1, CALL), DataFrame(1, SLOW, flags=["END_STREAM"]))
        frames(*given)(peer)

    return send


def in_call(*given: object) -> Send:
    """The same in a call on stream 1 of which only the headers are there."""

    def send(peer: Peer) -> None:
        peer.send(peer.request(1, CALL))
        frames(*given)(peer)

    return send


def in_whole_call(*given: object) -> Send:
    """The same, and then the rest of the call."""
    return in_call(*given, DataFrame(1, ONE, flags=["END_STREAM"]))


def call(peer: Peer, fields: Fields = CALL, number: int = 1) -> None:
    """A whole call."""
    peer.send(peer.request(number, fields), DataFrame(number, ONE, flags=["END_STREAM"]))


def call_with(*fields: tuple[str, str], without: str = "") -> Send:
    """A whole call with these fields behind its own, one of which may be left out."""
    kept = [field for field in CALL if field[0] != without]
    return lambda peer: call(peer, [*kept, *fields])


def behind(*given: object) -> Send:
    """Frames, and then a whole call."""

    def send(peer: Peer) -> None:
        frames(*given)(peer)
        call(peer)

    return send


def preface_in_pieces(peer: Peer) -> None:
    for byte in PREFACE + SettingsFrame(0).serialize():
        peer.raw(bytes((byte,)))
    call(peer)


def other_preface(peer: Peer) -> None:
    peer.raw(PREFACE.replace(b"SM", b"XX") + SettingsFrame(0).serialize())


def no_settings(peer: Peer) -> None:
    peer.raw(PREFACE)
    peer.send(PingFrame(0, b"12345678"))


def http1(peer: Peer) -> None:
    peer.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


def continued(peer: Peer, *between: bytes, number: int = 1, pieces: int = 3) -> None:
    """A call whose header block comes in pieces, frames between the first and the second."""
    block = peer.encoder.encode(list(CALL))
    size = len(block) // pieces + 1
    first, *rest = (block[at : at + size] for at in range(0, len(block), size))
    peer.raw(frame_of(HEADERS, first, stream=1) + b"".join(between))
    for index, piece in enumerate(rest):
        peer.raw(frame_of(CONTINUATION, piece, flags=4 * (index == len(rest) - 1), stream=number))
    peer.send(DataFrame(1, ONE, flags=["END_STREAM"]))


def interrupted(*between: bytes, number: int = 1) -> Send:
    return lambda peer: continued(peer, *between, number=number)


def padded(peer: Peer) -> None:
    block = peer.encoder.encode(list(CALL))
    padded = HeadersFrame(1, block, pad_length=9, flags=["END_HEADERS", "PADDED"])
    peer.send(padded, DataFrame(1, ONE, pad_length=200, flags=["END_STREAM", "PADDED"]))


def with_priority(peer: Peer) -> None:
    block = peer.encoder.encode(list(CALL))
    peer.send(
        HeadersFrame(1, block, depends_on=3, stream_weight=7, exclusive=True, flags=["END_HEADERS", "PRIORITY"]),
        DataFrame(1, ONE, flags=["END_STREAM"]),
    )


def reserved_bit(peer: Peer) -> None:
    data = peer.request(1, CALL).serialize()
    peer.raw(data[:5] + b"\x80" + data[6:])
    peer.send(DataFrame(1, ONE, flags=["END_STREAM"]))


def on_stream(number: int) -> Send:
    return lambda peer: call(peer, CALL, number)


def decreasing(peer: Peer) -> None:
    call(peer, CALL, 5)
    call(peer, CALL, 3)


def skipping(peer: Peer) -> None:
    call(peer, CALL, 1)
    call(peer, CALL, 101)


def headers_again(peer: Peer) -> None:
    peer.send(peer.request(1, CALL), DataFrame(1, SLOW, flags=["END_STREAM"]), peer.request(1, CALL, "END_STREAM"))


def trailers(*fields: tuple[str, str], end: bool = True) -> Send:
    def send(peer: Peer) -> None:
        peer.send(peer.request(1, CALL), DataFrame(1, ONE), peer.request(1, fields, *["END_STREAM"][: int(end)]))
        if not end:
            peer.send(DataFrame(1, b"", flags=["END_STREAM"]))

    return send


def to_stream_of_a_reset(peer: Peer) -> None:
    peer.send(peer.request(1, CALL), RstStreamFrame(1, 8), DataFrame(1, ONE))


def headers_after_a_reset(peer: Peer) -> None:
    peer.send(peer.request(1, CALL), RstStreamFrame(1, 8), peer.request(1, CALL, "END_STREAM"))


def block(data: bytes) -> Send:
    """A header block of these bytes."""
    return frames(frame_of(HEADERS, data, flags=5, stream=1))


def large_headers(peer: Peer) -> None:
    peer.send(*cut(peer, [*CALL, *[(f"x-{number}", "v" * 4000) for number in range(30)]]))


def cut(peer: Peer, fields: Fields) -> list[HeadersFrame | ContinuationFrame]:
    block = peer.encoder.encode(list(fields))
    parts = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
    made: list[HeadersFrame | ContinuationFrame] = [HeadersFrame(1, parts[0], flags=["END_STREAM"])]
    made += [ContinuationFrame(1, part) for part in parts[1:]]
    made[-1].flags.add("END_HEADERS")
    return made
