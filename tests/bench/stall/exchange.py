"""HTTP/1.1 on a bare socket, so that a client costs next to nothing: the body of an answer is not looked at."""

import re
import socket

_END = b"\r\n\r\n"
_HEAD_BYTES = 65_536
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


def connected(address: str, seconds: float) -> socket.socket:
    """A connection to `http://host:port`, none of whose steps takes longer than ``seconds``."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    connection = socket.create_connection((host, int(port)), seconds)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def receive(connection: socket.socket, room: bytearray) -> tuple[int, bool]:
    """The next answer's status, and whether the connection stays; ``room`` takes the body. OSError without one."""
    head = b""
    while (end := head.find(_END)) < 0:
        head += _part(connection.recv(_HEAD_BYTES))
    head, begun = head[: end + 2], len(head) - end - len(_END)
    length = _LENGTH.search(head)
    left = int(length[1]) - begun if length else 0
    while left > 0:
        count = connection.recv_into(room, min(left, len(room)))
        if not count:
            raise ConnectionError("the answer was cut off")
        left -= count
    return int(head[9:12]), length is not None and not _CLOSE.search(head)


def _part(received: bytes) -> bytes:
    if not received:
        raise ConnectionError("closed without an answer")
    return received
