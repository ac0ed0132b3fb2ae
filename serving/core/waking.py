"""Which models of --lazy_load are awake: loaded, or to be, because somebody asked. The manager has the lock.

The model is the unit: a request for any of its versions loads all that are aspired, as without --lazy_load.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from serving.core.lifecycle import Harness, HarnessState
from serving.core.servable import ServableId, ServableState, State
from serving.errors import ServingError

_FIRST_PAUSE_SECONDS = 1.0


_WAITING = "being loaded; requests wait"
_NOTES: Mapping[HarnessState, str] = {
    HarnessState.NEW: "not loaded; the next request loads it",
    HarnessState.LOADING: _WAITING,
    HarnessState.WAITING: _WAITING,
    HarnessState.UNWANTED: _WAITING,
    HarnessState.DISCARDING: _WAITING,
    HarnessState.QUIESCING: "being unloaded; the next request loads it again",
    HarnessState.UNLOADING: "being unloaded; the next request loads it again",
    HarnessState.DISABLED: "not loaded; the next request loads it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    times: int
    again_at: float


class Waking:
    """Who is awake and who waits for whom; models named in ``pinned`` are loaded at once and stay.

    Times are the manager's. Pauses after failed loads grow up to ``longest_pause_seconds``.
    """

    def __init__(self, pinned: frozenset[str], longest_pause_seconds: float) -> None:
        self._pinned = pinned
        self._longest_pause_seconds = longest_pause_seconds
        self._awake: dict[str, None] = {}
        self._called: dict[str, None] = {}
        self._waiting: Counter[str] = Counter()
        self._failures: dict[ServableId, _Failure] = {}

    def is_lazy(self, name: str) -> bool:
        """Whether a model comes and goes."""
        return name not in self._pinned

    def sleeps(self, name: str) -> bool:
        """Whether a model is not to be loaded now."""
        return name not in self._awake and name not in self._pinned

    def awaited(self, name: str) -> bool:
        """Whether requests wait for a model."""
        return name in self._waiting

    def in_turn(self, names: tuple[str, ...]) -> list[str]:
        """Those of ``names`` that are awake: pinned ones, then in the order in which they were asked for."""
        there = set(names)
        return [each for each in names if each in self._pinned] + [each for each in self._awake if each in there]

    def want(self, name: str) -> None:
        """A request waits for a model; ``unwant`` follows."""
        self._called[name] = None
        self._waiting[name] += 1

    def rouse(self) -> tuple[str, ...]:
        """Wake the models that were wanted since this was last asked."""
        called, self._called = tuple(each for each in self._called if each in self._waiting), {}
        self._awake.update((name, None) for name in called if self.is_lazy(name))
        return called

    def unwant(self, name: str) -> bool:
        """It waits no more; whether nobody does."""
        self._waiting[name] -= 1
        if self._waiting[name] > 0:
            return False
        del self._waiting[name]
        return True

    def sleep(self, name: str) -> None:
        """Let a model go, or forget that it was wanted."""
        self._awake.pop(name, None)

    def prospect(self, name: str, version: int | None, versions: Mapping[int, Harness]) -> ServingError | bool:
        """What becomes of a request that waits: True when it need not any more, or why there is nothing to wait for.

        Without a version it is for the highest that can be loaded.
        """
        wanted = _wanted(version, versions)
        for each in wanted:
            if each.state is not HarnessState.ERROR:
                return each.state is HarnessState.READY
            if name in self._called:  # it may be begun anew
                return False
        return (wanted[0].error or True) if wanted else True

    def hopeless(self, version: int | None, versions: Mapping[int, Harness], now: float) -> ServingError | None:
        """Why a request need not wait: all that it could be for has failed just now."""
        wanted = _wanted(version, versions)
        if any(each.state is not HarnessState.ERROR or self.may_try(each.id, now) for each in wanted):
            return None
        return wanted[0].error if wanted else None

    def shown(self, state: ServableState, versions: Mapping[int, Harness]) -> ServableState:
        """A version's state as clients see it: what the next request loads is available, as far as they are concerned.

        Who waits for a version to become available before asking would otherwise wait for ever.
        """
        harness = versions.get(state.id.version)
        if harness is None or not harness.aspired or not self.is_lazy(state.id.name):
            return state
        if harness.state in (HarnessState.READY, HarnessState.ERROR):
            return state
        return replace(state, state=State.AVAILABLE, error=None, note=f"{_NOTES[harness.state]} (--lazy_load)")

    def ready(self, states: Iterable[ServableState]) -> list[ServableState]:
        """The same for readiness, from which nothing that a later request may still load takes away."""
        return [
            replace(each, state=State.AVAILABLE, error=None) if self.is_lazy(each.id.name) else each for each in states
        ]

    def failed(self, servable_id: ServableId, now: float, *, refused: bool) -> None:
        """A load has failed, or was refused: the next request to come after a pause tries again.

        Pauses grow where it has failed; whether there is memory may change at any time.
        """
        before = self._failures.get(servable_id)
        times = 1 if before is None or refused else before.times + 1
        pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(times - 1, 30), max(self._longest_pause_seconds, 0.0))
        self._failures[servable_id] = _Failure(times=times, again_at=now + pause)

    def may_try(self, servable_id: ServableId, now: float) -> bool:
        """Whether the pause after a failed load is over."""
        failure = self._failures.get(servable_id)
        return failure is None or failure.again_at <= now

    def forget_failures(self, servable_id: ServableId) -> None:
        """It was loaded, is another, or is gone."""
        self._failures.pop(servable_id, None)


def _wanted(version: int | None, versions: Mapping[int, Harness]) -> list[Harness]:
    """The versions that may answer a request, the best first."""
    aspired = [each for _, each in sorted(versions.items(), reverse=True) if each.aspired]
    return aspired if version is None else [each for each in aspired if each.id.version == version]
