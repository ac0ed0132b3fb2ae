"""What is known of every version ever seen, and who is told when it changes. Not the manager: it decides nothing."""

from collections.abc import Callable
from threading import Lock

from serving.core.servable import ServableState

Subscriber = Callable[[ServableState], None]
"""Told of each change, in order, on the thread that made it; must be quick and must not change the manager."""


class StateMonitor:
    """The latest state of each version. Versions at END stay, as docs/models.md, "States", says.

    Every method may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._states: dict[str, dict[int, ServableState]] = {}
        self._subscribers: tuple[Subscriber, ...] = ()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Tell ``subscriber`` of every change from now on."""
        with self._lock:
            self._subscribers = (*self._subscribers, subscriber)

    def publish(self, state: ServableState) -> None:
        """Remember ``state`` in place of the version's former one, then tell the subscribers unless it is the same."""
        with self._lock:
            versions = self._states.setdefault(state.id.name, {})
            subscribers = self._subscribers if versions.get(state.id.version) != state else ()
            versions[state.id.version] = state
        for subscriber in subscribers:
            subscriber(state)

    def states(self, name: str) -> tuple[ServableState, ...]:
        """Every version of ``name`` ever seen, highest first; empty for an unknown name."""
        with self._lock:
            versions = self._states.get(name, {})
            return tuple(versions[version] for version in sorted(versions, reverse=True))

    def models(self) -> tuple[str, ...]:
        """The names of all models of which a version was ever seen, oldest first."""
        with self._lock:
            return tuple(self._states)
