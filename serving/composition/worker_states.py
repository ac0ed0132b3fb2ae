"""What the workers know of each other's versions, so that every one of them answers for all when it is asked."""

import os
import threading
from collections.abc import Iterable, Mapping, Sequence

from serving.core.manager import Manager
from serving.core.merged_states import merged
from serving.core.servable import ServableId, ServableState, State
from serving.errors import Code, ServingError
from serving.processes.group import Group
from serving.processes.supervisor import Member

_TOLD = "states"
_ASKED = "states.available"

_Sent = tuple[str, int, int, int, str, str]
"""A name, a version, its state, the code and the text of its error, and its note."""


class WorkerStates:
    """``Known`` of all workers that serve: each tells the others whatever changes, and newcomers everything.

    A worker that was started again counts from when its doors are open: until then nobody reaches it.
    """

    def __init__(self, group: Group, manager: Manager) -> None:
        self._group = group
        self._manager = manager
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._seen: frozenset[int] = frozenset()
        self._of: dict[int, dict[str, dict[int, ServableState]]] = {}
        """By process, not by worker: one that is started again has nothing of what it was."""
        group.when_told(_TOLD, self._told)
        group.on(_ASKED, lambda _: self._available())
        group.on_members(self._members)
        manager.monitor.subscribe(self._changed)

    def states(self, name: str) -> tuple[ServableState, ...]:
        """As ``Known``."""
        own = self._manager.states(name)
        with self._lock:
            others = [tuple(of.get(name, {}).values()) for of in self._counted()]
        return merged([own, *others]) if others else own

    def answerable(self, name: str) -> tuple[int, ...]:
        """As ``Known``."""
        available = {state.id.version for state in self.states(name) if state.state is State.AVAILABLE}
        return tuple(version for version in self._manager.answerable(name) if version in available)

    def models(self) -> Sequence[str]:
        """As ``Known``."""
        with self._lock:
            others = [name for of in self._counted() for name in of]
        return tuple(dict.fromkeys([*self._manager.models(), *others]))

    def served(self) -> frozenset[ServableId] | None:
        """What the other workers serve now, None if none has open doors; asks them."""
        answers = [answer.value for answer in self._group.ask(_ASKED, None) if answer.worker != self._group.index]
        found = [available for available in answers if available is not None]
        if not found:
            return None
        return frozenset(ServableId(name=name, version=version) for each in found for name, version in each)

    def _counted(self) -> Iterable[Mapping[str, Mapping[int, ServableState]]]:
        serving = [member.pid for member in self._group.serving if member.worker != self._group.index]
        return [self._of[pid] for pid in serving if pid in self._of]

    def _available(self) -> list[tuple[str, int]] | None:
        manager = self._manager
        if not self._group.opened:
            return None
        return [(name, version) for name in manager.models() for version in manager.serving.available(name)]

    def _changed(self, state: ServableState) -> None:
        """On the thread that made the change, so that nobody is told of what follows from it before."""
        with self._telling:
            self._group.tell(_TOLD, (os.getpid(), False, [_sent(state)]))

    def _members(self, members: Sequence[Member]) -> None:
        pids = frozenset(member.pid for member in members)
        with self._lock:
            for pid in [pid for pid in self._of if pid not in pids]:
                del self._of[pid]
        is_new, self._seen = not pids <= self._seen, pids
        if is_new:
            monitor = self._manager.monitor
            with self._telling:
                states = [_sent(state) for name in monitor.models() for state in monitor.states(name)]
                self._group.tell(_TOLD, (os.getpid(), True, states))

    def _told(self, _worker: int, told: tuple[int, bool, list[_Sent]]) -> None:
        pid, whole, states = told
        with self._lock:
            of = self._of.setdefault(pid, {})
            if whole:
                of.clear()
            for each in states:
                state = _received(each)
                of.setdefault(state.id.name, {})[state.id.version] = state


def _sent(state: ServableState) -> _Sent:
    error = state.error
    code, text = (0, "") if error is None else (int(error.code), error.message)
    return state.id.name, state.id.version, int(state.state), code, text, state.note


def _received(sent: _Sent) -> ServableState:
    name, version, state, code, text, note = sent
    error = ServingError(Code(code), text) if code else None
    return ServableState(id=ServableId(name=name, version=version), state=State(state), error=error, note=note)
