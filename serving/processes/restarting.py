"""When a worker that has ended is started again: a pure decision, of when it began and how often it has ended."""

from typing import NamedTuple

STEADY_SECONDS = 60.0
"""A worker that has lived this long has recovered: its next end counts as the first."""
_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 30.0


class Restart(NamedTuple):
    """``after_seconds`` the worker is started again; it is the ``failures``-th time in a row."""

    after_seconds: float
    failures: int


def restart(failures: int, lived_seconds: float) -> Restart:
    """What becomes of a worker that ended after ``lived_seconds``, having ended ``failures`` times in a row before.

    At once the first time, and then after 1, 2, 4 … 30 seconds, until one has lived for ``STEADY_SECONDS``.
    """
    failures = 1 if lived_seconds >= STEADY_SECONDS else failures + 1
    if failures == 1:
        return Restart(0.0, failures)
    return Restart(min(_FIRST_SECONDS * 2.0 ** (failures - 2), _LONGEST_SECONDS), failures)


def ended(status: int) -> str:
    """How a process ended, in words; ``status`` is that of ``os.waitstatus_to_exitcode``."""
    if status >= 0:
        return f"ended with status {status}"
    import signal  # only here: nothing else of this file needs it

    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
