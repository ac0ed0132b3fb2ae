"""Cases of RFC 9113 by their sections: what a client sends, what the RFC demands, what each transport does.

``docs/http2.md`` is written from this table: ``python -m tests.server.doors.http2_table``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.server.doors.http2_sends import (
    CALL,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    FRAME_SIZE,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    PUSH,
    RST,
    SETTINGS,
    UNKNOWN,
    WINDOW,
    WINDOW_SIZE,
    Send,
    after_call,
    behind,
    block,
    call,
    call_with,
    decreasing,
    frames,
    headers_after_a_reset,
    headers_again,
    http1,
    in_call,
    in_whole_call,
    interrupted,
    large_headers,
    no_settings,
    on_stream,
    other_preface,
    padded,
    preface_in_pieces,
    reserved_bit,
    skipping,
    to_stream_of_a_reset,
    trailers,
    with_priority,
)
from tests.support.http2 import Peer, frame_of

PAGE = Path(__file__).parents[3] / "docs" / "http2.md"

ANSWERED, IGNORED, CLOSED, REFUSED = "answered", "goes on", "closed", "refused"
"""The call of the case gets its answer; nothing comes of it, and the connection goes on; the connection ends, with or
without a word; the server may choose how it refuses."""


def connection(code: str) -> str:
    """The connection ends, with a farewell of this code."""
    return f"connection error {code}"


def stream(code: str) -> str:
    """The stream is reset with this code."""
    return f"stream error {code}"


def status(number: int) -> str:
    """The call is refused as gRPC does."""
    return f"refused with status {number}"


PROTOCOL, SIZE, MALFORMED = connection("PROTOCOL_ERROR"), connection("FRAME_SIZE_ERROR"), stream("PROTOCOL_ERROR")

AUTHORITY = "every gRPC client sends it, and the core answers nobody without"
FIELDS = "the core looks for the headers that it needs, and not at the order or the number of others"
FLAGS = "the core refuses flags that it does not know"
HUFFMAN = "the core drops such a header and reads on"
IDLE = "the core passes over frames of streams that it does not have"
LATE = "frames behind a reset are passed over"
LENGTHS = "messages of gRPC have lengths of their own, and the core reads no other"
NO_HARM = "without settings the defaults hold, and the front does not insist"
NUMBERS = "the core opens no stream of such a number, and says nothing"
OLD_RULE = "an error in RFC 7540; RFC 9113 has no priorities any more, but the front still knows them"
PADDING = "the core does not take padded DATA, which no gRPC client sends"
PRIORITIES = "the core does not read PRIORITY, which RFC 9113 has deprecated"
TRAILERS = "trailers of requests mean nothing to gRPC, and are not read"
UNUSED = "the core does not look at the stream of such frames, nor at pushes"
VALUES = "values of metadata are not looked into"
WINDOWS = "the core counts windows in 64 bits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``send`` breaks a rule, or keeps one; ``rfc`` is what a server has to do then.

    ``native`` and ``grpcio`` are what the transports do where that is something else, and ``why`` if the RFC does not
    allow it. With ``to_the_end`` the outcome shows at the end of stream 1, else at the next PING.
    """

    section: str
    name: str
    send: Send
    rfc: str
    native: str = ""
    grpcio: str = ""
    why: str = ""
    preface: bool = True
    to_the_end: bool = False

    def does(self, transport: str) -> str:
        """What a transport does."""
        return (self.native if transport == "native" else self.grpcio) or self.rfc

    def conforms(self, transport: str) -> bool:
        """Whether the RFC allows that.

        A connection may be ended for an error of a stream, and with another code or none (5.4); what is malformed may
        be answered with a refusal (8.1.1).
        """
        does = self.does(transport)
        if self.rfc.startswith("connection"):
            return _is_end(does)
        if self.rfc.startswith("stream") or self.rfc == REFUSED:
            return _is_end(does) or does.startswith(("stream", "refused"))
        return does == self.rfc


