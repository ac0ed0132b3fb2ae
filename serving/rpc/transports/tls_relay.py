"""One connection with TLS and the plain one behind it: bytes go from each to the other. It knows no HTTP/2."""

import asyncio
import fcntl
import socket
import ssl
import struct
import termios
from contextlib import suppress
from typing import Protocol, cast

HANDSHAKE_SECONDS = 30.0
"""For a client to be through its handshake, of which each step is short."""

_PROTOCOL = "h2"
_RECORD_BYTES = 16_384
"""The most that a record of TLS has."""

_LINGER_SECONDS = 1.0
"""For a client to close its side, once it has all there is; a close before would break what it has not read."""

_LONGEST_LINGERING = 60
"""How many of these a client has to read what is left for it."""

_RESET = struct.pack("ii", 1, 0)


class Relay(Protocol):
    """What relays have in common; all of them are in its one thread."""

    buffer: memoryview
    """Where whatever has come is put, to be taken from at once."""

    def opened(self, outer: "Outer") -> None:
        """A client has connected."""
        ...

    def shaken(self, outer: "Outer") -> None:
        """Its handshake is done, and it waits for ``attach``."""
        ...

    def closed(self, outer: "Outer") -> None:
        """It is gone. Called before the connection behind it is."""
        ...


class Outer(asyncio.BufferedProtocol):
    """The client's side: TLS. What it says in plain text goes to ``inner``, which begins after the handshake."""

    transport: asyncio.Transport

    def __init__(self, relay: Relay, context: ssl.SSLContext) -> None:
        self._relay = relay
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_side=True)
        self.inner: Inner | None = None
        self._is_shaken = self._has_ended = self._is_over = False
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there: shake hands, in good time."""
        self.transport = cast("asyncio.Transport", transport)
        _send_at_once(self.transport)
        self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_SECONDS, self.transport.abort)
        self._relay.opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes."""
        return self._relay.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So much has come from the client."""
        if self._is_over:
            return
        self._in.write(self._relay.buffer[:nbytes])
        if self.inner is not None:
            self._pass_on(self.inner)
        elif not self._is_shaken:
            self._shake()

    def attach(self, inner: "Inner") -> None:
        """Begin to pass on, both ways."""
        self._timer.cancel()
        self.inner = inner
        _resume(self.transport)
        self._pass_on(inner)

    def send(self, data: memoryview) -> None:
        """Pass on to the client."""
        if self._is_over or self.transport.is_closing():
            return
        try:
            self.tls.write(data)
        except ssl.SSLError:
            self.transport.abort()
        self._flush()

    def finish(self) -> None:
        """The other side has ended: the client gets what is left, the end, and time to close its side."""
        if self._is_over or self.transport.is_closing():
            return
        self._is_over = True
        self._timer.cancel()
        with suppress(ssl.SSLError):  # its own end has not come, which is not waited for
            self.tls.unwrap()
        self._flush()
        if self._has_ended:
            self.transport.close()
        else:
            self.transport.write_eof()
            _resume(self.transport)
            self._linger(_LONGEST_LINGERING)

    def is_empty(self) -> bool:
        """Whether nothing waits here for either side, nor for this where the server has written."""
        if self.transport.is_closing():
            return True
        return not self.transport.get_write_buffer_size() and (self.inner is None or self.inner.is_empty())

    def pause_writing(self) -> None:
        """The client does not keep up: read no more for it."""
        if self.inner is not None:
            _pause(self.inner.transport)

    def resume_writing(self) -> None:
        """It does again."""
        if self.inner is not None:
            _resume(self.inner.transport)

    def eof_received(self) -> bool:
        """Whether the connection goes on for what is still to be sent."""
        if self.inner is None or self._is_over:
            return False
        self._end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone: so is what is behind it."""
        self._timer.cancel()
        self._is_over = True
        self._relay.closed(self)
        if self.inner is not None:
            self.inner.give_up(reset=exc is not None)

    def _shake(self) -> None:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError:
            # What it would tell the client stays unsaid, as with grpcio: gRPC's clients take an alert behind their own
            # handshake for damaged data, and say that instead of that the server has hung up.
            self._is_over = True
            self.transport.close()
            return
        self._flush()
        self._is_shaken = True
        if self.tls.selected_alpn_protocol() != _PROTOCOL:
            self.finish()
            return
        _pause(self.transport)
        self._relay.shaken(self)

    def _pass_on(self, inner: "Inner") -> None:
        read, write = self.tls.read, inner.write
        try:
            while data := read(_RECORD_BYTES):
                write(data)
            self._end()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self._flush()
            self.transport.abort()
            return
        self._flush()

    def _end(self) -> None:
        """The client sends no more, and may still read."""
        if not self._has_ended and self.inner is not None:
            self._has_ended = True
            self.inner.end()

    def _flush(self) -> None:
        if self._out.pending and not self.transport.is_closing():
            self.transport.write(self._out.read())

    def _linger(self, left: int) -> None:
        if not self.transport.get_write_buffer_size() or not left:
            later = self.transport.abort
            self._timer = asyncio.get_running_loop().call_later(_LINGER_SECONDS, later)
        else:
            self._timer = asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._linger, left - 1)


class Inner(asyncio.BufferedProtocol):
    """The side of the server behind: plain text on ``connection``, which is the transport's."""

    transport: asyncio.Transport

    def __init__(self, relay: Relay, outer: Outer, connection: socket.socket) -> None:
        self._relay = relay
        self._outer = outer
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes."""
        return self._relay.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So much has come from the server."""
        self._outer.send(self._relay.buffer[:nbytes])

    def write(self, data: bytes) -> None:
        """Pass on to the server; nothing if it has ended."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def end(self) -> None:
        """Nothing more comes from the client."""
        if not self.transport.is_closing():
            self.transport.write_eof()

    def give_up(self, *, reset: bool) -> None:
        """The client is gone, by a ``reset`` or because of what happened here."""
        if not self.transport.is_closing():
            if reset:
                self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()

    def is_empty(self) -> bool:
        """Whether all was sent that has come from the client, and all was read that the server has sent."""
        if self.transport.is_closing():
            return True
        unread = struct.unpack("i", fcntl.ioctl(self._connection.fileno(), termios.FIONREAD, bytes(4)))[0]
        return not unread and not self.transport.get_write_buffer_size()

    def pause_writing(self) -> None:
        """The server does not keep up: read no more for it."""
        _pause(self._outer.transport)

    def resume_writing(self) -> None:
        """It does again."""
        _resume(self._outer.transport)

    def eof_received(self) -> bool:
        """The server closes connections as a whole."""
        self._outer.finish()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone: so is what is before it."""
        self._outer.finish()


def _pause(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        transport.pause_reading()


def _resume(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        transport.resume_reading()


def _send_at_once(transport: asyncio.Transport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
