"""The life of one version: its states, the table of transitions between them, and the harness that holds them.

It neither loads nor waits; the manager feeds it events.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from serving.core.memory import Need
from serving.core.servable import Loader, ServableId, ServableState, State
from serving.errors import Code, ServingError


class HarnessState(Enum):
    """Where a version is in its life, finer than the public states."""

    NEW = auto()
    LOADING = auto()
    WAITING = auto()
    """Between two attempts to load."""
    READY = auto()
    QUIESCING = auto()
    """Out of the serving map; handles are still held."""
    UNLOADING = auto()
    UNWANTED = auto()
    """Loaded, but no longer aspired: never served."""
    DISCARDING = auto()
    """An unwanted version on its way out."""
    DISABLED = auto()
    ERROR = auto()


class Event(Enum):
    """What happens to a version."""

    LOAD = auto()
    LOADED = auto()
    LOADED_UNWANTED = auto()
    RETRY = auto()
    FAIL = auto()
    DROP = auto()
    QUIESCE = auto()
    UNLOAD = auto()
    UNLOADED = auto()


TRANSITIONS: Mapping[tuple[HarnessState, Event], HarnessState] = MappingProxyType(
    {
        (HarnessState.NEW, Event.LOAD): HarnessState.LOADING,
        (HarnessState.NEW, Event.DROP): HarnessState.DISABLED,
        (HarnessState.LOADING, Event.LOADED): HarnessState.READY,
        (HarnessState.LOADING, Event.LOADED_UNWANTED): HarnessState.UNWANTED,
        (HarnessState.LOADING, Event.RETRY): HarnessState.WAITING,
        (HarnessState.LOADING, Event.FAIL): HarnessState.ERROR,
        (HarnessState.WAITING, Event.LOAD): HarnessState.LOADING,
        (HarnessState.WAITING, Event.FAIL): HarnessState.ERROR,
        (HarnessState.READY, Event.QUIESCE): HarnessState.QUIESCING,
        (HarnessState.QUIESCING, Event.UNLOAD): HarnessState.UNLOADING,
        (HarnessState.UNLOADING, Event.UNLOADED): HarnessState.DISABLED,
        (HarnessState.UNWANTED, Event.UNLOAD): HarnessState.DISCARDING,
        (HarnessState.DISCARDING, Event.UNLOADED): HarnessState.ERROR,
    }
)
"""Every transition there is. What is not in it is an error."""

PUBLIC: Mapping[HarnessState, State] = MappingProxyType(
    {
        HarnessState.NEW: State.START,
        HarnessState.LOADING: State.LOADING,
        HarnessState.WAITING: State.LOADING,
        HarnessState.READY: State.AVAILABLE,
        HarnessState.QUIESCING: State.UNLOADING,
        HarnessState.UNLOADING: State.UNLOADING,
        HarnessState.UNWANTED: State.LOADING,
        HarnessState.DISCARDING: State.LOADING,
        HarnessState.DISABLED: State.END,
        HarnessState.ERROR: State.END,
    }
)
"""The public state of each harness state (docs/models.md, "States")."""

FINISHED = frozenset({HarnessState.DISABLED, HarnessState.ERROR})
"""States that nothing leaves."""

UNSERVED = frozenset({HarnessState.NEW, HarnessState.LOADING, HarnessState.WAITING, HarnessState.ERROR})
"""States of a version, if it is aspired, whose files are still to be read, or may have to be read again."""


class ReservationError(ServingError):
    """Nothing was loaded because resources could not be set aside for it; final, a retry would not help."""


class NoRoomError(ReservationError):
    """There is no room in memory; the version is tried again when there is."""


class NotLoadedError(ServingError):
    """A request is for a version that is not loaded and may be: ``name`` and, if one was asked for, ``version``.

    For --lazy_load alone.
    """

    def __init__(self, name: str, version: int | None) -> None:
        super().__init__(Code.UNAVAILABLE, f"Model {name} is not loaded yet")
        self.name = name
        self.version = version


def transition(state: HarnessState, event: Event) -> HarnessState:
    """The state after ``event``; INTERNAL when the table does not have it."""
    after = TRANSITIONS.get((state, event))
    if after is None:
        raise ServingError(Code.INTERNAL, f"A version in state {state.name} cannot take the event {event.name}")
    return after


@dataclass(slots=True, kw_only=True)
class Harness:
    """One version under management: what loads it, where it is in its life, and what came of it.

    ``attempt`` counts from 1 once loading has begun. ``retry_at`` is the manager's time, in seconds. ``files`` is what
    its files looked like when somebody looked, ``tried`` the same of the last attempt; ``held`` until they are settled.
    ``need`` is what loading it takes by estimate, ``weighed`` the files for which that is so; ``grew`` is what it took
    when that was measured; ``evicted_for`` names the version for which it is unloaded.
    """

    id: ServableId
    loader: Loader
    aspired: bool = True
    state: HarnessState = HarnessState.NEW
    attempt: int = 0
    retry_at: float = 0.0
    error: ServingError | None = None
    files: Hashable = None
    tried: Hashable = None
    held: bool = False
    need: Need | None = None
    weighed: Hashable = None
    grew: int | None = None
    evicted_for: ServableId | None = None

    @property
    def resident(self) -> int:
        """Bytes that it holds once loaded: measured, or by estimate.

        What was measured may be too little, where the process had free memory to use again.
        """
        estimate = 0 if self.need is None else self.need.resident
        return estimate if self.grew is None else max(self.grew, estimate * 3 // 4)

    @property
    def refused(self) -> bool:
        """Whether it was not loaded because there was no memory for it."""
        return isinstance(self.error, NoRoomError) and self.state is HarnessState.ERROR

    def take(self, event: Event) -> None:
        """Move to the next state; INTERNAL for an event that cannot happen here."""
        self.state = transition(self.state, event)

    @property
    def public(self) -> ServableState:
        """The state as the status calls show it; an error shows only at the end."""
        error = self.error if self.state is HarnessState.ERROR else None
        return ServableState(id=self.id, state=PUBLIC[self.state], error=error)
