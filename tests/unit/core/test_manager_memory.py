"""The manager with a budget: what it refuses, what waits, and what is tried again when memory has come free."""

import pytest

from serving.core.actions import Action, AfterFailure, Load
from serving.core.manager import Manager
from serving.core.memory import Need
from serving.core.servable import State
from serving.core.startup import Progress
from serving.errors import Code, ServingError
from tests.support import FakeServable, aspire, perform, servable_id, summary

MIB = 2**20
BUDGET = 100
SERVER = 10
"""All figures are MiB but those in calls of the manager."""


def need(resident: int, peak: int) -> Need:
    return Need(resident=resident * MIB, peak=peak * MIB)


class Hand:
    """A manager with a budget, whose versions need what a test says, and a process that holds what they do."""

    def __init__(self, manager: Manager | None = None) -> None:
        self.manager = manager or Manager(budget_bytes=BUDGET * MIB, max_load_retries=1)
        self.needs: dict[str, Need] = {}
        self.holds: dict[str, int] = {}

    def step(self, now: float = 0.0) -> list[Action]:
        """Weigh what was not weighed, and step."""
        for each in self.manager.unweighed():
            self.manager.note_need(each, self.needs.get(each.name, need(40, 50)))
        return self.manager.step(now, held_bytes=(SERVER + sum(self.holds.values())) * MIB)

    def perform(self, action: Action, now: float = 0.0) -> None:
        """Do it, and hold what is loaded."""
        perform(self.manager, action, now)
        self.holds[str(action.id)] = self.resident(action.id.name, action.id.version)

    def resident(self, name: str, version: int = 1) -> int:
        return self.manager.resident(servable_id(version, name)) // MIB

    def settle(self, now: float = 0.0) -> None:
        while actions := self.step(now):
            for action in actions:
                self.perform(action, now)

    def error(self, name: str, version: int = 1) -> str:
        (state,) = [each for each in self.manager.states(name) if each.id.version == version]
        return str(state.error)


def test_without_a_budget_nothing_is_refused() -> None:
    """Nobody weighs anything then either."""
    manager = Manager()
    aspire(manager, 1)
    (load,) = manager.step(0.0)
    perform(manager, load, 0.0)
    assert manager.serving.available("m") == (1,)


def test_what_does_not_fit_is_refused() -> None:
    """Its status has the figures; nothing was loaded, and nothing is tried again while nothing changes."""
    hand = Hand()
    for name in "abc":
        aspire(hand.manager, 1, name=name)
    hand.settle()
    assert summary(hand.manager.states("c")) == [(1, "END")]
    assert hand.error("c") == (
        "RESOURCE_EXHAUSTED: Insufficient resources to load servable {name: c version: 1}: loading it takes about "
        "50 MiB of memory, and of the 100 MiB that may be used 100 MiB are: 10 MiB by the server, 50 MiB by b "
        "version 1, 40 MiB by a version 1. See --memory_budget_mb"
    )
    assert [hand.step(float(now)) for now in range(500)] == [[]] * 500


def test_a_refusal_is_no_attempt_that_is_repeated() -> None:
    """It is final, like everything for which resources cannot be set aside, and no retry is used up for it."""
    hand = Hand()
    hand.needs["m"] = need(200, 200)
    aspire(hand.manager, 1)
    (load,) = hand.step()
    assert isinstance(load, Load)
    with pytest.raises(ServingError) as caught:
        load.loader()
    assert hand.manager.load_failed(load.id, caught.value, 0.0) is AfterFailure.FINAL
    assert hand.manager.next_deadline(0.0) is None


def test_start_fails_with_the_figures() -> None:
    """A model that cannot be loaded ends the start, rather than the kernel the process."""
    hand = Hand()
    hand.needs["m"] = need(200, 200)
    aspire(hand.manager, 1)
    hand.settle()
    startup = hand.manager.startup(["m"])
    assert startup.progress is Progress.FAILED
    assert "due to error: RESOURCE_EXHAUSTED: Insufficient resources" in startup.reasons


def test_loads_reserve_before_they_begin() -> None:
    """Of three that would fit alone two begin, for which there is room with their peaks, and the third waits."""
    hand = Hand()
    for name in "abc":
        hand.needs[name] = need(20, 45)
        aspire(hand.manager, 1, name=name)
    first, second = hand.step()
    assert (hand.step(), summary(hand.manager.states("c")), list(hand.manager.short)) == (
        [],
        [(1, "START")],
        [servable_id(1, "c")],
    )
    hand.perform(first)
    hand.perform(second)
    (third,) = hand.step()
    assert {first.id.name, second.id.name, third.id.name} == set("abc")
    assert hand.manager.short == {}


def test_both_versions_have_to_fit() -> None:
    """A new version is loaded next to the old one; if both do not fit the old one goes on, and the status says it."""
    hand = Hand()
    hand.needs["m"] = need(60, 60)
    aspire(hand.manager, 1)
    hand.settle()
    aspire(hand.manager, 2)
    hand.settle()
    assert summary(hand.manager.states("m")) == [(2, "END"), (1, "AVAILABLE")]
    assert "its model's loaded version goes on, and both would be in memory at once" in hand.error("m", 2)


