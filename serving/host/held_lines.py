"""Keeps lines off standard error that a library writes while it is loaded, before it can be told not to.

Not for longer: while this is in effect, what the library says passes through this process. One that aborts is held
until its last words are written.
"""

import ctypes
import os
import re
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ERROR = 2
_READ_BYTES = 2**16
_PAUSE_MS = 10

_holding = threading.Lock()
"""Held meanwhile: whoever came second would take the first one's pipe for standard error, and leave it there."""


@contextmanager
def without_lines(unwanted: re.Pattern[bytes]) -> Iterator[None]:
    """Whatever is written to standard error meanwhile, from any thread, gets there but for lines that match."""
    with _holding:
        yield from _held(unwanted)


def _held(unwanted: re.Pattern[bytes]) -> Iterator[None]:
    try:
        reading, writing = os.pipe()
        real = os.dup(_ERROR)
    except OSError:  # no descriptor is left: then there are a few lines more
        yield
        return
    over = threading.Event()
    relay = threading.Thread(target=_relay, args=(reading, real, unwanted, over), name="held-lines", daemon=True)
    os.set_blocking(writing, False)  # rather lose a line than wait
    with _slow_abort():
        relay.start()
        os.dup2(writing, _ERROR)
        os.close(writing)
        try:
            yield
        finally:
            os.dup2(real, _ERROR)  # and with it goes the pipe's last writer
            over.set()
            relay.join()
    os.close(real)
    os.close(reading)


def _relay(reading: int, real: int, unwanted: re.Pattern[bytes], over: threading.Event) -> None:
    """Pass lines on until nobody can write any, or until it is ``over`` and nothing is there."""
    os.set_blocking(reading, False)
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    begun = b""
    while True:
        if not poll.poll(0 if over.is_set() else _PAUSE_MS):
            _pass_on(real, begun, unwanted)  # a line that is not gone on with: last words
            begun = b""
            if over.is_set():
                break
            continue
        data = os.read(reading, _READ_BYTES)
        if not data:
            break
        *lines, begun = (begun + data).split(b"\n")
        for line in lines:
            _pass_on(real, line + b"\n", unwanted)
    _pass_on(real, begun, unwanted)


def _pass_on(real: int, line: bytes, unwanted: re.Pattern[bytes]) -> None:
    if line and not unwanted.match(line):
        try:
            os.write(real, line)
        except OSError:  # nobody reads it, as ever
            return


@contextmanager
def _slow_abort() -> Iterator[None]:
    """An abort of the process comes some seconds late: the relay needs a moment to pass on what led to it.

    The handler is C's own ``sleep``, called with the signal's number: none of Python's may run in a thread that aborts.
    """
    process = ctypes.CDLL(None)
    handler: Callable[..., int | None] = process.signal
    process.signal.restype, process.signal.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_void_p)
    before = handler(signal.SIGABRT, ctypes.cast(process.sleep, ctypes.c_void_p))
    try:
        yield
    finally:
        handler(signal.SIGABRT, before)
