"""TLS in front of a server of this process that has none: its listeners, and who is behind each connection to that.

One thread with an event loop passes bytes on (``tls_relay``). Nobody but this thread reaches the server behind.
"""

import asyncio
import random
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import uvloop

from serving.host.addresses import shown
from serving.host.listening import admit_none, admit_only, is_readable, refuse_handshakes
from serving.host.scheduling import take_short_turns
from serving.inference.certificates import names_in
from serving.rpc.addresses import listened
from serving.rpc.transports.listeners import BACKLOG, has_port, identity, listen
from serving.rpc.transports.sockets import ServerSockets
from serving.rpc.transports.tls_relay import Inner, Outer
from serving.telemetry.log import logger
from serving.tls import Credentials, CredentialsFile, server_context

_Answer = TypeVar("_Answer")

BEHIND = "127.0.0.1"
"""Where the server behind listens."""

_BUFFER_BYTES = 2**18
_CONNECT_SECONDS = 10.0
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Those of TLS 1.2 that HTTP/2 does not forbid."""

_MOST_TURNS = 1000
"""Of the event loop; then the process has no descriptor left to accept with."""

_HOSTS = 254
_FLUSH_SECONDS = 2.0
"""For clients to take the end of their connections."""


class Caller(NamedTuple):
    """Who is at the other end of a relay: the address in gRPC's notation, and the names in the certificate."""

    peer: str
    shown: Callable[[], tuple[str, ...]] | None


