"""The manager of --lazy_load: a model is loaded when a request waits for it, and unloaded when another needs its room.

Pinned models are as without it. How requests wait is the request layer's business.
"""

from collections.abc import Iterable, Iterator
from itertools import count

from serving.core.accounts import Accounts
from serving.core.actions import AfterFailure
from serving.core.handle import CountedLease, Lease
from serving.core.lifecycle import Harness, HarnessState, NoRoomError, NotLoadedError
from serving.core.manager import Manager
from serving.core.servable import Servable, ServableId, ServableState
from serving.core.startup import Startup, judge
from serving.core.waking import Waking
from serving.errors import ServingError

_LOOK_AGAIN_SECONDS = 0.05
"""How often a version that waits for room looks whether an idle model has appeared, which nobody tells."""


class LazyManager(Manager):
    """A ``Manager`` whose models, but for those of ``pinned``, come and go.

    A load that fails is tried again by the next request after a pause of a second, then of two, four and so on, up to
    ``load_retry_interval_micros``.
    """

    def __init__(
        self,
        *,
        pinned: frozenset[str],
        max_load_retries: int = 5,
        load_retry_interval_micros: int = 60_000_000,
        budget_bytes: int | None = None,
    ) -> None:
        super().__init__(
            max_load_retries=max_load_retries,
            load_retry_interval_micros=load_retry_interval_micros,
            budget_bytes=budget_bytes,
        )
        self._waking = Waking(pinned, self.retry_seconds)
        self._uses: Iterator[int] = count(1)
        self._accounts = Accounts(budget_bytes, self._waking.is_lazy, self._waking.awaited)

    def hold(self, name: str, version: int | None, label: str | None) -> Lease:
        """As ``Manager``; NotLoadedError for what a request may wait for."""
        try:
            return super().hold(name, version, label)
        except ServingError:
            self._check_asleep(name, version, label)
            raise

    def want(self, name: str, version: int | None, now: float) -> ServingError | None:
        """A request waits for a model that is not loaded; ``unwant`` follows, unless this gives an error.

        That is what the last attempt failed with, if it is too early for another.
        """
        with self._lock:
            versions = self._harnesses.of(name)
            hopeless = self._waking.hopeless(version, versions, now)
            if hopeless is not None:
                return hopeless
            self._waking.want(name)
        self.on_work()
        return None

    def unwant(self, name: str) -> None:
        """A request that waited for a model does not any more: it holds a version, or was given up."""
        with self._lock:
            states = {each.state for each in self._harnesses.of(name).values()}
            if self._waking.unwant(name) and states <= {HarnessState.NEW, HarnessState.ERROR}:
                self._waking.sleep(name)

    def ask_for(self, name: str) -> None:
        """As ``Manager``; it is loaded, although no request is for it."""
        with self._lock:
            self._waking.want(name)
        super().ask_for(name)

    def unask(self, name: str) -> None:
        """As ``Manager``."""
        self.unwant(name)

    def prospect(self, name: str, version: int | None) -> ServingError | bool:
        """What becomes of a request that waits: True when it need not any more, or why there is nothing to wait for."""
        available = self.serving.available(name)
        with self._lock:
            versions = self._harnesses.of(name)
            if version is None and available and not any(versions[each].aspired for each in available):
                return True  # by those that others are about to replace: two such could wait for each other's room
            return self._waking.prospect(name, version, self._harnesses.of(name))

    def rouse(self, now: float) -> None:
        """Let the models that are wanted be loaded from the next step on; those that failed too, after their pause."""
        with self._lock:
            for name in self._waking.rouse():
                for each in list(self._harnesses.of(name).values()):
                    if each.state is HarnessState.WAITING:
                        each.retry_at = now
                    elif each.state is HarnessState.ERROR and each.aspired and self._waking.may_try(each.id, now):
                        self._harnesses.begin_anew(each)

    def states(self, name: str) -> tuple[ServableState, ...]:
        """As ``Manager``; one that the next request loads is available, with a note that says how it is."""
        states = super().states(name)
        with self._lock:
            return tuple(self._waking.shown(each, self._harnesses.of(name)) for each in states)

    def answerable(self, name: str) -> tuple[int, ...]:
        """As ``Manager``; loaded or not yet."""
        with self._lock:
            lazily = [each.id.version for each in self._harnesses.of(name).values() if each.aspired and not each.error]
        return tuple(sorted({*self.serving.available(name), *lazily}, reverse=True))

    def startup(self, names: Iterable[str]) -> Startup:
        """As ``Manager``; what a request may load, even if its last load has failed, takes nothing from it."""
        with self._lock:
            managed = {name: [each.public for each in self._harnesses.of(name).values()] for name in names}
        return judge({name: self._waking.ready(states) for name, states in managed.items()})

    def next_deadline(self, now: float) -> float | None:
        """As ``Manager``."""
        with self._lock:
            waits = bool(self._accounts.waits)
        return now + _LOOK_AGAIN_SECONDS if waits else super().next_deadline(now)

    def loaded(self, servable_id: ServableId, servable: Servable, grew: int | None = None) -> bool:
        """As ``Manager``."""
        with self._lock:
            self._waking.forget_failures(servable_id)
        return super().loaded(servable_id, servable, grew)

    def load_failed(self, servable_id: ServableId, error: ServingError, now: float) -> AfterFailure:
        """As ``Manager``; what serves no request yet is tried again by the next one."""
        with self._lock:
            self._waking.failed(servable_id, now, refused=isinstance(error, NoRoomError))
        return super().load_failed(servable_id, error, now)

    def _check_asleep(self, name: str, version: int | None, label: str | None) -> None:
        if not self._waking.is_lazy(name):
            return
        if label is not None:
            version = self.serving.labels.get(name, {}).get(label)
            if version is None:
                return
        with self._lock:
            versions = [each.id.version for each in self._harnesses.of(name).values() if each.aspired]
        if versions if version is None else version in versions:
            raise NotLoadedError(name, version)

    def _unserved(self) -> list[Harness]:
        return [each for each in super()._unserved() if not self._waking.sleeps(each.id.name)]

    def _lease(self, servable_id: ServableId, servable: Servable) -> Lease:
        return CountedLease(servable_id, servable, lambda: self.on_work(), self._uses)

    def _begin_anew(self, harness: Harness) -> Harness:
        self._waking.forget_failures(harness.id)
        return super()._begin_anew(harness)

    def _in_turn(self) -> list[str]:
        return self._waking.in_turn(self._harnesses.names())

    def _needs_asking(self, name: str) -> bool:
        return self._waking.is_lazy(name) and not self.serving.available(name)

    def _evict(self, name: str, beneficiary: ServableId) -> None:
        super()._evict(name, beneficiary)
        self._waking.sleep(name)
