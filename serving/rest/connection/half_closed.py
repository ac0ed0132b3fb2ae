"""A client that has ended its side of a connection and may wait for its answer, or have gone: how to tell which."""

import asyncio

from serving.host.listening import is_reset

_BEGINNING = b"HTTP/1."
"""With this every answer begins, whatever it will be."""

_FIRST_LOOK_SECONDS, _LONGEST_PAUSE_SECONDS = 0.01, 1.0


class HalfClosed:
    """Sends the beginning of the answer that is awaited: who has closed its whole connection says so by a reset.

    Such a connection is aborted, and its call cancelled; without this it would be made for nobody. ``rest_of`` gives an
    answer without what has been sent of it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._sent = len(_BEGINNING)
        self._pause = _FIRST_LOOK_SECONDS
        transport.write(_BEGINNING)
        self._timer = loop.call_later(self._pause, self._look)

    def rest_of(self, data: bytes) -> bytes:
        """The answer's bytes as they are still to be written; of the first answer alone something is missing."""
        self._timer.cancel()
        sent, self._sent = self._sent, 0
        return data[sent:]

    def cancel(self) -> None:
        """The connection is lost."""
        self._timer.cancel()

    def _look(self) -> None:
        # The event loop reads no more after the client's end, so it does not see a reset by itself.
        socket = self._transport.get_extra_info("socket")
        if socket is None or self._transport.is_closing():
            return
        if is_reset(socket.fileno()):
            self._transport.abort()
            return
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
        self._timer = self._loop.call_later(self._pause, self._look)


def can_be_half_closed(transport: asyncio.BaseTransport) -> bool:
    """Whether one direction can end before the other; under TLS asyncio's transports end both."""
    return transport.get_extra_info("sslcontext") is None
