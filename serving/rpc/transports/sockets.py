"""The sockets of a server in this process that has no calls for them: they are found among its descriptors.

Whatever is asked or done goes through a copy of the descriptor, whose identity is looked at after copying: the server
may close its own, and the number may be another's, at any time. Linux only.
"""

import fcntl
import os
import select
import socket
import struct
import termios
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from serving.host.listening import refuse_handshakes

_DESCRIPTORS = "/proc/self/fd"
_TCP_INFO_BYTES = 148
_UNSENT = (24, 144)
_BYTES_ACKED = 120
_BYTES_RECEIVED = 128
"""Where ``struct tcp_info`` of Linux 4.6 has what the peer's system has not acknowledged, that is packets, and bytes
that are not yet in any; how many bytes it has acknowledged; and how many have come from it."""

_ACCEPT_SECONDS = 0.002
"""What a server is left to accept what waits."""

_looking = threading.Lock()
"""Held while somebody looks: another server of this process would take the copies for descriptors of the socket."""


class Sent(NamedTuple):
    """Whether the peer's system, or a local peer, has taken all that was written, and how many bytes those were.

    Where nobody counts them, as for UNIX sockets, there are None.
    """

    all: bool
    bytes: int | None


class Connection:
    """One accepted connection, through a copy of its descriptor; ``number`` names it for as long as it lives."""

    def __init__(self, copy: socket.socket, number: int) -> None:
        self.number = number
        self._copy = copy

    def sent(self) -> Sent:
        """What has become of all that the server has written. For TCP, other threads get no turn meanwhile."""
        if self._copy.family != socket.AF_UNIX:
            info = self._copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
            if len(info) == _TCP_INFO_BYTES:
                return Sent(not any(_field(info, "I", at) for at in _UNSENT), _field(info, "Q", _BYTES_ACKED))
        return Sent(_asked(self._copy, termios.TIOCOUTQ) == 0, None)

    def received(self) -> int:
        """Bytes that have come since the beginning; for a UNIX socket 0, for nobody counts them."""
        if self._copy.family == socket.AF_UNIX:
            return 0
        info = self._copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        return _field(info, "Q", _BYTES_RECEIVED) if len(info) == _TCP_INFO_BYTES else 0

    def unread(self) -> int:
        """Bytes that have come and that the server has not read."""
        return _asked(self._copy, termios.FIONREAD)

    def write(self, data: bytes) -> bool:
        """Whether ``data`` could be written, whole; nothing waits. Raises OSError if the connection is gone."""
        try:
            return self._copy.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) == len(data)
        except BlockingIOError:
            return False

    def cut(self) -> None:
        """End it, for the server as if the client had; what the system has taken still goes out. Raises OSError."""
        self._copy.shutdown(socket.SHUT_RDWR)


