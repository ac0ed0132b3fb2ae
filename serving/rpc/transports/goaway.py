"""GOAWAY for an HTTP/2 server of this process that has no call for it: the frame goes to its sockets directly.

In plain text only. The server must not be in the middle of a frame: see ``tell``.
"""

import struct
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from serving.rpc.transports.sockets import Connection, ServerSockets

GOAWAY = b"\x00\x00\x08\x07\x00" + struct.pack(">III", 0, 2**31 - 1, 0)
"""Eight bytes, type 7: the last stream, which is any, and NO_ERROR. What is under way goes on, nothing new comes."""

_TASKS = Path("/proc/self/task")
_SLEEPING = "S"


class GoAway:
    """Tells the connections of a server to go elsewhere, each once.

    ``writers`` is what the names of those threads begin with that write to sockets which were full.
    """

    def __init__(self, sockets: ServerSockets, writers: str) -> None:
        self._sockets = sockets
        self._writers = writers
        self._told: set[int] = set()

    def known(self) -> frozenset[int]:
        """The connections that are open now."""
        return frozenset(connection.number for connection in self._sockets.connections())

    def tell(self, among: Collection[int] | None = None) -> int:
        """Send GOAWAY to each connection that is between two frames; how many have still to be told.

        The server writes frames whole, in one call, unless the socket's buffer is full. The rest of such a frame may
        wait in the server though the buffer is empty again, until a writer wakes up: so the buffer must be empty, the
        writers asleep after that, and nothing written meanwhile. What waits for a window of HTTP/2 is no hindrance.
        """
        left, writers = 0, self._threads()
        for connection in self._sockets.connections(self._told, among):
            with suppress(OSError):  # it is gone
                if _is_between_frames(connection, writers) and connection.write(GOAWAY):
                    self._told.add(connection.number)
                else:
                    left += 1
        return left

    def has_told(self, number: int) -> bool:
        """Whether this connection has its GOAWAY."""
        return number in self._told

    def forget(self, numbers: Collection[int]) -> None:
        """These connections are gone: the system gives their numbers to others one day."""
        self._told.difference_update(numbers)

    def writers_sleep(self) -> bool:
        """Whether nobody is about to write what a socket has room for."""
        return _sleep(self._threads())

    def _threads(self) -> list[Path]:
        return [
            task / "stat" for task in _TASKS.iterdir() if _name_and_state(task / "stat")[0].startswith(self._writers)
        ]


def _is_between_frames(connection: Connection, writers: Collection[Path]) -> bool:
    # Before anything else a server sends its settings: a GOAWAY ahead of them is an error to some clients.
    before = connection.sent()
    if not before.all or before.bytes == 0:
        return False
    return _sleep(writers) and connection.sent() == before


def _sleep(threads: Collection[Path]) -> bool:
    return all(_name_and_state(thread)[1] in _SLEEPING for thread in threads)


def _name_and_state(stat: Path) -> tuple[str, str]:
    """The ``a name`` and ``S`` of ``12 (a name) S …``; nothing of a thread that has ended."""
    try:
        before, _, behind = stat.read_text().rpartition(")")
    except OSError:
        return "", ""
    return before.partition(" (")[2], behind[1:2]
