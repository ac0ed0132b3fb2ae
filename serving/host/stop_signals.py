"""SIGTERM and SIGINT, from the program's first line to its last. Imports next to nothing: it comes first."""

import os
import signal
from _thread import RLock, start_new_thread
from collections.abc import Callable

NUMBERS = (signal.SIGINT, signal.SIGTERM)

_watched: list[int] = []
"""The descriptor that the interpreter writes to when a signal arrives, as long as ``_watch`` reads it."""

_last_acts: list[Callable[[], object]] = []

_ending = RLock()
"""Taken by the thread that ends the process, and never given back."""

_ends: list[bool] = []
"""Not empty once it does."""


def end_the_start() -> None:
    """From now on either signal ends the process with status 0: there is nothing to drain yet.

    Whoever started it may have blocked them until now, as the image's entrypoint does: to process 1 of a container a
    signal without a handler is lost, and a blocked one waits.
    """
    for number in NUMBERS:
        signal.signal(number, lambda *_: _end())
    # Python's handlers wait for the end of a call in C, and loading TensorFlow from a cold disk takes seconds.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _watched.append(writing)
    start_new_thread(_watch, (reading,))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)


def before_the_end(act: Callable[[], object]) -> None:
    """Have ``act`` called before a signal ends the start; from any thread, at any time."""
    _last_acts.append(act)


def stop_watching() -> None:
    """Before an event loop runs, which puts its own descriptor in the place of the one that is watched."""
    while _watched:
        signal.set_wakeup_fd(-1)
        os.close(_watched.pop())


def call(stop: Callable[[int], object]) -> None:
    """From now on call ``stop`` with the signal's number, in the main thread and between any two of its steps."""
    for number in NUMBERS:
        signal.signal(number, lambda number, _: stop(number))


def leave_to_system() -> None:
    """From now on either signal ends the process by itself, so that its status says so: it did not come to its end."""
    stop_watching()
    for number in NUMBERS:
        signal.signal(number, signal.SIG_DFL)


def _end() -> None:
    """End the process, once: the handler and the watcher hear of the same signal, and whoever is second waits."""
    _ending.acquire()
    if _ends:
        return  # another signal in the middle of the last acts, which go on
    _ends.append(True)
    for act in _last_acts:
        act()
    os._exit(0)


def _watch(reading: int) -> None:
    if os.read(reading, 1):
        _end()
    os.close(reading)
