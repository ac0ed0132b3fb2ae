"""A TCP proxy in front of a store, which does to connections what networks and stores do on bad days."""

import contextlib
import select
import socket
import threading
from dataclasses import dataclass

_BLOCK_BYTES = 1 << 16
_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to every request from now on, those of open connections included.

    ``status`` is answered in place of the store; ``hang`` answers nothing; ``cut_after`` bytes each connection is
    closed; ``bytes_per_second`` come of each answer; ``corrupt`` changes the last byte of files, but not of lists.
    """

    status: int = 0
    hang: bool = False
    cut_after: int | None = None
    bytes_per_second: int | None = None
    corrupt: bool = False


class FaultyProxy:
    """Listens on a port of its own from the start to ``close``, but between ``go_down`` and ``come_back``."""

    def __init__(self, store_port: int) -> None:
        self._store_port = store_port
        self._fault: Fault | None = None
        self._changed = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server((_HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._listen()

    def break_with(self, fault: Fault) -> None:
        """From now on; connections that are open are closed, so that none goes on without it."""
        self._set(fault)

    def mend(self) -> None:
        """Pass everything on as it is."""
        self._set(None)

    def go_down(self) -> None:
        """Refuse connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._set(None)

    def come_back(self) -> None:
        """Listen on the same port again."""
        self._listener = socket.create_server((_HOST, self.port))
        self._listen()

    def close(self) -> None:
        """Everything."""
        self.go_down()

    def _set(self, fault: Fault | None) -> None:
        self._fault = fault
        self._changed.set()
        self._changed = threading.Event()
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        fault, changed = self._fault, self._changed
        with client:
            self._open.add(client)
            try:
                if fault is not None and fault.hang:
                    changed.wait()
                elif fault is not None and fault.status:
                    self._answer(client, fault.status)
                else:
                    with socket.create_connection((_HOST, self._store_port)) as store:
                        self._pass_on(client, store, fault, changed)
            except OSError:
                pass
            finally:
                self._open.discard(client)

    def _answer(self, client: socket.socket, status: int) -> None:
        while client.recv(_BLOCK_BYTES):
            body = b"<Error><Code>InternalError</Code><Message>on purpose</Message></Error>"
            head = (
                f"HTTP/1.1 {status} On purpose\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            client.sendall(head.encode() + body)

    def _pass_on(
        self, client: socket.socket, store: socket.socket, fault: Fault | None, changed: threading.Event
    ) -> None:
        sent = 0
        while not changed.is_set():
            for ready in select.select([client, store], [], [], 0.2)[0]:
                limit = (fault.bytes_per_second if fault is not None else None) or _BLOCK_BYTES
                data = ready.recv(min(limit, _BLOCK_BYTES) if ready is store else _BLOCK_BYTES)
                if not data:
                    return
                if ready is client:
                    store.sendall(data)
                    continue
                sent += len(data)
                if fault is not None and fault.cut_after is not None and sent > fault.cut_after:
                    client.sendall(data[: max(len(data) - (sent - fault.cut_after), 0)])
                    return
                client.sendall(_corrupted(data) if fault is not None and fault.corrupt else data)
                if fault is not None and fault.bytes_per_second is not None:
                    changed.wait(1.0)


def _corrupted(data: bytes) -> bytes:
    return data if data.rstrip().endswith(b">") or data.endswith(b"\r\n\r\n") else data[:-1] + bytes([data[-1] ^ 1])
