"""An HTTP/2 peer with ``hyperframe`` and ``hpack``, for tests that break the protocol and see how a server takes it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from hpack import Decoder, Encoder
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
)

from tests.support.frames import PREFACE, Wire

Fields = Sequence[tuple[str, str]]

CODES = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)
"""The names of the error codes (section 7), by their numbers."""

_LAST_PING = b"the last"


class Peer(Wire):
    """One connection to a gRPC port. ``seen`` has the frames that came, headers decoded. A context manager."""

    def __init__(self, port: int, *, preface: bool = True, settings: dict[int, int] | None = None) -> None:
        super().__init__(port)
        self.encoder, self._decoder = Encoder(), Decoder()
        self.seen: list[Frame] = []
        self.headers: dict[int, list[tuple[str, str]]] = {}
        self.ended = False
        """Whether the server has ended the connection."""
        if preface:
            self.raw(PREFACE + SettingsFrame(0, settings or {}).serialize())

    def send(self, *frames: Frame) -> None:
        """Send frames in one go."""
        self.raw(b"".join([frame.serialize() for frame in frames]))

    def request(self, stream: int, fields: Iterable[tuple[str, str]], *flags: str) -> HeadersFrame:
        """A HEADERS frame with a whole block."""
        return HeadersFrame(stream, self.encoder.encode(list(fields)), flags=["END_HEADERS", *flags])

    def next_frame(self) -> Frame | None:
        """The next frame, None once the connection has ended."""
        head = self.take(9)
        if not head:
            self.ended = True
            return None
        frame, length = Frame.parse_frame_header(memoryview(head))
        with suppress(HyperframeError):
            frame.parse_body(memoryview(self.take(length)))
        if isinstance(frame, HeadersFrame | ContinuationFrame):
            self.headers.setdefault(frame.stream_id, []).extend(_text(self._decoder.decode(frame.data)))
        if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self.send(SettingsFrame(0, flags=["ACK"]))
        self.seen.append(frame)
        return frame

    def read_until_ping(self) -> bool:
        """Whether the server has read everything and still answers; False if it has ended the connection."""
        self.send(PingFrame(0, _LAST_PING))
        while (frame := self.next_frame()) is not None:
            if isinstance(frame, PingFrame) and "ACK" in frame.flags and frame.opaque_data == _LAST_PING:
                return True
        return False

    def read_until_end(self, stream: int) -> None:
        """Read to the end of a stream, or of the connection."""
        while (frame := self.next_frame()) is not None:
            if frame.stream_id == stream and (isinstance(frame, RstStreamFrame) or "END_STREAM" in frame.flags):
                return

    def data(self, stream: int) -> bytes:
        """What has come on a stream."""
        return b"".join([each.data for each in self.seen if isinstance(each, DataFrame) and each.stream_id == stream])

    def goaway(self) -> str | None:
        """The code of the last farewell."""
        codes = [CODES[frame.error_code] for frame in self.seen if isinstance(frame, GoAwayFrame)]
        return codes[-1] if codes else None

    def reset(self, stream: int | None = None) -> str | None:
        """The code of the first reset, of a stream or of any."""
        for frame in self.seen:
            if isinstance(frame, RstStreamFrame) and stream in (None, frame.stream_id):
                return CODES[frame.error_code]
        return None


def frame_of(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0, length: int | None = None) -> bytes:
    """A frame that hyperframe would not write."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _text(fields: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for name, value in fields:
        yield _decoded(name), _decoded(value)


def _decoded(text: bytes | str) -> str:
    return text.decode("latin-1") if isinstance(text, bytes) else text
