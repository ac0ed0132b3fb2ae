"""What the tests share: fakes with behaviour, a clock moved by hand, and waiting on conditions instead of sleeping."""

from collections.abc import Callable, Mapping, Sequence
from threading import Condition, Event
from typing import Any

from serving.core.actions import Action, Load
from serving.core.events import StateMonitor
from serving.core.manager import Manager
from serving.core.servable import Loader, Run, Servable, ServableId, ServableState, State
from serving.core.signature import Signature
from serving.errors import Code, ServingError

TIMEOUT_SECONDS = 60.0
"""Long after anything that works has happened; only a failing test waits that long."""


def servable_id(version: int, name: str = "m") -> ServableId:
    return ServableId(name=name, version=version)


class FakeServable:
    """A servable without signatures that counts how often it was closed."""

    def __init__(self, label: str = "") -> None:
        self.label = label
        self.closed = 0

    def __repr__(self) -> str:
        return f"FakeServable({self.label})"

    @property
    def signatures(self) -> Mapping[str, Signature]:
        return {}

    @property
    def signature_defs(self) -> Mapping[str, Any]:
        return {}

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        raise ServingError(Code.INVALID_ARGUMENT, f"no tensor {feeds or fetches}")

    def close(self) -> None:
        self.closed += 1


def loads(servable: Servable) -> Loader:
    """A loader that gives ``servable``."""
    return lambda: servable


def fails(error: Exception) -> Loader:
    """A loader that raises ``error``."""

    def load() -> Servable:
        raise error

    return load


class Gate:
    """A loader that does not return before ``open`` was called; ``entered`` tells that somebody waits in it."""

    def __init__(self, inner: Loader) -> None:
        self._inner = inner
        self._open = Event()
        self.entered = Event()

    def __call__(self) -> Servable:
        self.entered.set()
        assert self._open.wait(TIMEOUT_SECONDS)
        return self._inner()

    def open(self) -> None:
        self._open.set()


class ManualClock:
    """Seconds that pass only when told to."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def perform(manager: Manager, action: Action, now: float) -> None:
    """Do an action at once and report it, as the loop and its threads do over time."""
    if not isinstance(action, Load):
        action.servable.close()
        manager.unloaded(action.id)
        return
    try:
        servable = action.loader()
    except ServingError as error:
        manager.load_failed(action.id, error, now)
    else:
        manager.loaded(action.id, servable)


def settle(manager: Manager, now: float = 0.0) -> None:
    """Step and perform until there is nothing left to do at ``now``."""
    while actions := manager.step(now):
        for action in actions:
            perform(manager, action, now)


def aspire(manager: Manager, *versions: int, name: str = "m") -> None:
    """Aspire these versions, each with a servable that is called by its name and version."""
    manager.set_aspired(name, {version: loads(FakeServable(f"{name}{version}")) for version in versions})


def serving(*versions: int, name: str = "m") -> Manager:
    """A manager that serves these versions."""
    manager = Manager()
    aspire(manager, *versions, name=name)
    settle(manager)
    return manager


def summary(states: Sequence[ServableState]) -> list[tuple[int, str]]:
    """States as (version, state name) pairs, in their order."""
    return [(state.id.version, state.state.name) for state in states]


class Watch:
    """Every state that a monitor published, in order, and waiting for one."""

    def __init__(self, monitor: StateMonitor) -> None:
        self.seen: list[ServableState] = []
        self._changed = Condition()
        monitor.subscribe(self._note)

    def _note(self, state: ServableState) -> None:
        with self._changed:
            self.seen.append(state)
            self._changed.notify_all()

    def wait_until(self, predicate: Callable[[], bool], timeout: float = TIMEOUT_SECONDS) -> None:
        """Block until ``predicate``, looked at after each change of state; fail after ``timeout`` seconds."""
        with self._changed:
            assert self._changed.wait_for(predicate, timeout), f"not within {timeout} s: {self.seen}"

    def wait_for(self, state: State, version: int, name: str = "m") -> None:
        """Block until this version was published in this state."""
        wanted = (servable_id(version, name), state)
        self.wait_until(lambda: wanted in [(each.id, each.state) for each in self.seen])

    def states(self, version: int, name: str = "m") -> list[State]:
        """The states that one version went through."""
        return [each.state for each in self.seen if each.id == servable_id(version, name)]
