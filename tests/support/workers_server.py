"""The real server with several workers, and connections to each of them.

A connection is some worker's: the kernel says whose by the socket that the worker holds.
"""

import http.client
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import grpc

from tests.support.server_process import ServerProcess, wait_until

_Connection = TypeVar("_Connection")
_ESTABLISHED = "01"
_MOST_CONNECTIONS = 200
"""Of these all go to the same one of two workers once in 2**199 times."""


class WorkersServer(ServerProcess):
    """A server with ``--workers=count``; ``process`` is the supervisor. Otherwise as ``ServerProcess``."""

    def __init__(self, count: int, flags: Sequence[str], **more: Any) -> None:
        self.count = count
        super().__init__([f"--workers={count}", *flags], **more)

    def pids(self) -> dict[int, int]:
        """The process of each worker that there is now, by the worker's number."""
        pids = {}
        main = self.process.pid
        for text in Path(f"/proc/{main}/task/{main}/children").read_text().split():
            with suppress(OSError):  # it has just ended
                for variable in Path(f"/proc/{text}/environ").read_bytes().split(b"\0"):
                    name, _, value = variable.partition(b"=")
                    if name == b"SERVING_WORKER":
                        pids[int(value.split(b"/")[0])] = int(text)
        return pids

    def kill_worker(self, worker: int, number: int = signal.SIGKILL) -> int:
        """End one worker by a signal; the process that it was. It is started again, at once the first time."""
        pid = self.pids()[worker]
        os.kill(pid, number)
        return pid

    def kill_worker_and_wait(self, worker: int) -> None:
        """Kill one worker, and return once it serves again."""
        lines = len(self.output)
        self.kill_worker(worker)
        again = f"Worker {worker} serves again"
        wait_until(again, lambda: any(again in line for line in self.output[lines:]))

    def worker_of(self, port: int, local_port: int) -> int:
        """The worker that has accepted the connection from ``local_port`` of this machine to ``port``."""
        found: list[int] = []

        def look() -> bool:
            inode = _server_inode(port, local_port)
            found.extend(worker for worker, pid in self.pids().items() if inode and inode in _sockets(pid))
            return bool(found)

        wait_until(f"a worker accepts the connection from port {local_port}", look)
        return found[0]

    def connections_by_worker(self, port: int) -> dict[int, int]:
        """How many connections of this process each worker has at ``port``."""
        mine = _local_ports(port)
        inodes = {row[9] for row in _rows() if _port(row[1]) == port and _port(row[2]) in mine}
        return {worker: len(inodes & _sockets(pid)) for worker, pid in self.pids().items()}

    @contextmanager
    def connections(self) -> "Iterator[Mapping[int, http.client.HTTPConnection]]":
        """A REST connection to each worker, by the worker's number."""

        def opened() -> tuple[http.client.HTTPConnection, int]:
            connection = http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=60)
            connection.connect()
            assert isinstance(connection.sock, socket.socket)
            return connection, int(connection.sock.getsockname()[1])

        held = self._one_each(self.rest_port, opened, http.client.HTTPConnection.close)
        try:
            yield held
        finally:
            for connection in held.values():
                connection.close()

    @contextmanager
    def channels(self) -> Iterator[Mapping[int, grpc.Channel]]:
        """A gRPC channel to each worker, by the worker's number."""

        def opened() -> tuple[grpc.Channel, int]:
            before = _local_ports(self.grpc_port)
            channel = grpc.insecure_channel(
                f"127.0.0.1:{self.grpc_port}",
                (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)),
            )
            grpc.channel_ready_future(channel).result(60)
            (port,) = _local_ports(self.grpc_port) - before
            return channel, port

        held = self._one_each(self.grpc_port, opened, lambda channel: channel.close())
        try:
            yield held
        finally:
            for channel in held.values():
                channel.close()

    def of_each(
        self, method: str, target: str, body: bytes | str | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[int, tuple[int, bytes]]:
        """One REST exchange with each worker: status and body, by the worker's number."""
        answers = {}
        with self.connections() as connections:
            for worker, connection in connections.items():
                connection.request(method, target, body, dict(headers or {}))
                response = connection.getresponse()
                answers[worker] = response.status, response.read()
        return answers

    def _one_each(
        self, port: int, opened: Callable[[], tuple[_Connection, int]], close: Callable[[_Connection], object]
    ) -> dict[int, _Connection]:
        with ExitStack() as failed:
            held: dict[int, _Connection] = {}
            for _ in range(_MOST_CONNECTIONS):
                connection, local_port = opened()
                failed.callback(close, connection)
                worker = self.worker_of(port, local_port)
                if worker in held:
                    close(connection)
                    continue
                held[worker] = connection
                if len(held) == self.count:
                    failed.pop_all()
                    return dict(sorted(held.items()))
        raise AssertionError(f"of {_MOST_CONNECTIONS} connections all went to {sorted(held)} of {self.count} workers")


def _rows() -> list[list[str]]:
    """The TCP sockets of this machine, with IPv4 addresses and with IPv6 ones."""
    files = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
    return [line.split() for file in files if file.exists() for line in file.read_text().splitlines()[1:]]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _server_inode(port: int, local_port: int) -> str:
    for row in _rows():
        if _port(row[1]) == port and _port(row[2]) == local_port and row[9] != "0":
            return row[9]
    return ""


def _sockets(pid: int) -> set[str]:
    """The inodes of the sockets that a process holds."""
    found = set()
    with suppress(OSError):
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(each.readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


def _local_ports(port: int) -> set[int]:
    """From which ports of its own this process is connected to ``port``."""
    mine = _sockets(os.getpid())
    return {_port(row[1]) for row in _rows() if _port(row[2]) == port and row[3] == _ESTABLISHED and row[9] in mine}