def test_refused_version_is_loaded_when_memory_comes_free() -> None:
    """After another model was unloaded; its attempts count from one."""
    hand = Hand()
    for name in "abc":
        aspire(hand.manager, 1, name=name)
    hand.settle()
    hand.manager.set_aspired("a", {})
    hand.settle()
    assert summary(hand.manager.states("c")) == [(1, "AVAILABLE")]


def test_refused_version_has_all_its_attempts_later() -> None:
    """The refusal before them does not count."""
    hand = Hand()
    for name in "abc":
        aspire(hand.manager, 1, name=name)
    hand.settle()
    hand.manager.set_aspired("a", {})
    (unload,) = hand.step()
    hand.perform(unload)
    (load,) = hand.step()
    assert isinstance(load, Load)
    assert load.attempt == 1
    assert hand.manager.load_failed(load.id, ServingError(Code.UNKNOWN, "broken"), 0.0) is AfterFailure.RETRY


def test_retry_waits_for_memory_as_well() -> None:
    """What failed once is loaded again only if it fits then."""
    hand = Hand()
    aspire(hand.manager, 1, name="a")
    (load,) = hand.step()
    hand.manager.load_failed(load.id, ServingError(Code.UNKNOWN, "broken"), 0.0)
    hand.holds["requests"] = 60
    hand.settle(now=60.0)
    assert "RESOURCE_EXHAUSTED" in hand.error("a")


def test_what_was_measured_counts() -> None:
    """A version that took more than estimated leaves less for others."""
    hand = Hand()
    aspire(hand.manager, 1, name="a")
    (load,) = hand.step()
    hand.manager.loaded(load.id, FakeServable(), grew=60 * MIB)
    hand.holds["a"] = 60
    assert hand.resident("a") == 60
    aspire(hand.manager, 1, name="b")
    hand.settle()
    assert "RESOURCE_EXHAUSTED" in hand.error("b")


def test_what_was_measured_too_low_does_not_count() -> None:
    """A process with free memory hardly grows; what the version holds is there all the same when it goes."""
    hand = Hand()
    aspire(hand.manager, 1, name="a")
    (load,) = hand.step()
    hand.manager.loaded(load.id, FakeServable(), grew=MIB)
    assert hand.resident("a") == 30


def test_memory_of_requests_counts() -> None:
    """What the process holds beside its versions is taken, and is not while it is not."""
    hand = Hand()
    hand.holds["requests"] = 60
    aspire(hand.manager, 1, name="a")
    hand.settle()
    assert "RESOURCE_EXHAUSTED" in hand.error("a")
    hand.holds["requests"] = 0
    hand.settle()
    assert hand.manager.states("a")[0].state is State.AVAILABLE


def test_optimising_borrows_what_is_free() -> None:
    """What it has nobody else gets, until it is given back; what the version has grown by is its own then."""
    hand = Hand()
    aspire(hand.manager, 1, name="a")
    hand.settle()
    refused = hand.manager.borrow(servable_id(1, "a"), 51 * MIB)
    assert refused is not None
    assert refused.free == 50 * MIB
    assert hand.manager.borrow(servable_id(1, "a"), 50 * MIB) is None
    aspire(hand.manager, 1, name="b")
    assert (hand.step(), summary(hand.manager.states("b"))) == ([], [(1, "START")])
    hand.manager.give_back(servable_id(1, "a"), grew=5 * MIB)
    assert hand.resident("a") == 45
    hand.holds["a"] = 5
    hand.needs["b"] = need(45, 45)
    hand.manager.note_need(servable_id(1, "b"), hand.needs["b"])
    assert [each.id.name for each in hand.step()] == ["b"]


def test_version_is_weighed_before_it_is_loaded() -> None:
    """With a budget nothing is loaded of which nobody knows what it needs."""
    manager = Manager(budget_bytes=BUDGET * MIB)
    aspire(manager, 1)
    assert manager.step(0.0, held_bytes=SERVER * MIB) == []
    manager.note_need(servable_id(1), need(1, 1))
    assert len(manager.step(0.0, held_bytes=SERVER * MIB)) == 1


def test_changed_files_are_weighed_again() -> None:
    """What a version needs is that of its files as they are."""
    manager = Manager(budget_bytes=BUDGET * MIB)
    aspire(manager, 1)
    manager.note_need(servable_id(1), need(1, 1))
    assert manager.unweighed() == ()
    manager.note_files(servable_id(1), "other", settled=True, now=0.0)
    assert manager.unweighed() == (servable_id(1),)


def test_need_of_a_version_that_has_gone_is_forgotten() -> None:
    """It may have gone while it was weighed."""
    manager = Manager(budget_bytes=BUDGET * MIB)
    manager.note_need(servable_id(1), need(1, 1))
    assert manager.resident(servable_id(1)) == 0
