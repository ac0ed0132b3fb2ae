"""Listening sockets of this process for the gRPC door: TCP ports and files. Nothing is accepted here."""

import socket
import stat
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from serving.host.listening import bind
from serving.rpc.addresses import cannot_listen, is_tcp, unix_path

BACKLOG = 1024
"""How many connections may wait to be accepted."""


def listen(addresses: Sequence[str]) -> tuple[list[socket.socket], dict[Path, tuple[int, int]]]:
    """Listening sockets, and those that are files with which these are. Raises ConfigurationError."""
    with ExitStack() as failed:
        listening, files = [], {}
        for address in addresses:
            try:
                if is_tcp(address):
                    host, _, port = address.rpartition(":")
                    (listener,) = bind([host.strip("[]")], int(port))
                else:
                    path = Path(unix_path(address))
                    listener = _bind_file(path)
                    files[path] = identity(path)
                listening.append(failed.enter_context(listener))
                listener.listen(BACKLOG)
            except OSError as error:
                raise cannot_listen(address, f"{error.strerror or error}.") from None
        failed.pop_all()
    return listening, files


def _bind_file(path: Path) -> socket.socket:
    """In place of the socket of a server that is no more."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    return listener


def identity(path: Path) -> tuple[int, int]:
    """Which file this is: another server may put its own there."""
    found = path.lstat()
    return found.st_dev, found.st_ino


def has_port(listener: socket.socket) -> bool:
    """Whether it is one of TCP."""
    return listener.family != socket.AF_UNIX
