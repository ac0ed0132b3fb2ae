"""Where the server would listen: whether that can be had at this moment, and who has it instead. Listens nowhere."""

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from serving.doctor.finding import Finding, fails, ok
from serving.doctor.listeners import listener_on
from serving.doctor.reading import who
from serving.errors import ConfigurationError
from serving.host.addresses import for_grpc, for_rest
from serving.host.listening import bind
from serving.settings import Settings

_LAST_PORT = 65535
_LONGEST_SOCKET_PATH = 107
"""Bytes that a sockaddr_un has room for, less the end."""

Hosts = Callable[[Settings], tuple[str, ...]]
"""The numeric addresses of one door. Raises ConfigurationError."""


def look(settings: Settings) -> list[Finding]:
    """A row for each address. A port is bound for a moment, in which nobody can connect to it."""
    return [*_grpc(settings), *_rest(settings)]


def _grpc(settings: Settings) -> Iterator[Finding]:
    path = settings.grpc_socket_path
    if settings.port == 0 and not path:
        advice = "Give one of them: the server does not start without gRPC."
        yield fails("gRPC", "--port=0 turns it off, and there is no --grpc_socket_path", advice)
    if settings.port:
        yield from _tcp("gRPC", "--port", settings, settings.port, for_grpc)
    if path:
        yield _unix(Path(path))


def _rest(settings: Settings) -> Iterator[Finding]:
    port = settings.rest_api_port
    if not port:
        yield ok("REST", "is off (--rest_api_port=0)")
    elif port == settings.port > 0:
        found = f"--rest_api_port={port} is gRPC's port as well (--port={port}): there would be no REST API"
        yield fails(f"REST at port {port}", found, f"Give another one, such as --rest_api_port={port + 1}")
    else:
        yield from _tcp("REST", "--rest_api_port", settings, port, for_rest)


def _tcp(door: str, flag: str, settings: Settings, port: int, hosts: Hosts) -> Iterator[Finding]:
    if port > _LAST_PORT:
        advice = f"Give {flag} a number up to {_LAST_PORT}, or -1 for any free port."
        yield fails(door, f"{flag}={port} is no port", advice)
        return
    try:
        found = hosts(settings)
    except ConfigurationError as error:
        yield fails(door, error.message)
        return
    for host in found:
        yield _at(host, max(port, 0), door, flag)


def _at(host: str, port: int, door: str, flag: str) -> Finding:
    what = f"{door} at {f'[{host}]' if ':' in host else host}:{port}"
    try:
        (listener,) = bind([host], port)
        listener.close()
    except OSError as error:
        return _refused(what, flag, port, error)
    return ok(what, "can be listened on" if port else "any free port, which the log will name")


def _refused(what: str, flag: str, port: int, error: OSError) -> Finding:
    if error.errno == errno.EADDRINUSE:
        holder = listener_on(port)
        found = f"is taken by {holder}" if holder else "is taken; by whom this user may not see (ss -ltnp as root)"
        return fails(what, found, f"End that program, or give another {flag}.")
    if error.errno == errno.EACCES:
        return fails(what, f"may not be listened on by {who()}", f"Give {flag} a port of 1024 or more.")
    if error.errno == errno.EADDRNOTAVAIL:
        return fails(what, "is no address of this machine", "`ip address` lists those that it has.")
    return fails(what, f"cannot be listened on: {error.strerror or error}", f"See {flag}.")


def _unix(path: Path) -> Finding:
    what, other = f"gRPC at {path}", "Name another --grpc_socket_path."
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        return fails(what, f"is longer than the {_LONGEST_SOCKET_PATH} bytes that the path of a socket may have", other)
    if not path.parent.is_dir():
        return fails(what, f"there is no directory {path.parent}", f"mkdir -p {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
        return fails(what, f"{who()} may not write to {path.parent}", other)
    if path.exists() and not path.is_socket():
        return fails(what, "there is a file, or a directory, of that name", other)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return ok(what, "can be listened on")
        except OSError as error:
            return fails(what, f"cannot be listened on: {error.strerror or error}", other)
    return fails(what, "another server listens there", f"End it. {other}")
