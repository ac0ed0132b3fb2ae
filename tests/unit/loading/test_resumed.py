"""Models that begin beside those of other processes: with their list, and with what they serve."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.core.servable import ServableId
from serving.core.startup import Progress
from serving.core.version_policy import Latest
from serving.loading.everywhere import Change, Resumed
from tests.support import TIMEOUT_SECONDS, FakeServable, Gate, loads, servable_id
from tests.support.server_process import wait_until
from tests.unit.loading.house import House


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[House]:
    """Nothing has been started."""
    house = House(tmp_path)
    yield house
    house.models.close(TIMEOUT_SECONDS)


def resume(
    house: House, *names: str, served: tuple[ServableId, ...] | None, labels: dict[str, int] | None = None
) -> None:
    """Begin with these models, all of which are in the list of the others."""
    there = None if served is None else frozenset(served)
    configs = tuple(house.config(name, Latest(), labels) for name in names)
    house.models.resume_as = Resumed(configured=configs, listed=configs[:1], served=there)
    house.models.start(())


def ready(house: House) -> bool:
    return house.models.startup().progress is Progress.READY


def test_what_is_served_is_waited_for_and_nothing_else(beside: House) -> None:
    """A model that has failed in the others, or has no version in them, holds nothing up."""
    beside.make("a", 1)
    beside.make("b", 1)
    beside.broken.add("b")
    resume(beside, "a", "b", "c", served=(servable_id(1, "a"),))
    wait_until("it is ready", lambda: ready(beside))
    assert beside.models.available() == {"a": (1,), "b": (), "c": ()}
    assert beside.models.ready()


def test_every_version_is_waited_for(beside: House) -> None:
    """One of two is not enough: requests for the other one would be refused here alone."""
    beside.make("a", 1, 2)
    beside.gates["a"] = gate = Gate(loads(FakeServable("a")))
    resume(beside, "a", served=(servable_id(1, "a"), servable_id(2, "a")))
    wait_until("it loads", lambda: bool(beside.manager.states("a")))
    assert not ready(beside)
    gate.open()
    wait_until("it is ready", lambda: ready(beside))
    assert beside.models.available() == {"a": (2, 1)}


def test_newer_version_waits_for_whoever_asks(beside: House) -> None:
    """Where nobody polls, a start brings no version that the others lack; what looks for versions in all does."""
    beside.make("a", 1, 2)
    resume(beside, "a", served=(servable_id(1, "a"),))
    wait_until("it is ready", lambda: ready(beside))
    assert beside.models.available() == {"a": (1,)}
    beside.models.look()
    wait_until("2 is in its place", lambda: beside.models.available() == {"a": (2,)})


def test_labels_are_there_before_their_versions(beside: House) -> None:
    """A label of the list is for a version that is loaded only then; the last whole list is known."""
    beside.make("a", 1)
    resume(beside, "a", "b", served=(servable_id(1, "a"),), labels={"stable": 1})
    wait_until("it is ready", lambda: ready(beside))
    assert beside.manager.acquire("a", label="stable").id == servable_id(1, "a")
    assert [model.name for model in beside.models.listed or ()] == ["a"]


def test_what_fails_here_alone(beside: House) -> None:
    """A model that the others serve and this process cannot load ends its start."""
    beside.make("a", 1)
    beside.broken.add("a")
    resume(beside, "a", served=(servable_id(1, "a"),))
    wait_until("it has failed", lambda: beside.models.startup().progress is Progress.FAILED)


def test_a_checked_change_is_not_checked_again(beside: House) -> None:
    """All have agreed by then: a label is moved though its version is not there any more."""
    beside.make("a", 1)
    beside.start(beside.config("a"))
    change = Change(configured=(beside.config("a", labels={"x": 7}),), whole=True)
    beside.models.put(change, checked=True)
    assert beside.manager.serving.labels["a"] == {"x": 7}


def test_nobody_serves(beside: House) -> None:
    """All have ended: what can be loaded is waited for, and a model that fails or has no version holds nothing up."""
    beside.make("a", 1)
    beside.make("b", 1)
    beside.broken.add("b")
    beside.gates["a"] = gate = Gate(loads(FakeServable("a")))
    resume(beside, "a", "b", "c", served=None)
    wait_until("b has failed", lambda: any(each.error for each in beside.manager.states("b")))
    assert not ready(beside)
    gate.open()
    wait_until("it is ready", lambda: ready(beside))
    assert beside.models.available() == {"a": (1,), "b": (), "c": ()}
    assert beside.models.ready()
