"""The child's program: its socket, its requests and answers in JSON, and its place behind the server in everything.

It gets one JSON request on the socket that is its standard input and answers with one, followed by file descriptors:
for each step a serialised GraphDef and its large weights. By ending it gives back all that it took.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import threading
from typing import Any

from serving.optimizing.child.modules import RefusedError
from serving.optimizing.child.steps import parts

_PR_SET_PDEATHSIG = 1
_FDS_PER_MESSAGE = 100  # the kernel takes 253


def main() -> None:
    """Read the request, answer it, end."""
    _lower_priority()
    connection = socket.socket(fileno=os.dup(0))
    request = json.loads(_receive(connection))
    threading.Thread(target=_exit_with_server, args=(connection,), daemon=True).start()
    try:
        answered = [_error_text(part) if isinstance(part, Exception) else part for part in parts(request)]
    except Exception as error:  # noqa: BLE001 - whatever it was, the server serves the model as it is and says why
        _send(connection, {"error": _error_text(error)})
        return
    facts = [{"error": part} if isinstance(part, str) else {"weights": len(part[1])} for part in answered]
    made = [part for part in answered if not isinstance(part, str)]
    fds = [_memory_file(data) for graph, weights in made for data in (graph, *weights)]
    _send(connection, {"parts": facts, "files": len(fds)})
    for start in range(0, len(fds), _FDS_PER_MESSAGE):
        socket.send_fds(connection, [b"."], fds[start : start + _FDS_PER_MESSAGE])


def _lower_priority() -> None:
    """Yield to the server in everything, and end with it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        os.nice(19)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _exit_with_server(connection: socket.socket) -> None:
    """End as soon as the server has: it sends nothing more, so what comes is the end of the socket.

    The signal for this is not on every system.
    """
    connection.recv(1)
    os._exit(1)


def _receive(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        return stream.readline()


def _send(connection: socket.socket, answer: dict[str, Any]) -> None:
    connection.sendall(json.dumps(answer).encode() + b"\n")


def _error_text(error: Exception) -> str:
    if isinstance(error, RefusedError):
        return str(error)
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:300]}"


def _memory_file(data: bytes) -> int:
    fd = os.memfd_create("weights")
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return fd
