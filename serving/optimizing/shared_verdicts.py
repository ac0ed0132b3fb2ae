"""Verdicts that the processes of one server share: one of them tries, the others take over what it has found.

What is taken over are the very files, in memory or not: their pages are there once for all. A verdict is lent as long
as its version is loaded. The processes trust each other; how they talk is not decided here.
"""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

from serving.core.servable import ServableId
from serving.optimizing.candidates import NotOptimizedError
from serving.optimizing.verdict import Verdict, verdict_from
from serving.telemetry.log import logger


@dataclass(frozen=True, slots=True, kw_only=True)
class LentFile:
    """An open file of another process, by its number there, and what it is: the number may be another's by now."""

    number: int
    device: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """A verdict of the process ``pid``, or the reason why there is nothing better than what is saved."""

    pid: int
    facts: Sequence[dict[str, Any]] = ()
    lasting: bool = True
    files: tuple[LentFile, ...] = ()
    reason: str = ""


Ask = Callable[[str], Iterable[Lent]]
"""What the other processes have under a key."""

Turn = Callable[[], AbstractContextManager[object]]
"""Waits until no other process is in such a block."""


class SharedVerdicts:
    """This process's part in it. ``lent`` may be called from any thread, and answers at once."""

    def __init__(self, ask: Ask, turn: Turn) -> None:
        self._ask = ask
        self._turn = turn
        self._lock = threading.Lock()
        self._held: dict[str, Lent] = {}
        self._keys: dict[ServableId, str] = {}

    def verdict(self, servable_id: ServableId, key: str, make: Callable[[], Verdict]) -> Verdict:
        """What another process has found for this key, else what ``make`` does; nobody else tries meanwhile.

        Raises NotOptimizedError, as ``make`` does and as it did in another process.
        """
        with self._turn():
            for lent in self._ask(key):
                logger.info("Servable %s: taking over what another worker has found by its trials", servable_id)
                if lent.reason:
                    self._hold(servable_id, key, lent)
                    raise NotOptimizedError(lent.reason)
                with suppress(OSError, ValueError, KeyError, TypeError):
                    return self._held_too(servable_id, key, _taken(lent))
            try:
                made = make()
            except NotOptimizedError as error:
                if not error.expected:  # otherwise it was given up, for this process alone
                    self._hold(servable_id, key, Lent(pid=os.getpid(), reason=str(error)))
                raise
            return self._held_too(servable_id, key, made)

    def lent(self, key: str) -> Lent | None:
        """What this process has under a key."""
        with self._lock:
            return self._held.get(key)

    def forget(self, servable_id: ServableId) -> None:
        """The version is not loaded any more."""
        with self._lock:
            key = self._keys.pop(servable_id, None)
            if key is None or key in self._keys.values():
                return
            _close(self._held.pop(key))

    def _held_too(self, servable_id: ServableId, key: str, verdict: Verdict) -> Verdict:
        files = []
        for fd in verdict.files:
            own = os.dup(fd)
            status = os.fstat(own)
            files.append(LentFile(number=own, device=status.st_dev, inode=status.st_ino))
        lent = Lent(pid=os.getpid(), facts=verdict.facts(), lasting=verdict.lasting, files=tuple(files))
        self._hold(servable_id, key, lent)
        return verdict

    def _hold(self, servable_id: ServableId, key: str, lent: Lent) -> None:
        with self._lock:
            before = self._held.pop(key, None)
            self._held[key], self._keys[servable_id] = lent, key
        if before is not None:
            _close(before)


def _close(lent: Lent) -> None:
    if lent.pid == os.getpid():
        for file in lent.files:
            os.close(file.number)


def _taken(lent: Lent) -> Verdict:
    """The verdict of another process, with files of its own. Raises OSError, and as ``verdict_from``."""
    opened: list[int] = []
    try:
        for file in lent.files:
            opened.append(os.open(f"/proc/{lent.pid}/fd/{file.number}", os.O_RDONLY | os.O_CLOEXEC))
            status = os.fstat(opened[-1])
            if (status.st_dev, status.st_ino) != (file.device, file.inode):
                raise OSError("it is another file by now")
        return verdict_from(lent.facts, opened)
    except BaseException:
        for fd in opened:
            os.close(fd)
        raise
