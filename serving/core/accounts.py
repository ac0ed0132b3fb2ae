"""What each version holds, kept for the manager, which has the lock; ``core/memory.py`` decides."""

from collections.abc import Callable, Iterable, Mapping

from serving.core.handle import Lease
from serving.core.lifecycle import Harness, HarnessState
from serving.core.memory import NOTHING, Ledger, Room, Shortage, Spare, Use, Verdict, judge
from serving.core.servable import ServableId

_LOADED = frozenset({HarnessState.READY, HarnessState.QUIESCING, HarnessState.UNLOADING})
_UNWANTED = frozenset({HarnessState.UNWANTED, HarnessState.DISCARDING})
_MOVING = frozenset({HarnessState.LOADING, HarnessState.UNLOADING, HarnessState.DISCARDING})
_MOST_JUDGED = 16
_ALL_THERE = 2**62


class Accounts:
    """``budget`` is in bytes, None for no limit; ``comes_and_goes`` says which models may make room for others.

    Such a model does so when it is not ``awaited`` and nobody uses it.
    """

    def __init__(
        self,
        budget: int | None,
        comes_and_goes: Callable[[str], bool] = lambda _: False,
        awaited: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.budget = budget
        self._comes_and_goes = comes_and_goes
        self._awaited = awaited
        self._other = 0
        self._promised = 0
        self._borrowed: dict[ServableId, int] = {}
        self.waits: dict[ServableId, Shortage] = {}
        """The versions that wait for room, and why."""

    def begin(self, resident: int | None, harnesses: Iterable[Harness]) -> None:
        """A step begins: ``resident`` is what the process holds now.

        While something is loaded or unloaded nobody knows whose that is; what the rest holds is then taken as before.
        """
        self._promised = 0
        self.waits.clear()
        if resident is None:
            return
        held, moving = 0, False
        for each in harnesses:
            moving = moving or each.state in _MOVING
            held += each.resident if each.state in _LOADED or each.state in _UNWANTED else 0
        if not moving:
            self._other = resident - held

    def judge(self, harness: Harness, ledger: Ledger) -> Verdict:
        """Whether to load a version now. What waits for room that comes by itself has its turn before others."""
        need = harness.need or NOTHING
        verdict = judge(ledger, harness.id, need)
        if verdict.room in (Room.SOON, Room.EVICT):
            self._promised += need.peak
        if verdict.room not in (Room.NOW, Room.NONE):
            self.waits[harness.id] = Shortage(id=harness.id, need=need, ledger=ledger)
        return verdict

    @property
    def full(self) -> bool:
        """Whether so many versions wait that further ones need not be looked at."""
        return len(self.waits) >= _MOST_JUDGED

    def would_fit(self, harness: Harness, ledger: Ledger) -> bool:
        """Whether there is room now."""
        return judge(ledger, harness.id, harness.need or NOTHING).room is Room.NOW

    def ledger(self, harnesses: Iterable[Harness], leases: Mapping[ServableId, Lease]) -> Ledger:
        """All of it, as a value."""
        uses = [use for each in harnesses if (use := self._use(each, leases.get(each.id))) is not None]
        return Ledger(
            budget=_ALL_THERE if self.budget is None else self.budget,
            other=self._other,
            uses=tuple(uses),
            borrowed=sum(self._borrowed.values()),
            promised=self._promised,
        )

    def borrow(self, servable_id: ServableId, count: int, ledger: Ledger) -> bool:
        """Lend the process that optimises a version so many bytes, if they are free."""
        if ledger.held + count > ledger.budget:
            return False
        self._borrowed[servable_id] = count
        return True

    def give_back(self, servable_id: ServableId) -> None:
        """It has ended."""
        self._borrowed.pop(servable_id, None)

    def _use(self, harness: Harness, lease: Lease | None) -> Use | None:
        if harness.state is HarnessState.LOADING:
            need = harness.need or NOTHING
            later = Spare.BUSY if self._comes_and_goes(harness.id.name) else Spare.NEVER
            return Use(id=harness.id, held=need.peak, left=need.resident, spare=later)
        if harness.state in _UNWANTED or harness.state in (HarnessState.QUIESCING, HarnessState.UNLOADING):
            return Use(id=harness.id, held=harness.resident, left=0)
        if harness.state is not HarnessState.READY or lease is None:
            return None
        return Use(
            id=harness.id,
            held=harness.resident,
            left=harness.resident,
            spare=self._spare(harness, lease),
            last_use=lease.last_use,
        )

    def _spare(self, harness: Harness, lease: Lease) -> Spare:
        if not self._comes_and_goes(harness.id.name):
            return Spare.NEVER
        return Spare.BUSY if lease.busy or self._awaited(harness.id.name) else Spare.IDLE
