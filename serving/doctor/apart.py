"""A check in a process of its own, for libraries that may end the one that loads them: then there is a row for that."""

import os
import pickle
import signal
import warnings
from collections.abc import Callable, Iterable

from serving.doctor.finding import Finding, fails


def apart(what: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """The rows of ``look``, made in a copy of this process; one that fails if the copy did not come to its end."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # From 3.12 on Python warns of forks beside threads, here that of the log: the copy writes no lines.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        _give(writing, look)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        ended = signal.Signals(-status).name if status < 0 else f"status {status}"
        advice = "See what comes before on standard error; --custom_op_libraries are loaded there, too."
        return [fails(what, f"the process that loads TensorFlow's library ended with {ended}", advice)]
    found: list[Finding] = pickle.loads(answer)  # noqa: S301 - our own process wrote it
    return found


def _give(writing: int, look: Callable[[], Iterable[Finding]]) -> None:
    """What the copy does; it ends there, without the ends of the process that it is a copy of."""
    status = 1
    try:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(pickle.dumps(list(look())))
        status = 0
    finally:
        os._exit(status)
