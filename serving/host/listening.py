"""Listening TCP sockets: how one is opened, and how one is given up so that nobody who connected to it is lost."""

import ctypes
import select
import socket
import struct

_ATTACH_FILTER = 26
"""SO_ATTACH_FILTER of Linux, which Python does not name."""

_FLAGS_OFFSET, _SYN = 13, 0x02
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
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


def bind(port: int) -> socket.socket:
    """A socket bound to ``port`` on IPv6 and IPv4 alike, or on IPv4 where there is no IPv6. Raises OSError."""
    try:
        listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        address: tuple[str, int] = ("::", port)
    except OSError:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        address = ("0.0.0.0", port)  # noqa: S104 - a server's port is for everybody; containers publish it
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # its connections have it, too
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def refuse_handshakes(descriptor: int) -> None:
    """Let no new connection begin on a listening socket; those that have begun are completed and can be accepted.

    Whoever is turned away tries again by itself after a second, as if its packet was lost, and is refused if the socket
    is closed by then. Without this a connection could come between the last accept and the close, and be reset. Where
    the system has no such filter nothing happens.
    """
    program = ctypes.create_string_buffer(_DROP_SYN, len(_DROP_SYN))
    head = struct.pack("HP", len(_DROP_SYN) // 8, ctypes.addressof(program))
    with socket.socket(fileno=socket.dup(descriptor)) as listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, head)
        except OSError:
            return


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
