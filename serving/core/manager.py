"""The aspired versions manager: what ought to be loaded against what is, one step at a time.

It loads and unloads nothing itself and reads no clock: it hands out actions and is told how they went.
"""

import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from threading import Lock

from serving.core.actions import Action, AfterFailure, Load, Unload
from serving.core.events import StateMonitor
from serving.core.handle import Handle, Lease, ServingMap
from serving.core.harnesses import Harnesses
from serving.core.lifecycle import UNSERVED, Event, Harness, HarnessState, ReservationError
from serving.core.servable import Loader, Servable, ServableId, ServableState
from serving.core.startup import Startup, judge
from serving.core.transition_policy import Snapshot, Step, availability_preserving
from serving.errors import Code, ServingError

_MICROS = 1_000_000


class Manager:
    """Keeps every model's versions on their way to what is aspired.

    ``step`` and the reports (``loaded``, ``load_failed``, ``unloaded``) belong to the one loop that carries the actions
    out; everything else may be called from any thread. Times are seconds of that loop's clock. Subscribers of
    ``monitor`` are called under the manager's lock, in order; they must not call the manager.
    """

    def __init__(
        self,
        *,
        max_load_retries: int = 5,
        load_retry_interval_micros: int = 60 * _MICROS,
    ) -> None:
        self.monitor = StateMonitor()
        self.serving = ServingMap()
        """What can be asked for now; replaced whole, so a reader may keep it as a snapshot."""
        self.on_work: Callable[[], None] = lambda: None
        """Called, from any thread, when ``step`` may have something new to do."""
        self._max_load_retries = max_load_retries
        self._retry_seconds = load_retry_interval_micros / _MICROS
        self._lock = Lock()
        self._harnesses = Harnesses(self.monitor)
        self._leases: dict[ServableId, Lease] = {}

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
            return {each.id: each.state for each in self._harnesses if each.aspired and each.state in UNSERVED}

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
            failed = harness.state in (HarnessState.WAITING, HarnessState.ERROR)
            if harness.held or not failed or harness.tried in (None, files):
                return False
            if harness.state is HarnessState.ERROR:
                harness = self._harnesses.begin_anew(harness)
                harness.files = files
            harness.tried, harness.attempt, harness.retry_at = None, 0, now
            return True

    def set_labels(self, labels: Mapping[str, Mapping[str, int]]) -> None:
        """Replace the version labels of all models whole: a request sees those of before or those of after.

        Whether a label may point there is the caller's to judge.
        """
        with self._lock:
            self.serving = self.serving.with_labels(labels)

    def acquire(self, name: str, version: int | None = None, label: str | None = None) -> Handle:
        """A handle on the version that a request means; the highest available one without ``version`` and ``label``.

        INVALID_ARGUMENT for an unknown label, NOT_FOUND for what is not available (docs/compatibility.md, "Labels").
        """
        while True:
            serving = self.serving
            lease = serving.latest.get(name) if version is None and label is None else None
            handle = (lease or serving.find(name, version, label)).take()
            # None: the version began to quiesce after the map was read, and a newer map is already in place.
            if handle is not None:
                return handle

    def states(self, name: str) -> tuple[ServableState, ...]:
        """Every version of ``name`` ever seen, highest first, those at END included."""
        return self.monitor.states(name)

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

    def step(self, now: float, *, max_loads: int | None = None, max_unloads: int | None = None) -> list[Action]:
        """The actions to begin now, unloads first; each is given once and waits for its report.

        ``max_loads`` and ``max_unloads`` bound what runs at the same time, what runs already included. A retry takes no
        room while it waits for its time, and yields to versions not yet tried.
        """
        with self._lock:
            loads = self._decide(max_loads)
            loads += self._retry(now, max_loads)
            return [*self._unload(max_unloads), *loads]

    def next_deadline(self, now: float) -> float | None:
        """When, after ``step(now)``, there is next something to do that no report brings; None for never.

        A retry that is due by ``now`` does not count: it waits for room, that is for a report.
        """
        with self._lock:
            waiting = [each.retry_at for each in self._in(HarnessState.WAITING) if not each.held]
        return min((retry_at for retry_at in waiting if retry_at > now), default=None)

    def loaded(self, servable_id: ServableId, servable: Servable) -> bool:
        """Report a load that succeeded; False when the version is no longer aspired and will not serve."""
        with self._lock:
            harness = self._harnesses.get(servable_id)
            # Looked up when it is called: whoever steps the manager may come later.
            lease = Lease(servable_id, servable, lambda: self.on_work())
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
            harness.retry_at = now + self._retry_seconds
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

    def _in(self, *states: HarnessState) -> list[Harness]:
        return [harness for harness in self._harnesses if harness.state in states]

    def _decide(self, max_loads: int | None) -> list[Load]:
        """Follow the policy until it has nothing left to say, one decision per model in turn."""
        room = _room(max_loads, self._in(HarnessState.LOADING))
        loads: list[Load] = []
        names = list(self._harnesses.names())
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
            loads.append(self._begin(versions[decision.version]))
            return True
        return False

    def _begin(self, harness: Harness) -> Load:
        self._harnesses.take(harness, Event.LOAD)
        harness.attempt += 1
        harness.tried = harness.files
        return Load(id=harness.id, loader=harness.loader, attempt=harness.attempt)

    def _quiesce(self, harness: Harness) -> None:
        # The map before the lease: whoever finds the lease closed must find the newer map.
        self._harnesses.take(harness, Event.QUIESCE)
        self.serving = self.serving.without(harness.id)
        self._leases[harness.id].close()

    def _retry(self, now: float, max_loads: int | None) -> list[Load]:
        waiting = [each for each in self._in(HarnessState.WAITING) if each.retry_at <= now and not each.held]
        due = sorted(waiting, key=lambda each: each.retry_at)
        return [self._begin(each) for each in due[: _room(max_loads, self._in(HarnessState.LOADING))]]

    def _unload(self, max_unloads: int | None) -> list[Unload]:
        room = _room(max_unloads, self._in(HarnessState.UNLOADING, HarnessState.DISCARDING))
        free = [each for each in self._in(HarnessState.QUIESCING, HarnessState.UNWANTED) if self._leases[each.id].idle]
        return [self._close(harness) for harness in free[:room]]

    def _close(self, harness: Harness) -> Unload:
        unwanted = harness.state is HarnessState.UNWANTED
        self._harnesses.take(harness, Event.UNLOAD)
        return Unload(id=harness.id, servable=self._leases[harness.id].servable, unwanted=unwanted)

    def _after_failure(self, harness: Harness, error: ServingError) -> AfterFailure:
        if isinstance(error, ReservationError):
            return AfterFailure.FINAL
        if harness.attempt > self._max_load_retries:
            return AfterFailure.EXHAUSTED
        return AfterFailure.RETRY if harness.aspired else AfterFailure.CANCELLED


def _room(limit: int | None, running: Sequence[Harness]) -> int:
    return sys.maxsize if limit is None else max(limit - len(running), 0)