def outcome(peer: Peer, case: Case) -> str:
    """What came of a case that was sent."""
    if case.to_the_end:
        peer.read_until_end(1)
    else:
        peer.read_until_ping()
    if peer.ended:
        code = peer.goaway()
        return CLOSED if code is None else connection(code)
    reset = peer.reset()
    if reset is not None:
        return stream(reset)
    if not case.to_the_end:
        return IGNORED
    number = dict(peer.headers.get(1, ())).get("grpc-status", "none")
    return ANSWERED if number == "0" else f"refused with status {number}"


def is_as_expected(found: str, expected: str) -> bool:
    """A farewell may get lost with the connection that it ends: the end counts then."""
    return found == expected or (CLOSED in (found, expected) and _is_end(found) and _is_end(expected))


def _is_end(does: str) -> bool:
    return does == CLOSED or does.startswith("connection")


def page() -> str:
    """``docs/http2.md``."""
    return _INTRODUCTION + "\n".join(_rows()) + "\n"


def _rows() -> Iterator[str]:
    yield "| section | case | RFC 9113 | native | grpcio | why |"
    yield "|---|---|---|---|---|---|"
    for case in CASES:
        does = [_shown(case, transport) for transport in ("native", "grpcio")]
        yield f"| {case.section} | {case.name} | {case.rfc} | {does[0]} | {does[1]} | {case.why} |"


def _shown(case: Case, transport: str) -> str:
    if case.does(transport) == case.rfc:
        return "as the RFC"
    return case.does(transport) if case.conforms(transport) else f"**{case.does(transport)}**"


_INTRODUCTION = """# HTTP/2

What the two gRPC transports do with each case of RFC 9113, held by `tests/server/doors/test_http2.py`, which sends the
frames. The table is generated from `tests/server/doors/http2_table.py`; do not edit it here.

Both transports are libraries: `native` is Rust's `h2`, the front; `grpcio` is gRPC's C core. A connection may be ended
for an error of a stream, with another code or none, and a malformed request may be refused (sections 5.4 and 8.1.1).
What the RFC does not allow is in bold type, with the reason. After every case the server answers the next client.
Floods are bounded as well: resets, settings, pings, header blocks without end, and windows of a byte.

"""

