"""What all workers have counted, for whoever is asked for it: each takes its own, and all of them are told of it.

Every worker keeps what it was told, so that nothing falls from one look to the next whoever is asked: what a worker
had counted when it ended stays, and of one that does not answer in time the last that is known.
"""

import os
import pickle
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from serving.processes.group import Group
from serving.processes.ledger import Ledger, Life, Page, Said
from serving.processes.supervisor import Member
from serving.telemetry.log import logger

PATIENCE_SECONDS = 2.0
"""How long somebody waits for a worker, once: one that has been late is waited for again when it has answered."""

ValueT = TypeVar("ValueT")


class Gathered(NamedTuple, Generic[ValueT]):
    """What the workers have counted, by number, and those that have ended. ``late`` are those that did not answer.

    ``members`` are all workers that there were at any time, the newest of each, and ``there`` those that are.
    """

    workers: Mapping[int, ValueT]
    gone: Sequence[ValueT]
    late: frozenset[int]
    members: Mapping[int, Member]
    there: frozenset[int]


class _Answer(NamedTuple):
    life: Life
    said: Said
    pages: dict[int, Page] | None
    members: dict[int, tuple[Any, ...]] | None


class Gathering(Generic[ValueT]):
    """Of one ``subject``: ``take`` gives what this worker has counted, ``fold`` adds up what others have that ended.

    Made before the group is joined. Thread-safe.
    """

    def __init__(
        self,
        group: Group,
        subject: str,
        take: Callable[[], ValueT],
        fold: Callable[[Sequence[ValueT]], ValueT],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._group = group
        self._subject = subject
        self._take = take
        self._fold = fold
        self._patience_seconds = patience_seconds
        self._life = Life(time.monotonic_ns(), os.getpid())
        self._ledger = Ledger()
        self._changed = threading.Condition()
        self._late: set[int] = set()
        """Processes of whom the last question was not answered in time."""
        self._members: dict[int, Member] = {}
        self._answering, self._asked_again, self._asked_for_all = False, False, False
        self._one = threading.Lock()
        self._last: tuple[int, Gathered[ValueT]] | None = None
        group.when_told(f"{subject}?", self._asked)
        group.when_told(subject, self._told)
        group.on_members(self._members_changed)

    def gather(self) -> Gathered[ValueT]:
        """What all have counted by now; waits for them, and so never in an event loop."""
        asked = time.monotonic_ns()
        with self._one:
            if self._last is None or self._last[0] < asked:
                began = time.monotonic_ns()
                self._last = began, self._gathered(began)
            return self._last[1]

    def _gathered(self, began: int) -> Gathered[ValueT]:
        self._group.tell(f"{self._subject}?", False)
        self._answer(whole=False)  # the others have to know, too: this worker may end as soon as somebody has seen it
        until = time.monotonic() + self._patience_seconds
        with self._changed:
            while waits_for := self._missing(began) - self._late:
                if not self._changed.wait(max(until - time.monotonic(), 0)) and time.monotonic() >= until:
                    self._late |= waits_for
            self._ledger.fold(lambda values: _written(self._fold([_read(value) for value in values])))
            pids = self._pids()
            late = self._missing(began)
            said = {worker: self._ledger.said(worker, pid) for worker, pid in pids.items()}
            gone, members = self._ledger.gone(pids), dict(self._members)
        return Gathered(
            {worker: _read(each.value) for worker, each in sorted(said.items()) if each is not None},
            [_read(each.value) for each in gone],
            frozenset(worker for worker, pid in pids.items() if pid in late),
            members,
            frozenset(pids),
        )

    def _pids(self) -> dict[int, int]:
        return {each.worker: each.pid for each in self._group.members} | {self._group.index: self._life.pid}

    def _missing(self, began: int) -> set[int]:
        """The processes that have not said anything since then."""
        said = {pid: self._ledger.said(worker, pid) for worker, pid in self._pids().items()}
        return {pid for pid, each in said.items() if each is None or each.taken < began}

    def _asked(self, _: int, whole: bool) -> None:
        """Another worker wants to know; in the thread that reads, which goes on."""
        with self._changed:
            self._asked_for_all |= whole
            self._asked_again = True
            if self._answering:
                return
            self._answering = True
        threading.Thread(target=self._answer_all, name=self._subject, daemon=True).start()

    def _answer_all(self) -> None:
        """Answer whoever has asked; who asks meanwhile gets another answer, for it is of later."""
        while True:
            with self._changed:
                if not self._asked_again:
                    self._answering = False
                    return
                whole, self._asked_again, self._asked_for_all = self._asked_for_all, False, False
            try:
                self._answer(whole=whole)
            except Exception:  # noqa: BLE001 - whoever asks goes on with the last that it knows
                logger.exception("Other workers cannot be told what this one has counted: %s", self._subject)

    def _answer(self, *, whole: bool) -> None:
        """Let all know what this worker has counted; with ``whole`` also what it knows of the others."""
        taken = time.monotonic_ns()
        said = Said(taken, _written(self._take()))
        with self._changed:
            self._ledger.note(self._group.index, self._life, said)
            pages = self._ledger.pages() if whole else None
            members = {worker: tuple(each) for worker, each in self._members.items()} if whole else None
        self._group.tell(self._subject, tuple(_Answer(self._life, said, pages, members)))

    def _told(self, worker: int, answer: tuple[Any, ...]) -> None:
        life, said, pages, members = _Answer(*answer)
        with self._changed:
            self._ledger.note(worker, life, said)
            self._ledger.join(pages or {})
            for each in (members or {}).values():
                self._know(Member(*each))
            self._late.discard(life.pid)
            self._changed.notify_all()

    def _members_changed(self, members: Sequence[Member]) -> None:
        first = not self._members
        with self._changed:
            for each in members:
                self._know(each)
            self._late.intersection_update({each.pid for each in members})
            self._changed.notify_all()
        if first and any(each.restarts for each in members if each.worker == self._group.index):
            self._group.tell(f"{self._subject}?", True)  # what was known before this process was there

    def _know(self, member: Member) -> None:
        known = self._members.get(member.worker)
        if known is None or known.restarts <= member.restarts:
            self._members[member.worker] = member


def _written(value: object) -> bytes:
    return zlib.compress(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), 1)


def _read(value: bytes) -> Any:
    return pickle.loads(zlib.decompress(value))  # noqa: S301 - of our own processes
