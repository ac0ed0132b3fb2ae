"""Descriptors 0, 1 and 2 are there and hold nobody up, whatever the process was started with.

Imports next to nothing: it comes first.
"""

import os
import stat
from contextlib import suppress

_OUTPUT, _ERROR = 1, 2


def hold() -> None:
    """Open ``/dev/null`` at each of 0, 1 and 2 that is closed.

    Otherwise the next file or socket that anybody opens gets the number, and what is written to standard error goes
    into it; libuv ends the process where it finds one of its own there.
    """
    while (descriptor := _open()) <= _ERROR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def never_wait() -> None:
    """Let a line be lost, rather than whoever writes it wait, when a pipe's reader or a terminal takes nothing.

    TensorFlow's library writes its lines itself, in threads that load and run models. The pipe is opened once more, for
    whoever else has it must not notice. Where that is not possible (a socket, no ``/proc``), its lines may hold it up.
    """
    for descriptor in (_OUTPUT, _ERROR):
        with suppress(OSError):
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode) or os.isatty(descriptor):
                again = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
                os.dup2(again, descriptor)
                os.close(again)


def _open() -> int:
    """The lowest free descriptor."""
    try:
        return os.open(os.devnull, os.O_RDWR)
    except OSError:  # a root without /dev; writing to a directory fails, which is as good
        return os.open("/", os.O_RDONLY)
