"""aiohttp's parser with what it lacks: a bound on whole heads and on a chunked body's framing, and strictness.

It refuses what cannot be answered rightly, in place of the request, with a status of its own. The requests before that
are answered; what comes behind it is dropped, for nobody knows where it begins.
"""

from collections.abc import Sequence
from typing import Any

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import _ErrInfo

Messages = Sequence[tuple[RawRequestMessage | _ErrInfo, StreamReader]]

_VERSIONS = ((1, 0), (1, 1))
_FRAMING_SLACK = 2**19
"""Bytes of a chunked body that may have come and not been parsed, for reading was paused."""

_FRAMING_PER_BYTE = 16
"""A chunk of one byte has six bytes of framing or more."""


class RefusedError(HttpProcessingError):
    """A request that is not answered by an API, and the status of the page that is sent instead."""

    def __init__(self, status: int) -> None:
        super().__init__(code=status)


class BoundedParser:
    """``parser``, whose heads have at most ``max_head_bytes``; no bound if that is 0.

    ``in_head`` tells what is awaited when ``gathering``: the rest of a head, or of a body, of which ``received`` bytes
    are there; ``part`` is another number for each of them.
    """

    def __init__(self, parser: HttpRequestParser, max_head_bytes: int) -> None:
        self._parser = parser
        self._max_head_bytes = max_head_bytes
        self._head_bytes = 0
        self._payload: StreamReader = EMPTY_PAYLOAD
        self._chunked = False
        self._body_bytes = 0
        self._refused = False
        self.part = 0
        # aiohttp's protocol calls these; they take no part in the bounds.
        self.pause_reading = parser.pause_reading
        self.message_consumed = parser.message_consumed
        self.set_upgraded = parser.set_upgraded
        self.feed_eof = parser.feed_eof

    @property
    def in_head(self) -> bool:
        """Whether the next byte belongs to a head."""
        return self._payload.is_eof()

    @property
    def gathering(self) -> bool:
        """Whether a part of a request is there, and the rest is awaited."""
        return not self._refused and (self._head_bytes > 0 or not self.in_head)

    @property
    def received(self) -> int:
        """Of the body, in bytes."""
        return self._payload.total_bytes

    def feed_data(self, data: bytes) -> tuple[Messages, bool, bytes]:
        """As aiohttp's parser does."""
        if self._refused:
            return (), False, b""
        in_head = self.in_head
        try:
            messages, upgraded, tail = self._parser.feed_data(data)
        except HttpProcessingError:
            if in_head or self.in_head:  # of a next request, which came with the end of this one's body
                raise
            return self._refuse_body(400), False, b""
        if messages:
            return self._checked(messages), upgraded, tail
        if in_head:
            if not self._head_bytes:
                self.part += 1
            self._head_bytes += len(data)
            if self._max_head_bytes and self._head_bytes > self._max_head_bytes:
                return (self._refusal(431),), False, b""
        elif self._chunked:
            self._body_bytes += len(data)
            if self._body_bytes > self._most_framed() and not self.in_head:
                return self._refuse_body(413), False, b""
        return messages, upgraded, tail

    def _checked(self, messages: Messages) -> Messages:
        """Messages whose heads have come to an end; the last one's body may not have."""
        for index, (message, _) in enumerate(messages):
            status = self._status(message) if isinstance(message, RawRequestMessage) else 0
            if status:
                return (*messages[:index], self._refusal(status))
        message, self._payload = messages[-1]
        self._chunked = isinstance(message, RawRequestMessage) and message.chunked
        self._head_bytes = self._body_bytes = 0
        self.part += 1
        return messages

    def _status(self, message: RawRequestMessage) -> int:
        """What is refused about a head; 0 if nothing is."""
        size = len(message.path) + sum(len(name) + len(value) for name, value in message.raw_headers)
        if self._max_head_bytes and size > self._max_head_bytes:
            return 431
        if message.version not in _VERSIONS:
            return 400
        headers = message.headers
        if "Transfer-Encoding" in headers and ",".join(headers.getall("Transfer-Encoding")).lower() != "chunked":
            return 501
        if "Expect" in headers and headers["Expect"].lower() != "100-continue":
            return 417
        return 0

    def _most_framed(self) -> int:
        return self._max_head_bytes + _FRAMING_SLACK + _FRAMING_PER_BYTE * self.received

    def _refusal(self, status: int) -> tuple[Any, StreamReader]:
        self._refused = True
        error = RefusedError(status)
        return _ErrInfo(status=status, exc=error, message=error.message), EMPTY_PAYLOAD

    def _refuse_body(self, status: int) -> Messages:
        """The request is being read already: its reader learns of it."""
        self._refused = True
        self._payload.set_exception(RefusedError(status))
        self._payload.feed_eof()
        return ()
