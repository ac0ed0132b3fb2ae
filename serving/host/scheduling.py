"""How the system lets threads take turns: a door's thread, which works for microseconds at a time, goes before those
that compute for seconds. Unlike a lower niceness of the others this needs no privilege and costs them nothing.
"""

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Mapping
from types import MappingProxyType

SLICE_NANOSECONDS = 100_000
"""The shortest that Linux grants. Its own, 1.4 to 3 ms, is what a request waits for a busy core while a model loads."""

_SCHED_SETATTR: Mapping[str, int] = MappingProxyType({"x86_64": 314, "aarch64": 274})
_NORMAL, _RESET_ON_FORK = 0, 1
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")  # struct sched_attr: size, policy, flags, nice, priority, runtime, ...


SWITCH_SECONDS = 0.0005
"""How long a thread that computes in Python keeps another waiting; ten times as long unless it is set. A door's thread
waits so up to three times for each request, and the time of a model's call is told by the clock."""


def share_interpreter() -> None:
    """Let threads take turns with the interpreter's lock as often as that."""
    sys.setswitchinterval(SWITCH_SECONDS)


def take_short_turns() -> bool:
    """Ask for short turns for the calling thread alone; False where the system has none (before Linux 6.12)."""
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None or not hasattr(os, "sched_getscheduler") or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    size = _ATTRIBUTES.size
    # Threads started from here are not to inherit it: TensorFlow's are among them.
    attributes = _ATTRIBUTES.pack(size, _NORMAL, _RESET_ON_FORK, nice, 0, SLICE_NANOSECONDS, 0, 0)
    failed = ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), 0, attributes, 0)
    return not failed
