"""Which version is to blame when workers crash, and from when on it is set aside: a pure decision, of what was seen."""

import signal
from collections.abc import Sequence
from typing import NamedTuple

from serving.processes.shared import Running

CRASHES = 3
"""So many in a row, with one version under way in each, and it is set aside."""
WITHIN_SECONDS = 600.0

_BY_CODE = frozenset(
    {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}
)
"""What ends a process by what it does itself. Others are sent by somebody, but for SIGKILL when memory is short."""


class Crash(NamedTuple):
    """A worker that ended at ``at`` seconds, with ``status``, and what it was running or loading."""

    at: float
    status: int
    running: Sequence[Running]


def suspects(crash: Crash) -> frozenset[str]:
    """The versions that may have ended the worker."""
    if -crash.status in _BY_CODE:
        return frozenset(each.version for each in crash.running)
    if -crash.status == signal.SIGKILL:  # for want of memory, or by somebody: calls are not to blame for either
        return frozenset(each.version for each in crash.running if each.loading)
    return frozenset()


def to_blame(crashes: Sequence[Crash]) -> str | None:
    """The version to be set aside after the last of ``crashes``; None if there is none.

    It was under way in each of the last ``CRASHES``. Of several, for healthy ones with many calls are under way at any
    time, it is one that is being loaded, and otherwise the one of which the fewest calls have ended well.
    """
    last = crashes[-CRASHES:]
    if len(last) < CRASHES or last[-1].at - last[0].at > WITHIN_SECONDS:
        return None
    common = frozenset.intersection(*map(suspects, last))
    if not common:
        return None
    if sum(all(each.loading for each in last[-1].running if each.version == version) for version in common) > 1:
        return None  # workers that begin now load one at a time: the next crash tells
    seen = [each for crash in last for each in crash.running if each.version in common]

    def innocence(version: str) -> tuple[bool, int, str]:
        of_version = [each for each in seen if each.version == version]
        return not all(each.loading for each in of_version), sum(each.ended for each in of_version), version

    return min(common, key=innocence)
