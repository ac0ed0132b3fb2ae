"""Short turns for the threads of the doors."""

import ctypes
import os
import platform
import struct
import sys
import threading

import pytest

from serving.host.scheduling import SLICE_NANOSECONDS, SWITCH_SECONDS, share_interpreter, take_short_turns

_SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}


def slice_nanoseconds() -> int:
    """Of the calling thread."""
    attributes = ctypes.create_string_buffer(56)
    number = ctypes.c_long(_SCHED_GETATTR[platform.machine()])
    assert ctypes.CDLL(None, use_errno=True).syscall(number, 0, attributes, len(attributes), 0) == 0
    return int(struct.unpack_from("=Q", attributes, 24)[0])


def on_a_thread(results: list[tuple[bool, int, int, int]]) -> None:
    before = slice_nanoseconds()
    taken, after = take_short_turns(), slice_nanoseconds()
    inherited: list[int] = []
    child = threading.Thread(target=lambda: inherited.append(slice_nanoseconds()))
    child.start()
    child.join()
    results.append((taken, before, after, inherited[0]))


@pytest.mark.skipif(platform.machine() not in _SCHED_GETATTR, reason="the system call's number is not known here")
def test_the_calling_thread_alone_takes_short_turns() -> None:
    """Where the system has them; what it starts, and everybody else, goes on as before."""
    results: list[tuple[bool, int, int, int]] = []
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=on_a_thread, args=(results,))
    thread.start()
    thread.join()
    ((taken, before, after, inherited),) = results
    if after == before == 0:
        pytest.skip("this system knows no slices")
    assert (taken, after, inherited) == (True, SLICE_NANOSECONDS, before)
    assert (slice_nanoseconds(), os.getpriority(os.PRIO_PROCESS, 0)) == (before, niceness)


def test_unknown_machines_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No system call is made by a number that might mean another."""
    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    assert take_short_turns() is False


def test_threads_that_compute_give_way_soon() -> None:
    """The interpreter's lock goes round as often as said; what was set before is set again."""
    before = sys.getswitchinterval()
    try:
        share_interpreter()
        assert sys.getswitchinterval() == SWITCH_SECONDS
    finally:
        sys.setswitchinterval(before)
