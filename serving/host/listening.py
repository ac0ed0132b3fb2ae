"""Listening TCP sockets: how one is opened, and how one is given up so that nobody who connected to it is lost."""

import ctypes
import errno
import select
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

_MOST_TRIES = 20
"""To find a port that is free at several addresses."""

_ATTACH_FILTER = 26
"""SO_ATTACH_FILTER of Linux, which Python does not name."""

_FLAGS_OFFSET, _SYN = 13, 0x02
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
_LOAD_HALF, _LOAD_WORD, _JUMP_IF_EQUAL = 0x28, 0x20, 0x15
_SOURCE_PORT, _SOURCE_ADDRESS = 0, 2**32 - 2**20 + 12
"""The first is counted from the head of TCP, the second from that of IP."""
_DROP_SYN = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (_LOAD_BYTE, 0, 0, _FLAGS_OFFSET),
        (_JUMP_IF_SET, 0, 1, _SYN),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, 0xFFFFFFFF),
    )
)
"""A socket filter: a segment that begins a connection is dropped, all others pass."""


_sharing = [1]
"""How many processes there are at this process's ports."""


def share_ports(processes: int) -> None:
    """From now on this process's ports are shared with others of the same user that share them: SO_REUSEPORT.

    ``processes`` are at them in all; 1 is to share them no more.
    """
    _sharing[:] = [processes]


def shared_by() -> int:
    """How many processes open the same ports, between which the kernel divides the connections."""
    return _sharing[0]


def bind(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """A socket bound to ``port`` at each of ``hosts``, numeric addresses; ``::`` is both families, and 0 a free port.

    All have the same port. Raises OSError, with the address as its ``filename``.
    """
    tries = 1 if port or len(hosts) == 1 else _MOST_TRIES
    while True:
        tries -= 1
        try:
            return _bind_all(hosts, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not tries:
                raise


def _bind_all(hosts: Sequence[str], port: int) -> list[socket.socket]:
    with ExitStack() as failed:
        bound: list[socket.socket] = []
        for host in hosts:
            bound.append(failed.enter_context(_bind(host, port)))
            port = int(bound[0].getsockname()[1])
        failed.pop_all()
    return bound


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise OSError(error.errno, error.strerror, address) from None
    try:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # its connections have it, too
        if shared_by() > 1:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0][4])
    except OSError as error:
        listener.close()
        raise OSError(error.errno, error.strerror, address) from None
    return listener


@contextmanager
def ipv4_alone(port: int) -> Iterator[int]:
    """Keep ``port``, or a free one for 0, from being bound to on IPv6 within the block; which port it is.

    For libraries that take every address of IPv4 for every address: what cannot be had on IPv6 they open on IPv4.
    """
    with ExitStack() as held:
        if not port:
            port = int(held.enter_context(_bind("0.0.0.0", 0)).getsockname()[1])  # noqa: S104 - as the caller
        with suppress(OSError):  # there is no IPv6, or the port is another's there
            holder = held.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_STREAM))
            holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("::", port))
            holder.listen(1)  # only who listens keeps off others that reuse addresses
        yield port


def refuse_handshakes(descriptor: int) -> None:
    """Let no new connection begin on a listening socket; those that have begun are completed and can be accepted.

    Whoever is turned away tries again by itself after a second, as if its packet was lost, and is refused if the socket
    is closed by then. Without this a connection could come between the last accept and the close, and be reset. Where
    the system has no such filter nothing happens.
    """
    with socket.socket(fileno=socket.dup(descriptor)) as listener, suppress(OSError):
        _attach(listener, _DROP_SYN)


def can_admit() -> bool:
    """Whether this system has the filters of ``admit_none`` and ``admit_only``."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            admit_none(probe)
        except OSError:
            return False
    return True


def admit_none(listener: socket.socket) -> None:
    """Let no new connection begin on a listening socket. Raises OSError where the system has no such filter."""
    _attach(listener, _DROP_SYN)


def admit_only(listener: socket.socket, client: socket.socket) -> None:
    """Let new connections begin on a listening socket of IPv4 from the address of ``client``, which is bound, alone.

    Nobody else can have that address as long as ``client`` is bound to it. Raises OSError.
    """
    host, port = client.getsockname()
    program = (
        (_LOAD_BYTE, 0, 0, _FLAGS_OFFSET),
        (_JUMP_IF_SET, 0, 5, _SYN),
        (_LOAD_HALF, 0, 0, _SOURCE_PORT),
        (_JUMP_IF_EQUAL, 0, 2, port),
        (_LOAD_WORD, 0, 0, _SOURCE_ADDRESS),
        (_JUMP_IF_EQUAL, 1, 0, int.from_bytes(socket.inet_aton(host), "big")),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, 0xFFFFFFFF),
    )
    _attach(listener, b"".join(struct.pack("HBBI", *instruction) for instruction in program))


def _attach(listener: socket.socket, instructions: bytes) -> None:
    program = ctypes.create_string_buffer(instructions, len(instructions))
    head = struct.pack("HP", len(instructions) // 8, ctypes.addressof(program))
    listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, head)


def is_readable(descriptor: int) -> bool:
    """Whether a socket has something to read, a connection to accept, or its end, at this moment."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def is_reset(descriptor: int) -> bool:
    """Whether the other side of a connection has reset it."""
    poll = select.poll()
    poll.register(descriptor, 0)  # errors are reported unasked
    return bool(poll.poll(0))