# fmt: off
CASES: tuple[Case, ...] = (
    Case(section="3.4", name="the preface byte by byte", send=preface_in_pieces, rfc=ANSWERED, preface=False, to_the_end=True),
    Case(section="3.4", name="another preface", send=other_preface, rfc=PROTOCOL, preface=False, to_the_end=True, native=CLOSED, grpcio=CLOSED),
    Case(section="3.4", name="HTTP/1.1", send=http1, rfc=PROTOCOL, preface=False, to_the_end=True, native=CLOSED, grpcio=CLOSED),
    Case(section="3.4", name="no SETTINGS in the preface", send=no_settings, rfc=PROTOCOL, preface=False, native=IGNORED, grpcio=CLOSED, why=NO_HARM),
    Case(section="4.1", name="a frame of an unknown type", send=behind(frame_of(UNKNOWN, b"any")), rfc=ANSWERED, to_the_end=True),
    Case(section="4.1", name="flags that a frame does not have", send=behind(frame_of(PING, b"12345678", flags=0xFE)), rfc=ANSWERED, to_the_end=True, grpcio=CLOSED, why=FLAGS),
    Case(section="4.1", name="the reserved bit", send=reserved_bit, rfc=ANSWERED, to_the_end=True),
    Case(section="4.2", name="DATA above SETTINGS_MAX_FRAME_SIZE", send=in_call(frame_of(DATA, bytes(100), stream=1, length=2**24 - 1)), rfc=stream("FRAME_SIZE_ERROR"), native=SIZE, grpcio=CLOSED),
    Case(section="4.2", name="HEADERS above SETTINGS_MAX_FRAME_SIZE", send=frames(frame_of(HEADERS, bytes(100), flags=4, stream=1, length=2**24 - 1)), rfc=SIZE, grpcio=CLOSED),
    Case(section="4.3", name="an index that the tables do not have", send=block(b"\xff\xff\xff\x7f"), rfc=connection("COMPRESSION_ERROR"), native=PROTOCOL, grpcio=CLOSED),
    Case(section="4.3", name="a cut header block", send=block(b"\x00\x7f"), rfc=connection("COMPRESSION_ERROR"), native=PROTOCOL, grpcio=CLOSED),
    Case(section="4.3", name="a table larger than allowed", send=block(b"\x3f\xff\xff\xff\x7f"), rfc=connection("COMPRESSION_ERROR"), native=PROTOCOL, grpcio=CLOSED),
    Case(section="4.3", name="Huffman code with the end of string", send=block(b"\x00\x84\xff\xff\xff\xff\x01a"), rfc=connection("COMPRESSION_ERROR"), native=PROTOCOL, grpcio=IGNORED, why=HUFFMAN),
    Case(section="5.1", name="DATA on an idle stream", send=frames(DataFrame(1, b"x")), rfc=PROTOCOL, grpcio=IGNORED, why=IDLE),
    Case(section="5.1", name="RST_STREAM on an idle stream", send=frames(RstStreamFrame(1, 8)), rfc=PROTOCOL, grpcio=IGNORED, why=IDLE),
    Case(section="5.1", name="WINDOW_UPDATE on an idle stream", send=frames(WindowUpdateFrame(1, 100)), rfc=PROTOCOL, grpcio=IGNORED, why=IDLE),
    Case(section="5.1", name="CONTINUATION on an idle stream", send=frames(ContinuationFrame(1, b"", flags=["END_HEADERS"])), rfc=PROTOCOL, grpcio=CLOSED),
    Case(section="5.1", name="DATA after END_STREAM", send=after_call(DataFrame(1, b"x")), rfc=stream("STREAM_CLOSED"), native=PROTOCOL, grpcio=IGNORED, why=IDLE),
    Case(section="5.1", name="HEADERS after END_STREAM", send=headers_again, rfc=stream("STREAM_CLOSED"), native=PROTOCOL, grpcio=IGNORED, why=IDLE),
    Case(section="5.1", name="WINDOW_UPDATE after END_STREAM", send=after_call(WindowUpdateFrame(1, 100)), rfc=ANSWERED, to_the_end=True),
    Case(section="5.1", name="PRIORITY after END_STREAM", send=after_call(PriorityFrame(1, 3)), rfc=ANSWERED, to_the_end=True),
    Case(section="5.1", name="DATA after RST_STREAM", send=to_stream_of_a_reset, rfc=stream("STREAM_CLOSED"), native=IGNORED, grpcio=IGNORED, why=LATE),
    Case(section="5.1", name="HEADERS after RST_STREAM", send=headers_after_a_reset, rfc=connection("STREAM_CLOSED"), native=PROTOCOL, grpcio=IGNORED, why=IDLE),
    Case(section="5.1.1", name="a call on an even stream", send=on_stream(2), rfc=PROTOCOL, grpcio=IGNORED, why=NUMBERS),
    Case(section="5.1.1", name="a stream of a lower number", send=decreasing, rfc=PROTOCOL, grpcio=IGNORED, why=NUMBERS),
    Case(section="5.1.1", name="numbers of streams left out", send=skipping, rfc=ANSWERED, to_the_end=True),
    Case(section="5.5", name="an unknown frame in a header block", send=interrupted(frame_of(UNKNOWN, b"any", stream=1)), rfc=PROTOCOL, grpcio=CLOSED),
    Case(section="6.1", name="DATA on stream 0", send=frames(frame_of(DATA, b"x")), rfc=PROTOCOL, grpcio=IGNORED, why=IDLE),
    Case(section="6.1", name="more padding than DATA", send=in_whole_call(frame_of(DATA, b"\x09abc", flags=8, stream=1)), rfc=PROTOCOL, to_the_end=True, grpcio=MALFORMED, why=PADDING),
    Case(section="6.1", name="padded DATA and HEADERS", send=padded, rfc=ANSWERED, to_the_end=True, grpcio=status(13), why=PADDING),
    Case(section="6.2", name="HEADERS on stream 0", send=frames(frame_of(HEADERS, b"\x82", flags=5)), rfc=PROTOCOL, grpcio=IGNORED, why=NUMBERS),
    Case(section="6.2", name="more padding than HEADERS", send=frames(frame_of(HEADERS, b"\x09\x82", flags=0xC, stream=1)), rfc=PROTOCOL, grpcio=CLOSED),
    Case(section="6.2", name="HEADERS with a priority", send=with_priority, rfc=ANSWERED, to_the_end=True),
    Case(section="6.2", name="HEADERS of another stream in a header block", send=interrupted(frame_of(HEADERS, b"\x82", flags=5, stream=3)), rfc=PROTOCOL, grpcio=CLOSED),
    Case(section="6.3", name="PRIORITY on stream 0", send=frames(frame_of(PRIORITY, bytes(5))), rfc=PROTOCOL, grpcio=IGNORED, why=PRIORITIES),
    Case(section="6.3", name="PRIORITY of 4 bytes", send=in_whole_call(frame_of(PRIORITY, bytes(4), stream=1)), rfc=stream("FRAME_SIZE_ERROR"), to_the_end=True, native=PROTOCOL, grpcio=ANSWERED, why=PRIORITIES),
    Case(section="6.3", name="PRIORITY on an idle stream", send=behind(PriorityFrame(7, 3)), rfc=ANSWERED, to_the_end=True),
    Case(section="6.3", name="a stream that depends on itself", send=behind(PriorityFrame(7, 7)), rfc=ANSWERED, to_the_end=True, native=PROTOCOL, why=OLD_RULE),
    Case(section="6.4", name="RST_STREAM on stream 0", send=frames(frame_of(RST, bytes(4))), rfc=PROTOCOL, grpcio=IGNORED, why=IDLE),
    Case(section="6.4", name="RST_STREAM of 3 bytes", send=in_call(frame_of(RST, bytes(3), stream=1)), rfc=SIZE, native=PROTOCOL, grpcio=CLOSED),
    Case(section="6.5", name="SETTINGS on a stream", send=frames(frame_of(SETTINGS, stream=1)), rfc=PROTOCOL, grpcio=CLOSED),
    Case(section="6.5", name="SETTINGS of 5 bytes", send=frames(frame_of(SETTINGS, bytes(5))), rfc=SIZE, native=PROTOCOL, grpcio=CLOSED),
    Case(section="6.5", name="an ACK of SETTINGS with content", send=frames(frame_of(SETTINGS, bytes(6), flags=1)), rfc=SIZE, native=PROTOCOL, grpcio=CLOSED),
    Case(section="6.5.2", name="SETTINGS_ENABLE_PUSH of 2", send=frames(SettingsFrame(0, {ENABLE_PUSH: 2})), rfc=PROTOCOL, grpcio=CLOSED),
    Case(section="6.5.2", name="SETTINGS_INITIAL_WINDOW_SIZE of 2^31", send=frames(SettingsFrame(0, {WINDOW_SIZE: 2**31})), rfc=connection("FLOW_CONTROL_ERROR"), native=PROTOCOL),
    Case(section="6.5.2", name="SETTINGS_MAX_FRAME_SIZE of 16383", send=frames(SettingsFrame(0, {FRAME_SIZE: 2**14 - 1})), rfc=PROTOCOL),
    Case(section="6.5.2", name="SETTINGS_MAX_FRAME_SIZE of 2^24", send=frames(SettingsFrame(0, {FRAME_SIZE: 2**24})), rfc=PROTOCOL, grpcio=CLOSED),
    Case(section="6.5.2", name="an unknown setting", send=behind(SettingsFrame(0, {0xABC: 7})), rfc=ANSWERED, to_the_end=True),
    Case(section="6.6", name="PUSH_PROMISE from a client", send=frames(frame_of(PUSH, b"\0\0\0\2\x82", flags=4, stream=1)), rfc=PROTOCOL, grpcio=IGNORED, why=UNUSED),
    Case(section="6.7", name="PING of 7 bytes", send=frames(frame_of(PING, bytes(7))), rfc=SIZE, native=PROTOCOL, grpcio=CLOSED),
    Case(section="6.7", name="PING on a stream", send=frames(frame_of(PING, bytes(8), stream=1)), rfc=PROTOCOL, grpcio=IGNORED, why=UNUSED),
    Case(section="6.7", name="an ACK of no PING", send=behind(PingFrame(0, b"12345678", flags=["ACK"])), rfc=ANSWERED, to_the_end=True),
    Case(section="6.8", name="GOAWAY while a call runs", send=after_call(GoAwayFrame(0, 0, 0)), rfc=ANSWERED, to_the_end=True),
    Case(section="6.8", name="GOAWAY on a stream", send=frames(frame_of(GOAWAY, bytes(8), stream=1)), rfc=PROTOCOL, grpcio=IGNORED, why=UNUSED),
    Case(section="6.8", name="GOAWAY of 7 bytes", send=frames(frame_of(GOAWAY, bytes(7))), rfc=SIZE, native=PROTOCOL, grpcio=CLOSED),
    Case(section="6.9", name="WINDOW_UPDATE of 0 for the connection", send=frames(frame_of(WINDOW, bytes(4))), rfc=PROTOCOL, grpcio=CLOSED),
    Case(section="6.9", name="WINDOW_UPDATE of 0 for a stream", send=in_whole_call(frame_of(WINDOW, bytes(4), stream=1)), rfc=MALFORMED, to_the_end=True, native=PROTOCOL, grpcio=status(14)),
    Case(section="6.9", name="WINDOW_UPDATE of 3 bytes", send=frames(frame_of(WINDOW, bytes(3))), rfc=SIZE, native=PROTOCOL, grpcio=CLOSED),
    Case(section="6.9.1", name="a window of the connection above 2^31-1", send=frames(WindowUpdateFrame(0, 2**31 - 1)), rfc=connection("FLOW_CONTROL_ERROR"), grpcio=IGNORED, why=WINDOWS),
    Case(section="6.9.1", name="a window of a stream above 2^31-1", send=in_whole_call(WindowUpdateFrame(1, 2**31 - 1)), rfc=stream("FLOW_CONTROL_ERROR"), to_the_end=True, grpcio=ANSWERED, why=WINDOWS),
    Case(section="6.9.2", name="a setting that takes a window above 2^31-1", send=in_whole_call(WindowUpdateFrame(1, 2**30), SettingsFrame(0, {WINDOW_SIZE: 2**31 - 1})), rfc=connection("FLOW_CONTROL_ERROR"), to_the_end=True, grpcio=ANSWERED, why=WINDOWS),
    Case(section="6.10", name="a header block in pieces", send=interrupted(), rfc=ANSWERED, to_the_end=True),
    Case(section="6.10", name="DATA in a header block", send=interrupted(frame_of(DATA, b"x", stream=1)), rfc=PROTOCOL, grpcio=CLOSED),
    Case(section="6.10", name="PING in a header block", send=interrupted(frame_of(PING, bytes(8))), rfc=PROTOCOL, grpcio=CLOSED),
    Case(section="6.10", name="CONTINUATION of another stream", send=interrupted(number=3), rfc=PROTOCOL, grpcio=CLOSED),
    Case(section="6.10", name="CONTINUATION on stream 0", send=frames(frame_of(CONTINUATION, b"", flags=4)), rfc=PROTOCOL, grpcio=CLOSED),
    Case(section="6.10", name="CONTINUATION after END_HEADERS", send=in_call(frame_of(CONTINUATION, b"", flags=4, stream=1)), rfc=PROTOCOL, grpcio=CLOSED),
    Case(section="8.1", name="trailers", send=trailers(("x-trailer", "any")), rfc=ANSWERED, to_the_end=True),
    Case(section="8.1", name="trailers that do not end the stream", send=trailers(("x-trailer", "any"), end=False), rfc=MALFORMED, to_the_end=True, grpcio=status(14)),
    Case(section="8.1", name="a pseudo-header in trailers", send=trailers((":path", "/")), rfc=MALFORMED, to_the_end=True, native=ANSWERED, grpcio=ANSWERED, why=TRAILERS),
    Case(section="8.1.1", name="another length than content-length says", send=call_with(("content-length", "7")), rfc=MALFORMED, to_the_end=True, grpcio=ANSWERED, why=LENGTHS),
    Case(section="8.2.1", name="an uppercase name", send=call_with(("X-Any", "v")), rfc=MALFORMED, to_the_end=True, native=PROTOCOL, grpcio=status(13)),
    Case(section="8.2.1", name="a colon in a name", send=call_with(("x:any", "v")), rfc=MALFORMED, to_the_end=True, native=PROTOCOL, grpcio=status(13)),
    Case(section="8.2.1", name="a blank in a name", send=call_with(("x any", "v")), rfc=MALFORMED, to_the_end=True, native=PROTOCOL, grpcio=status(13)),
    Case(section="8.2.1", name="NUL in a value", send=call_with(("x-any", "a\0b")), rfc=MALFORMED, to_the_end=True, native=PROTOCOL, grpcio=ANSWERED, why=VALUES),
    Case(section="8.2.1", name="a line break in a value", send=call_with(("x-any", "a\r\nb: c")), rfc=MALFORMED, to_the_end=True, native=PROTOCOL, grpcio=ANSWERED, why=VALUES),
    Case(section="8.2.1", name="a blank at the end of a value", send=call_with(("x-any", "a ")), rfc=MALFORMED, to_the_end=True, native=ANSWERED, grpcio=ANSWERED, why=VALUES),
    Case(section="8.2.2", name="the header connection", send=call_with(("connection", "keep-alive")), rfc=MALFORMED, to_the_end=True, grpcio=ANSWERED, why=FIELDS),
    Case(section="8.2.2", name="the header transfer-encoding", send=call_with(("transfer-encoding", "chunked")), rfc=MALFORMED, to_the_end=True, grpcio=ANSWERED, why=FIELDS),
    Case(section="8.2.2", name="te other than trailers", send=call_with(("te", "gzip"), without="te"), rfc=MALFORMED, to_the_end=True, grpcio=status(13)),
    Case(section="8.3", name="an unknown pseudo-header", send=lambda peer: call(peer, ((":any", "v"), *CALL)), rfc=MALFORMED, to_the_end=True, native=PROTOCOL, grpcio=status(13)),
    Case(section="8.3", name="a pseudo-header of answers", send=lambda peer: call(peer, ((":status", "200"), *CALL)), rfc=MALFORMED, to_the_end=True, grpcio=ANSWERED, why=FIELDS),
    Case(section="8.3", name="a pseudo-header behind a header", send=lambda peer: call(peer, (*CALL[:3], *CALL[4:], CALL[3])), rfc=MALFORMED, to_the_end=True, grpcio=ANSWERED, why=FIELDS),
    Case(section="8.3.1", name="no :method", send=call_with(without=":method"), rfc=MALFORMED, to_the_end=True, grpcio=stream("INTERNAL_ERROR")),
    Case(section="8.3.1", name="no :scheme", send=call_with(without=":scheme"), rfc=MALFORMED, to_the_end=True, grpcio=stream("INTERNAL_ERROR")),
    Case(section="8.3.1", name="no :path", send=call_with(without=":path"), rfc=MALFORMED, to_the_end=True, grpcio=stream("INTERNAL_ERROR")),
    Case(section="8.3.1", name="an empty :path", send=lambda peer: call(peer, [(name, "" if name == ":path" else value) for name, value in CALL]), rfc=MALFORMED, to_the_end=True, grpcio=status(1)),
    Case(section="8.3.1", name=":path twice", send=lambda peer: call(peer, (CALL[2], *CALL)), rfc=MALFORMED, to_the_end=True, grpcio=ANSWERED, why=FIELDS),
    Case(section="8.3.1", name="no :authority", send=call_with(without=":authority"), rfc=ANSWERED, to_the_end=True, grpcio=stream("INTERNAL_ERROR"), why=AUTHORITY),
    Case(section="10.5.1", name="a header list of 120 KB", send=large_headers, rfc=REFUSED, to_the_end=True, native=connection("COMPRESSION_ERROR"), grpcio=status(12)),
)
# fmt: on


if __name__ == "__main__":
    PAGE.write_text(page())
