"""A listener of the test's own and its connections, for what works behind a server's back."""

import select
import socket
from collections.abc import Callable
from contextlib import ExitStack

from serving.rpc.transports.sockets import ServerSockets

SETTINGS = b"\0\0\0\4\0\0\0\0\0"
NOBODY = "no thread is called that"


class Served:
    """A listener and the connections it has accepted; ``connect`` makes a client of it."""

    def __init__(self, listener: socket.socket, stack: ExitStack) -> None:
        self.listener = stack.enter_context(listener)
        self.listener.listen(16)
        self._stack = stack
        name = listener.getsockname()
        self.address: tuple[str, int] | str = name if listener.family == socket.AF_UNIX else name[:2]
        self.sockets = ServerSockets([self.address])

    def client(self) -> socket.socket:
        """A socket that is not yet connected."""
        made = self._stack.enter_context(socket.socket(self.listener.family))
        made.settimeout(30)
        return made

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """A client's end and the server's, which does not block."""
        client = self.client()
        client.connect(self.listener.getsockname())
        accepted = self._stack.enter_context(self.listener.accept()[0])
        accepted.setblocking(False)
        return client, accepted

    def greeted(self) -> tuple[socket.socket, socket.socket]:
        """Both ends of a connection whose client has the server's settings."""
        client, accepted = self.connect()
        accepted.send(SETTINGS)
        assert take(client, len(SETTINGS)) == SETTINGS
        return client, accepted


Serve = Callable[..., Served]


def fill(sender: socket.socket) -> int:
    """Send as much as the system takes; how much that was."""
    sent = 0
    while select.select([], [sender], [], 0)[1]:
        sent += sender.send(b"x" * 65536)
    return sent


def take(client: socket.socket, size: int) -> bytes:
    """That many bytes."""
    data = b""
    while len(data) < size:
        data += client.recv(min(size - len(data), 1 << 20))
    return data
