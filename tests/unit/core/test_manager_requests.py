"""Requests and the manager: handles across changes of versions, and labels."""

from dataclasses import replace
from typing import Any

import pytest

from serving.core.handle import Lease, ServingMap
from serving.core.manager import Manager
from serving.core.servable import ServableId
from serving.errors import ServingError
from tests.support import aspire, servable_id, serving, settle, summary

NOW = 0.0


def test_handle_held_across_unload() -> None:
    """A request that holds a handle keeps its version loaded, and its release wakes the loop and lets it go."""
    manager = serving(1)
    handle = manager.acquire("m")
    manager.set_aspired("m", {})
    woken: list[None] = []
    manager.on_work = lambda: woken.append(None)
    assert manager.step(NOW) == []
    assert summary(manager.states("m")) == [(1, "UNLOADING")]
    assert woken == []
    handle.release()
    assert len(woken) == 1
    assert [action.id for action in manager.step(NOW)] == [servable_id(1)]


def test_quiescing_version_cannot_be_acquired() -> None:
    """Once a version is on its way out, requests do not find it although it is still loaded."""
    manager = serving(1)
    with manager.acquire("m"):
        manager.set_aspired("m", {})
        manager.step(NOW)
        with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(m\)"):
            manager.acquire("m")


def test_acquire_looks_again_when_its_map_is_old() -> None:
    """A reader that finds its version quiescing takes the one that replaced it."""
    manager = serving(1)
    old = manager.serving
    aspire(manager, 2)
    settle(manager)
    new = manager.serving

    class ReplacedWhileRead(dict[str, Lease]):
        """The old map's latest versions; reading them is when the new map is put in place."""

        def get(self, name: str, default: Any = None) -> Any:
            manager.serving = new
            return super().get(name, default)

    manager.serving = replace(old, latest=ReplacedWhileRead(old.latest))
    assert manager.acquire("m").id == servable_id(2)


class WatchedMaps(Manager):
    """A manager that notes which versions could not be taken any more although they were in the map to the last."""

    def __init__(self) -> None:
        self.closed_too_early: list[ServableId] = []
        self._current = ServingMap()
        super().__init__()

    @property
    def serving(self) -> ServingMap:
        return self._current

    @serving.setter
    def serving(self, newer: ServingMap) -> None:
        for lease in (lease for versions in self._current.models.values() for lease in versions.values()):
            handle = lease.take()
            if handle is None:
                self.closed_too_early.append(lease.id)
            else:
                handle.release()
        self._current = newer


def test_map_is_replaced_before_the_lease_is_closed() -> None:
    """Whoever finds a lease closed finds the newer map; otherwise it would look in vain again and again."""
    manager = WatchedMaps()
    aspire(manager, 1)
    settle(manager)
    lease = manager.serving.models["m"][1]
    manager.set_aspired("m", {})
    settle(manager)
    assert manager.serving.models.get("m", {}) == {}
    assert lease.take() is None
    assert manager.closed_too_early == []


def test_running_request_stays_on_its_version() -> None:
    """A request keeps the version it started with; the next one gets the new version."""
    manager = serving(1)
    with manager.acquire("m") as running:
        aspire(manager, 2)
        settle(manager)
        with manager.acquire("m") as following:
            assert (running.id.version, following.id.version) == (1, 2)


def test_label_moves() -> None:
    """Requests follow a label from one version to another, and labels not mentioned disappear."""
    manager = serving(1, 2)
    manager.set_labels({"m": {"stable": 1, "canary": 2}})
    assert manager.acquire("m", label="stable").id.version == 1
    manager.set_labels({"m": {"stable": 2}})
    assert manager.acquire("m", label="stable").id.version == 2
    with pytest.raises(ServingError, match="Unrecognized servable version label: canary"):
        manager.acquire("m", label="canary")


def test_label_outlives_its_version() -> None:
    """A label of a version that is gone says which version is not found."""
    manager = serving(1)
    manager.set_labels({"m": {"stable": 1}})
    manager.set_aspired("m", {})
    settle(manager)
    with pytest.raises(ServingError, match=r"Servable not found for request: Specific\(m, 1\)"):
        manager.acquire("m", label="stable")


def test_manager_without_a_loop_needs_none() -> None:
    """A handle released while nobody steps the manager is no error."""
    manager = serving(1)
    handle = manager.acquire("m")
    manager.set_aspired("m", {})
    manager.step(NOW)
    handle.release()
    settle(manager)
    assert manager.managed() == ()