class TlsFront:
    """Listens on ``addresses`` with the certificates of ``tls`` and relays to the server that ``guard`` is told of.

    ``callers`` says who is behind a peer of that server's, as it names it, for as long as the connection lives. What
    is not there has come by another way. Each connection has an address of its own, which no later one has again.
    """

    def __init__(self, addresses: Sequence[str], tls: CredentialsFile) -> None:
        self.callers: dict[str, Caller] = {}
        self.buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._tls = tls
        self._given = tls.credentials
        self._context = _http2_context(tls.credentials)
        self._listening, self._files = listen(addresses)
        self.port = next((int(each.getsockname()[1]) for each in self._listening if has_port(each)), 0)
        self._addresses = [listened(address, self.port) for address in addresses]
        self._hosts = _loopback_hosts()
        self._open: dict[Outer, str] = {}
        self._connecting: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.AbstractServer] = []
        self._loop = uvloop.new_event_loop()
        self._turn = asyncio.Lock()
        self._last: asyncio.Future[None] | None = None
        self._thread = threading.Thread(target=self._run, name="grpc-tls", daemon=True)
        self._behind: socket.socket | None = None

    def guard(self, port: int) -> None:
        """The server behind listens at this port, and has taken nothing yet: keep everybody else off.

        Raises OSError where the system has no means to.
        """
        self._at = (BEHIND, port)
        self._behind = behind = ServerSockets([self._at]).listeners()[0]
        admit_none(behind)
        while is_readable(behind.fileno()):
            behind.accept()[0].close()

    def start(self) -> None:
        """Take connections."""
        self._thread.start()

    def sockets(self) -> ServerSockets:
        """The listeners, and the connections on both sides."""
        return _BothSides(self, [*self._addresses, self._at])

    def stop_new_connections(self) -> None:
        """Begin no handshake of TCP any more."""
        for listener in self._listening:
            if has_port(listener):
                refuse_handshakes(listener.fileno())

    def stop_listening(self, wait_seconds: float) -> None:
        """Take the connections that wait, for ``wait_seconds`` at most, and no other."""
        self._ask(self._stop_listening(wait_seconds))

    def at_rest(self) -> bool:
        """Whether nothing is between the two sides."""
        return self._ask(self._at_rest())

    def close(self) -> None:
        """Close all connections, once clients have what is left for them or do not take it. The server has closed."""
        if self._behind is not None:
            self._behind.close()
        if self._thread.is_alive():
            self._ask(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        else:
            self._loop.close()
        for listener in self._listening:
            listener.close()
        for path, file in self._files.items():
            with suppress(FileNotFoundError):
                if identity(path) == file:
                    path.unlink()

    def opened(self, outer: Outer) -> None:
        """A client has connected."""
        self._open[outer] = ""

    def shaken(self, outer: Outer) -> None:
        """A client's handshake is done: connect it."""
        task = self._loop.create_task(self._connect(outer))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def closed(self, outer: Outer) -> None:
        """A client is gone, and what it had is nobody's from now on."""
        self.callers.pop(self._open.pop(outer, ""), None)
        if self._last is not None and not self._open and not self._last.done():
            self._last.set_result(None)

    def _run(self) -> None:
        take_short_turns()
        asyncio.set_event_loop(self._loop)
        try:
            for listener in self._listening:
                self._servers.append(self._loop.run_until_complete(self._accept(listener)))
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _accept(self, listener: socket.socket) -> asyncio.AbstractServer:
        def make() -> Outer:
            return Outer(self, self._context_now())

        if has_port(listener):
            return await self._loop.create_server(make, sock=listener, backlog=BACKLOG)
        return await self._loop.create_unix_server(make, sock=listener, backlog=BACKLOG)

    def _context_now(self) -> ssl.SSLContext:
        """That of the certificates in use; connections that are open keep theirs."""
        if self._tls.credentials is not self._given:
            given = self._tls.credentials
            self._context, self._given = _http2_context(given), given
        return self._context

    async def _connect(self, outer: Outer) -> None:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        inner = Inner(self, outer, connection)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._reach(connection)
                peer = "ipv4:{}:{}".format(*connection.getsockname())
                await self._loop.create_connection(lambda: inner, sock=connection)
        except (OSError, asyncio.CancelledError) as error:  # TimeoutError is one of the former
            connection.close()
            outer.transport.abort()
            if isinstance(error, asyncio.CancelledError):
                raise
            logger.warning("A gRPC connection is dropped: %s", str(error) or "nobody takes it in time")
            return
        if outer not in self._open:
            inner.give_up(reset=True)
            return
        self._open[outer] = peer
        self.callers[peer] = _caller(outer)
        outer.attach(inner)

    async def _reach(self, connection: socket.socket) -> None:
        """Connect, from an address that the server's listener is told to let in."""
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.bind((next(self._hosts), 0))
        async with self._turn:
            if self._behind is not None:
                admit_only(self._behind, connection)
            await self._loop.sock_connect(connection, self._at)

    def _ask(self, question: Coroutine[Any, Any, _Answer]) -> _Answer:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result()

    async def _stop_listening(self, wait_seconds: float) -> None:
        deadline = self._loop.time() + wait_seconds
        for _ in range(_MOST_TURNS):  # the event loop accepts all there are in each
            if not any(is_readable(each.fileno()) for each in self._listening) or self._loop.time() > deadline:
                break
            await asyncio.sleep(0)
        for server in self._servers:
            server.close()

    async def _at_rest(self) -> bool:
        return not self._connecting and all(outer.is_empty() for outer in self._open)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        if self._open:
            self._last = self._loop.create_future()
            await asyncio.wait([self._last], timeout=_FLUSH_SECONDS)
        for task in self._connecting:
            task.cancel()
        for outer in list(self._open):
            outer.transport.abort()
        await asyncio.sleep(0)


class _BothSides(ServerSockets):
    """The sockets of the server behind and of what is in front of it, for a drain."""

    def __init__(self, front: TlsFront, addresses: Sequence[tuple[str, int] | str]) -> None:
        super().__init__(addresses)
        self._front = front

    def stop_new_connections(self) -> None:
        """As the base's, of clients."""
        self._front.stop_new_connections()

    def take_listeners(self, wait_seconds: float) -> None:
        """As the base's; they know that they end."""
        self._front.stop_listening(wait_seconds)


def _http2_context(credentials: Credentials) -> ssl.SSLContext:
    context = server_context(credentials)
    context.set_alpn_protocols(["h2"])
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def _loopback_hosts() -> Iterator[str]:
    """Addresses of this machine that nothing else uses, each of the sixteen million once before the first again."""
    number = random.SystemRandom().randrange(_HOSTS * 256 * _HOSTS)
    while True:
        rest, last = divmod(number, _HOSTS)
        first, middle = divmod(rest, 256)
        yield f"127.{first % _HOSTS + 1}.{middle}.{last + 1}"
        number += 1


def _caller(outer: Outer) -> Caller:
    names = names_in(outer.tls.getpeercert())
    peer = outer.transport.get_extra_info("peername")
    address = f"ipv{6 if ':' in peer[0] else 4}:{shown(*peer[:2])}" if isinstance(peer, tuple) else "unix:"
    return Caller(address, (lambda: names) if names else None)
