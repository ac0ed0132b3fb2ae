"""What a manager begins in one step: decided over its versions, their leases and the memory there is.

It has no lock and hears no report: ``Manager`` has, and asks this under its lock.
"""

import sys
from collections.abc import Sequence

from serving.core.accounts import Accounts
from serving.core.actions import AfterFailure, Load, Refusal, Unload
from serving.core.events import StateMonitor
from serving.core.handle import Lease, ServingMap
from serving.core.harnesses import Harnesses
from serving.core.lifecycle import Event, Harness, HarnessState, NoRoomError, ReservationError
from serving.core.memory import Ledger, Room, Shortage
from serving.core.servable import Loader, ServableId
from serving.core.transition_policy import Snapshot, Step, availability_preserving
from serving.errors import Code, ServingError


class Decisions:
    """``monitor`` is told of states. Not thread-safe."""

    def __init__(
        self, monitor: StateMonitor, max_load_retries: int, retry_seconds: float, budget_bytes: int | None
    ) -> None:
        self.monitor = monitor
        self.serving = ServingMap()
        """What can be asked for now; replaced whole, so a reader may keep it as a snapshot."""
        self.max_load_retries = max_load_retries
        self.retry_seconds = retry_seconds
        self._harnesses = Harnesses(monitor)
        self._leases: dict[ServableId, Lease] = {}
        self._accounts = Accounts(budget_bytes)

    def _next(
        self, now: float, max_loads: int | None, max_unloads: int | None, held_bytes: int | None
    ) -> list[Load | Unload]:
        """What ``Manager.step`` gives."""
        self._accounts.begin(held_bytes, self._harnesses)
        if self._accounts.budget is not None:
            self._try_refused()
        loads = self._decide(max_loads)
        loads += self._retry(now, max_loads)
        return [*self._unload(max_unloads), *loads]

    def _begin_anew(self, harness: Harness) -> Harness:
        return self._harnesses.begin_anew(harness)

    def _in_turn(self) -> list[str]:
        """The models that may be loaded, those first that have waited longest."""
        return list(self._harnesses.names())

    def _needs_asking(self, name: str) -> bool:
        """Whether nothing of a model is loaded unless somebody asks."""
        return False

    def _in(self, *states: HarnessState) -> list[Harness]:
        return [harness for harness in self._harnesses if harness.state in states]

    def _decide(self, max_loads: int | None) -> list[Load]:
        """Follow the policy until it has nothing left to say, one decision per model in turn."""
        room = _room(max_loads, self._in(HarnessState.LOADING))
        loads: list[Load] = []
        names = self._in_turn()
        while names:
            names = [name for name in names if self._advance(name, loads, room)]
        return loads

    def _advance(self, name: str, loads: list[Load], room: int) -> bool:
        versions = self._harnesses.of(name)
        decision = availability_preserving(
            [
                Snapshot(version=each.id.version, state=each.state, aspired=each.aspired, held=each.held)
                for each in versions.values()
            ]
        )
        if decision is None:
            return False
        if decision.step is Step.UNLOAD:
            self._quiesce(versions[decision.version])
            return True
        if len(loads) < room:
            load = self._begin(versions[decision.version])
            loads += [] if load is None else [load]
            return load is not None
        return False

    def _begin(self, harness: Harness) -> Load | None:
        """Begin a load if there is room in memory; None if it has to wait for that."""
        loader = harness.loader if self._accounts.budget is None else self._fitting(harness)
        if loader is None:
            return None
        self._harnesses.take(harness, Event.LOAD)
        harness.attempt += 1
        harness.tried = harness.files
        return Load(id=harness.id, loader=loader, attempt=harness.attempt)

    def _fitting(self, harness: Harness) -> Loader | None:
        """What loads a version, or refuses to for want of memory; None if it waits for room, or was not weighed yet."""
        if harness.need is None or self._accounts.full:
            return None
        ledger = self._ledger()
        verdict = self._accounts.judge(harness, ledger)
        if verdict.room is Room.NOW:
            return harness.loader
        if verdict.room is Room.NONE:
            text = Shortage(id=harness.id, need=harness.need, ledger=ledger).text
            return Refusal(error=NoRoomError(Code.RESOURCE_EXHAUSTED, text))
        for name in verdict.victims:
            self._evict(name, harness.id)
        return None

    def _ledger(self) -> Ledger:
        return self._accounts.ledger(self._harnesses, self._leases)

    def _evict(self, name: str, beneficiary: ServableId) -> None:
        for harness in list(self._harnesses.of(name).values()):
            if harness.state is HarnessState.READY:
                harness.evicted_for = beneficiary
                self._quiesce(harness)

    def _try_refused(self) -> None:
        """Begin anew, with all attempts, what was refused when there was less room than now; nobody need ask."""
        for harness in [each for each in self._in(HarnessState.ERROR) if each.refused and each.aspired]:
            if not self._needs_asking(harness.id.name) and self._accounts.would_fit(harness, self._ledger()):
                self._begin_anew(harness)

    def _quiesce(self, harness: Harness) -> None:
        # The map before the lease: whoever finds the lease closed must find the newer map.
        self._harnesses.take(harness, Event.QUIESCE)
        self.serving = self.serving.without(harness.id)
        self._leases[harness.id].close()

    def _retry(self, now: float, max_loads: int | None) -> list[Load]:
        names = set(self._in_turn())
        waiting = [
            each
            for each in self._in(HarnessState.WAITING)
            if each.retry_at <= now and not each.held and each.id.name in names
        ]
        due = sorted(waiting, key=lambda each: each.retry_at)
        room = _room(max_loads, self._in(HarnessState.LOADING))
        return [load for each in due[:room] if (load := self._begin(each)) is not None]

    def _unload(self, max_unloads: int | None) -> list[Unload]:
        room = _room(max_unloads, self._in(HarnessState.UNLOADING, HarnessState.DISCARDING))
        free = [each for each in self._in(HarnessState.QUIESCING, HarnessState.UNWANTED) if self._leases[each.id].idle]
        return [self._close(harness) for harness in free[:room]]

    def _close(self, harness: Harness) -> Unload:
        unwanted = harness.state is HarnessState.UNWANTED
        self._harnesses.take(harness, Event.UNLOAD)
        servable = self._leases[harness.id].servable
        return Unload(id=harness.id, servable=servable, unwanted=unwanted, evicted_for=harness.evicted_for)

    def _after_failure(self, harness: Harness, error: ServingError) -> AfterFailure:
        if isinstance(error, ReservationError):
            return AfterFailure.FINAL
        if self._needs_asking(harness.id.name):
            return AfterFailure.ON_DEMAND
        if harness.attempt > self.max_load_retries:
            return AfterFailure.EXHAUSTED
        return AfterFailure.RETRY if harness.aspired else AfterFailure.CANCELLED


def _room(limit: int | None, running: Sequence[Harness]) -> int:
    return sys.maxsize if limit is None else max(limit - len(running), 0)
