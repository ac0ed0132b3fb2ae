"""The aspired versions manager: what ought to be loaded against what is, one step at a time.

It loads and unloads nothing itself and reads no clock: it hands out actions and is told how they went.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from threading import Lock

from serving.core.actions import Action, AfterFailure
from serving.core.decisions import Decisions
from serving.core.events import StateMonitor
from serving.core.handle import Handle, Lease
from serving.core.lifecycle import UNSERVED, Event, Harness, HarnessState
from serving.core.memory import Ledger, Need, Shortage
from serving.core.servable import Loader, Servable, ServableId, ServableState
from serving.core.startup import Startup, judge
from serving.errors import Code, ServingError

_MICROS = 1_000_000
_AT_ONCE = 0.0
_FAILED = frozenset({HarnessState.WAITING, HarnessState.ERROR})


class Manager(Decisions):
    """Keeps every model's versions on their way to what is aspired.

    ``step`` and the reports (``loaded``, ``load_failed``, ``unloaded``) belong to the one loop that carries the actions
    out; everything else may be called from any thread. Times are seconds of that loop's clock. Subscribers of
    ``monitor`` are called under the manager's lock, in order; they must not call the manager.

    ``budget_bytes`` is what the process may hold, None for no limit.
    """

    def __init__(
        self,
        *,
        max_load_retries: int = 5,
        load_retry_interval_micros: int = 60 * _MICROS,
        budget_bytes: int | None = None,
    ) -> None:
        super().__init__(StateMonitor(), max_load_retries, load_retry_interval_micros / _MICROS, budget_bytes)
        self.on_work: Callable[[], None] = lambda: None
        """Called, from any thread, when ``step`` may have something new to do."""
        self._lock = Lock()

    def set_aspired(self, name: str, versions: Mapping[int, Loader]) -> None:
        """Replace the aspired versions of ``name`` whole; without any, all its versions are unloaded.

        A version that failed is tried again only after it has left the aspired ones and come back, or when its files
        have changed. A version that is loaded stays as it is; a loader given anew is used by the next attempt.
        """
        with self._lock:
            changed = self._harnesses.aspire(name, versions)
        if changed:
            self.on_work()

    def unserved(self) -> dict[ServableId, HarnessState]:
        """The aspired versions that are not loaded, and where each is in its life: those whose files matter."""
        with self._lock:
            return {each.id: each.state for each in self._unserved()}

    def unweighed(self) -> tuple[ServableId, ...]:
        """The same without those of which ``note_need`` has told what they need, as their files are now."""
        with self._lock:
            return tuple(each.id for each in self._unserved() if each.need is None or each.weighed != each.files)

    def note_need(self, servable_id: ServableId, need: Need) -> None:
        """Take note of what loading a version takes; without it none is loaded while there is a budget."""
        with self._lock:
            harness = self._harnesses.of(servable_id.name).get(servable_id.version)
            if harness is not None:
                harness.need, harness.weighed = need, harness.files

    def note_files(self, servable_id: ServableId, files: Hashable, *, settled: bool, now: float) -> bool:
        """Take note of what the files of a version look like; whether that makes it due for a new attempt.

        A version is held back as long as its files are not ``settled``, the retry of a failed one too. One that failed
        is due at once, and begins to count its attempts anew, when they differ from those of its last attempt.
        """
        with self._lock:
            harness = self._harnesses.of(servable_id.name).get(servable_id.version)
            if harness is None or harness.state not in UNSERVED:
                return False
            harness.files, harness.held = files, not settled
            if harness.held or harness.state not in _FAILED or harness.tried in (None, files):
                return False
            self._try_anew(harness, now)
            return True

    def ask_for(self, name: str) -> None:
        """Somebody asks for a model as a whole: what has failed of it is tried at once. ``unask`` follows."""
        with self._lock:
            for each in list(self._harnesses.of(name).values()):
                if each.aspired and each.state in _FAILED:
                    self._try_anew(each, _AT_ONCE)
        self.on_work()

    def unask(self, name: str) -> None:
        """Whoever asked for a model waits no more."""

    def attempts(self, name: str) -> tuple[ServableState, ...]:
        """The versions of ``name`` that ought to serve, highest first; between two attempts with what the last met."""
        with self._lock:
            versions = [each for _, each in sorted(self._harnesses.of(name).items(), reverse=True) if each.aspired]
            return tuple(replace(each.public, error=each.error if each.state in _FAILED else None) for each in versions)

    def set_labels(self, labels: Mapping[str, Mapping[str, int]]) -> None:
        """Replace the version labels of all models whole: a request sees those of before or those of after.

        Whether a label may point there is the caller's to judge.
        """
        with self._lock:
            self.serving = self.serving.with_labels(labels)

    def acquire(self, name: str, version: int | None = None, label: str | None = None) -> Handle:
        """A handle on the version that a request means; the highest available one without ``version`` and ``label``.

        INVALID_ARGUMENT for an unknown label, NOT_FOUND for what is not available (docs/models.md, "Labels").
        """
        return Handle(self.hold(name, version, label))

    def hold(self, name: str, version: int | None, label: str | None) -> Lease:
        """The same without a handle: what ``give_back`` of this lease has to be called for, once."""
        while True:
            serving = self.serving
            lease = serving.latest.get(name) if version is None and label is None else None
            if lease is None:
                lease = serving.find(name, version, label)
            # Else the version began to quiesce after the map was read, and a newer map is already in place.
            if lease.hold():
                return lease

    def states(self, name: str) -> tuple[ServableState, ...]:
        """Every version of ``name`` ever seen, highest first, those at END included."""
        return self.monitor.states(name)

    def answerable(self, name: str) -> tuple[int, ...]:
        """The versions of ``name`` of which a request can be answered, highest first."""
        return self.serving.available(name)

    def models(self) -> tuple[str, ...]:
        """The names of which a version was ever seen."""
        return self.monitor.models()

    def startup(self, names: Iterable[str]) -> Startup:
        """How far ``names`` are from serving."""
        with self._lock:
            managed = {name: [each.public for each in self._harnesses.of(name).values()] for name in names}
        return judge(managed)

    def managed(self) -> tuple[str, ...]:
        """The names that have versions aspired, loaded or on their way out; empty when there is nothing left to do."""
        with self._lock:
            return self._harnesses.names()

    def versions(self) -> frozenset[ServableId]:
        """The versions that are aspired, loaded or on their way out."""
        with self._lock:
            return frozenset(harness.id for harness in self._harnesses)

    def rouse(self, now: float) -> None:
        """A round begins: what requests have asked for may be loaded in it."""

    @property
    def short(self) -> Mapping[ServableId, Shortage]:
        """The versions that waited for memory at the last step, and why."""
        with self._lock:
            return dict(self._accounts.waits)

    def resident(self, servable_id: ServableId) -> int:
        """The bytes that a version counts for; 0 for what is not loaded."""
        with self._lock:
            harness = self._harnesses.of(servable_id.name).get(servable_id.version)
            return 0 if harness is None or servable_id not in self._leases else harness.resident

    def borrow(self, servable_id: ServableId, count: int) -> Ledger | None:
        """Lend the optimising of a version so many bytes until ``give_back``; the ledger if they are not free."""
        with self._lock:
            ledger = self._ledger()
            return None if self._accounts.borrow(servable_id, count, ledger) else ledger

    def give_back(self, servable_id: ServableId, grew: int) -> None:
        """Optimising has ended, and the version holds ``grew`` bytes more than before."""
        with self._lock:
            self._accounts.give_back(servable_id)
            harness = self._harnesses.of(servable_id.name).get(servable_id.version)
            if harness is not None and servable_id in self._leases:
                harness.grew = harness.resident + max(grew, 0)
        self.on_work()

    def step(
        self,
        now: float,
        *,
        max_loads: int | None = None,
        max_unloads: int | None = None,
        held_bytes: int | None = None,
    ) -> list[Action]:
        """The actions to begin now, unloads first; each is given once and waits for its report.

        ``max_loads`` and ``max_unloads`` bound what runs at the same time, what runs already included. A retry takes no
        room while it waits for its time, and yields to versions not yet tried. ``held_bytes`` is what the process
        holds, if there is a budget.
        """
        with self._lock:
            return self._next(now, max_loads, max_unloads, held_bytes)

    def next_deadline(self, now: float) -> float | None:
        """When, after ``step(now)``, there is next something to do that no report brings; None for never.

        A retry that is due by ``now`` does not count: it waits for room, that is for a report.
        """
        with self._lock:
            waiting = [each.retry_at for each in self._in(HarnessState.WAITING) if not each.held]
        return min((retry_at for retry_at in waiting if retry_at > now), default=None)

    def loaded(self, servable_id: ServableId, servable: Servable, grew: int | None = None) -> bool:
        """Report a load that succeeded; False when the version is no longer aspired and will not serve.

        ``grew`` are the bytes by which the process did, None if nobody knows.
        """
        with self._lock:
            harness = self._harnesses.get(servable_id)
            harness.grew = grew
            lease = self._lease(servable_id, servable)
            harness.take(Event.LOADED if harness.aspired else Event.LOADED_UNWANTED)
            self._leases[servable_id] = lease
            if harness.aspired:
                # The map first: whoever hears of an available version must find it.
                self.serving = self.serving.with_lease(lease)
            else:
                lease.close()
            self._harnesses.publish(harness)
            return harness.aspired

    def load_failed(self, servable_id: ServableId, error: ServingError, now: float) -> AfterFailure:
        """Report a load that failed; the next attempt, if any, is due ``load_retry_interval_micros`` after ``now``."""
        with self._lock:
            harness = self._harnesses.get(servable_id)
            after = self._after_failure(harness, error)
            harness.error = error
            harness.retry_at = now + self.retry_seconds
            self._harnesses.take(harness, Event.RETRY if after is AfterFailure.RETRY else Event.FAIL)
            return after

    def unloaded(self, servable_id: ServableId) -> None:
        """Report that a version has been closed; one that is aspired again by now starts anew."""
        with self._lock:
            harness = self._harnesses.get(servable_id)
            if harness.state is HarnessState.DISCARDING:
                harness.error = ServingError(Code.CANCELLED, "Loading of servable cancelled")
            self._harnesses.take(harness, Event.UNLOADED)
            del self._leases[servable_id]

    def _try_anew(self, harness: Harness, at: float) -> None:
        if harness.state is HarnessState.ERROR:
            harness = self._begin_anew(harness)
        harness.tried, harness.attempt, harness.retry_at, harness.error = None, 0, at, None

    def _unserved(self) -> list[Harness]:
        return [each for each in self._harnesses if each.aspired and each.state in UNSERVED]

    def _lease(self, servable_id: ServableId, servable: Servable) -> Lease:
        # Looked up when it is called: whoever steps the manager may come later.
        return Lease(servable_id, servable, lambda: self.on_work())