class ServerSockets:
    """Listeners and connections of the server that listens on ``addresses``: hosts with ports, paths of UNIX sockets.

    ``::`` is every host, ``0.0.0.0`` every one of IPv4.
    """

    def __init__(self, addresses: Iterable[tuple[str, int] | str]) -> None:
        self._addresses = frozenset(addresses)

    def connections(self, beside: Collection[int] = (), among: Collection[int] | None = None) -> Iterator[Connection]:
        """All that are open now, without those in ``beside``, or only those of ``among``. Use each before the next."""
        for _, inode, copy in self._own(beside, among):
            if not _listens(copy):
                yield Connection(copy, inode)

    def numbers(self, known: Collection[int]) -> set[int]:
        """Those of all connections that are open now. ``known`` are looked at by their numbers alone."""
        with _looking:
            still = {inode for each in _numbers() if (inode := _inode(each)) is not None and inode in known}
        return still | {connection.number for connection in self.connections(beside=still)}

    def taken(self) -> int:
        """How many bytes the peers of all connections have taken that are open now."""
        return sum(connection.sent().bytes or 0 for connection in self.connections())

    def listeners(self) -> list[socket.socket]:
        """Those that listen now: copies, which are the caller's to close."""
        # Not by the method ``dup``, which makes the server's own wait.
        return [socket.socket(fileno=os.dup(copy.fileno())) for _, _, copy in self._own() if _listens(copy)]

    def stop_new_connections(self) -> None:
        """Begin no handshake any more; those that have begun are finished. Local clients have none."""
        for _, _, copy in self._own():
            if _listens(copy) and copy.family != socket.AF_UNIX:
                refuse_handshakes(copy.fileno())

    def take_listeners(self, wait_seconds: float) -> None:
        """Close the listeners behind the server's back, which still holds the descriptors: nothing comes from them.

        First it accepts what has come, for ``wait_seconds`` at most. Not by ``shutdown``: a server would be told again
        and again that there is something to accept, and spin.
        """
        deadline = time.monotonic() + wait_seconds
        listeners = [(descriptor, inode) for descriptor, inode, copy in self._own() if _listens(copy)]
        with Path(os.devnull).open("rb") as nothing:
            for descriptor, inode in listeners:
                while _has_waiting(descriptor) and time.monotonic() < deadline:
                    time.sleep(_ACCEPT_SECONDS)
                with _looking:
                    if _inode(descriptor) == inode:
                        os.dup2(nothing.fileno(), descriptor, inheritable=False)

    def _own(
        self, beside: Collection[int] = (), among: Collection[int] | None = None
    ) -> Iterator[tuple[int, int, socket.socket]]:
        seen = set()
        with _looking:
            for descriptor in _numbers():
                if (number := _inode(descriptor)) is None or number in beside:
                    continue
                if among is not None and number not in among:
                    continue
                with _copied(descriptor) as copy:
                    inode = copy and _inode(copy.fileno())
                    if copy is not None and inode and inode not in seen and self._is_own(copy):
                        seen.add(inode)
                        yield descriptor, inode, copy

    def _is_own(self, copy: socket.socket) -> bool:
        """Accepted connections have the address of their listener, or one that it stands for."""
        if copy.family == socket.AF_UNIX:
            return copy.getsockname() in self._addresses
        if copy.family not in (socket.AF_INET, socket.AF_INET6):
            return False
        host, port = copy.getsockname()[:2]
        stand_in = "0.0.0.0" if copy.family == socket.AF_INET else "::"  # noqa: S104 - compared with, not bound to
        return not self._addresses.isdisjoint(((host.partition("%")[0], port), (stand_in, port), ("::", port)))


def _numbers() -> list[int]:
    with suppress(OSError):
        return [int(name) for name in os.listdir(_DESCRIPTORS)]  # noqa: PTH208 - a path for each takes ten times as long
    return []


def _inode(descriptor: int) -> int | None:
    """The number of the socket that a descriptor is, if it is one."""
    with suppress(OSError):
        kind, _, number = os.readlink(f"{_DESCRIPTORS}/{descriptor}").partition(":[")  # noqa: PTH115 - as below
        return int(number[:-1]) if kind == "socket" else None
    return None


@contextmanager
def _copied(descriptor: int) -> Iterator[socket.socket | None]:
    """A copy of a socket's descriptor for a moment: while there is one, the server's close does not reach the peer."""
    try:
        number = os.dup(descriptor)
    except OSError:
        yield None
        return
    try:
        copy = socket.socket(fileno=number)
    except OSError:
        os.close(number)
        yield None
        return
    with copy:
        yield copy


def _listens(copy: socket.socket) -> bool:
    return bool(copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _field(info: bytes, kind: str, at: int) -> int:
    return int(struct.unpack_from(kind, info, at)[0])


def _has_waiting(listener: int) -> bool:
    with _copied(listener) as copy:
        return copy is not None and bool(select.select([copy], [], [], 0)[0])


def _asked(copy: socket.socket, request: int) -> int:
    return int(struct.unpack("i", fcntl.ioctl(copy.fileno(), request, bytes(4)))[0])
