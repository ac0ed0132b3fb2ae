"""The manager of --lazy_load stepped by hand: what it loads for whom, what makes room, what clients see."""

import pytest

from serving.core.actions import Action, AfterFailure, Load, Unload
from serving.core.lazy_manager import LazyManager
from serving.core.lifecycle import NotLoadedError
from serving.core.servable import State
from serving.core.startup import Progress
from serving.errors import Code, ServingError
from tests.support import FakeServable, Watch, aspire, fails, servable_id, summary
from tests.unit.core.test_manager_memory import BUDGET, MIB, Hand, need

BROKEN = ServingError(Code.NOT_FOUND, "no saved_model.pb")


class LazyHand(Hand):
    """A lazy manager with room for two models of the usual size beside the server, and models with one version."""

    lazy: LazyManager

    def __init__(self, *names: str, pinned: str = "", budget: int | None = BUDGET) -> None:
        self.lazy = LazyManager(
            pinned=frozenset(pinned.split()),
            budget_bytes=None if budget is None else budget * MIB,
            max_load_retries=1,
        )
        super().__init__(self.lazy)
        for name in names:
            aspire(self.lazy, 1, name=name)

    def step(self, now: float = 0.0) -> list[Action]:
        self.lazy.rouse(now)
        return super().step(now)

    def ask(self, name: str, version: int | None = None, now: float = 0.0) -> None:
        """A request that comes, waits until its model is there, and is answered."""
        assert self.lazy.want(name, version, now) is None
        self.settle(now)
        assert self.lazy.prospect(name, version) is True
        with self.lazy.acquire(name, version):
            self.lazy.unwant(name)

    def loaded(self) -> set[str]:
        return set(self.lazy.serving.models)


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    """The start is complete at once, and clients that look for available models find them."""
    hand = LazyHand("a", "b")
    hand.settle()
    assert hand.loaded() == set()
    assert hand.lazy.startup(["a", "b"]).progress is Progress.READY
    (state,) = hand.lazy.states("a")
    assert (state.state, state.note) == (State.AVAILABLE, "not loaded; the next request loads it (--lazy_load)")


def test_model_without_versions_is_waited_for() -> None:
    """As without the flag: nothing was found for it."""
    assert LazyHand("a").lazy.startup(["a", "b"]).waiting == ("b",)


def test_request_loads_its_model_alone() -> None:
    """And is told to wait, not that there is none; later ones find it loaded."""
    hand = LazyHand("a", "b")
    with pytest.raises(NotLoadedError):
        hand.lazy.acquire("a")
    hand.ask("a")
    assert hand.loaded() == {"a"}
    assert hand.lazy.states("a")[0].note == ""
    hand.lazy.acquire("a").release()


def test_requests_share_a_load() -> None:
    """Those that come while it runs begin no other."""
    hand = LazyHand("a")
    hand.lazy.want("a", None, 0.0)
    (load,) = hand.step()
    hand.lazy.want("a", None, 0.0)
    assert (hand.step(), hand.lazy.prospect("a", None)) == ([], False)
    hand.perform(load)
    assert hand.lazy.prospect("a", None) is True


def test_unknown_models_and_versions_are_not_waited_for() -> None:
    """They are not found, in TensorFlow Serving's words."""
    hand = LazyHand("a")
    for name, version, label in (("x", None, None), ("a", 2, None)):
        with pytest.raises(ServingError, match="Servable not found for request") as caught:
            hand.lazy.acquire(name, version, label)
        assert caught.value.code is Code.NOT_FOUND
    with pytest.raises(ServingError, match="Unrecognized servable version label: x"):
        hand.lazy.acquire("a", None, "x")


def test_label_loads_its_version() -> None:
    """A label may point to a version that is not loaded."""
    hand = LazyHand("a")
    assert hand.lazy.answerable("a") == (1,)
    hand.lazy.set_labels({"a": {"stable": 1}})
    with pytest.raises(NotLoadedError) as caught:
        hand.lazy.acquire("a", None, "stable")
    assert (caught.value.name, caught.value.version) == ("a", 1)


def test_all_aspired_versions_of_a_model_are_loaded() -> None:
    """What the version policy says is what is loaded; the request waits for the highest."""
    hand = LazyHand(budget=None)
    aspire(hand.lazy, 1, 2, name="a")
    hand.lazy.want("a", None, 0.0)
    second, first = hand.step()
    hand.perform(first)
    assert hand.lazy.prospect("a", None) is False
    hand.perform(second)
    assert hand.lazy.prospect("a", None) is True
    assert hand.lazy.serving.available("a") == (2, 1)


def test_a_request_need_not_wait_for_what_replaces_its_version() -> None:
    """Two models whose requests wait, and which get another version meanwhile: each would wait for the other's room."""
    hand = LazyHand("a", "b")
    for name in ("a", "b"):
        hand.lazy.want(name, None, 0.0)
    hand.settle()
    for name in ("a", "b"):
        aspire(hand.lazy, 2, name=name)
    hand.step()
    assert [hand.lazy.prospect(name, None) for name in ("a", "b")] == [True, True]


def test_least_recently_used_model_makes_room() -> None:
    """The third model takes the place of the one that was asked for longest ago; that comes back when it is asked."""
    hand = LazyHand("a", "b", "c")
    for name in ("a", "b", "a", "c"):
        hand.ask(name)
    assert hand.loaded() == {"a", "c"}
    hand.ask("b")
    assert hand.loaded() == {"c", "b"}


def test_eviction_says_for_whom() -> None:
    """The unload names the version that needs the room, and the state is as after any unload until it begins anew."""
    hand = LazyHand("a", "b", "c")
    hand.ask("a")
    hand.ask("b")
    watch = Watch(hand.lazy.monitor)
    hand.lazy.want("c", None, 0.0)
    (unload,) = hand.step()
    assert isinstance(unload, Unload)
    assert (unload.id, unload.evicted_for) == (servable_id(1, "a"), servable_id(1, "c"))
    assert hand.lazy.states("a")[0].state is State.AVAILABLE
    hand.perform(unload)
    assert watch.states(1, "a") == [State.UNLOADING, State.END, State.START]


def test_model_with_requests_in_flight_stays() -> None:
    """Whoever needs room waits until one is idle."""
    hand = LazyHand("a", "b", "c")
    hand.ask("a")
    hand.ask("b")
    first, second = hand.lazy.acquire("a"), hand.lazy.acquire("b")
    hand.lazy.want("c", None, 0.0)
    assert (hand.step(), list(hand.lazy.short)) == ([], [servable_id(1, "c")])
    assert hand.lazy.next_deadline(0.0) == 0.05
    second.release()
    hand.settle()
    assert hand.loaded() == {"a", "c"}
    first.release()


def test_pinned_model_is_loaded_at_once_and_stays() -> None:
    """However long it was not asked for; until it is there it is not found, and the start waits for it."""
    hand = LazyHand("a", "b", "c", pinned="a")
    assert hand.lazy.startup(["a", "b"]).waiting == ("a",)
    with pytest.raises(ServingError, match="Servable not found"):
        hand.lazy.acquire("a")
    hand.settle()
    hand.ask("b")
    hand.ask("c")
    assert hand.loaded() == {"a", "c"}


def test_model_that_never_fits_is_refused() -> None:
    """Nobody makes room in vain, whoever asks gets the figures, and a second later it is looked at again."""
    hand = LazyHand("a", "b", "c", pinned="a")
    hand.ask("b")
    hand.needs["c"] = need(60, 60)
    hand.lazy.want("c", None, 0.0)
    hand.settle()
    prospect = hand.lazy.prospect("c", None)
    assert isinstance(prospect, ServingError)
    assert prospect.code is Code.RESOURCE_EXHAUSTED
    assert hand.loaded() == {"a", "b"}
    hand.lazy.unwant("c")
    assert hand.lazy.want("c", None, 0.5) is prospect
    hand.lazy.set_aspired("a", {})
    hand.settle(0.6)
    hand.ask("c", now=1.0)


def broken(hand: LazyHand) -> None:
    hand.lazy.set_aspired("a", {1: fails(BROKEN)})


def test_failed_load_is_tried_again_by_a_later_request() -> None:
    """After a pause, which grows; requests before that get the error at once. No timer tries it."""
    hand = LazyHand()
    broken(hand)
    now = 0.0
    for pause in (1.0, 2.0, 4.0):
        assert hand.lazy.want("a", None, now) is None
        (load,) = hand.step(now)
        assert hand.lazy.load_failed(load.id, BROKEN, now) is AfterFailure.ON_DEMAND
        assert hand.lazy.prospect("a", None) is BROKEN
        hand.lazy.unwant("a")
        assert hand.lazy.want("a", None, now + pause - 0.1) is BROKEN
        assert hand.step(now + pause + 60) == []
        now += pause


def test_failed_load_shows_and_takes_no_readiness() -> None:
    """One broken model among many is its clients' concern."""
    hand = LazyHand()
    broken(hand)
    hand.lazy.want("a", None, 0.0)
    hand.settle()
    (state,) = hand.lazy.states("a")
    assert (state.state, state.error) == (State.END, BROKEN)
    assert hand.lazy.startup(["a"]).progress is Progress.READY


def test_load_that_works_again_forgets_the_failures() -> None:
    """The next failure pauses for a second again."""
    hand = LazyHand()
    broken(hand)
    hand.lazy.want("a", None, 0.0)
    hand.settle()
    hand.lazy.unwant("a")
    aspire(hand.lazy, 1, name="a")
    hand.ask("a", now=1.0)
    assert hand.loaded() == {"a"}


def test_broken_version_leaves_the_request_to_the_next_lower() -> None:
    """As with all models: the highest that can be had answers."""
    hand = LazyHand(budget=None)
    hand.lazy.set_aspired("a", {1: lambda: FakeServable(), 2: fails(BROKEN)})
    hand.ask("a")
    assert hand.lazy.acquire("a").id.version == 1


def test_new_version_of_a_loaded_model_replaces_the_old_one() -> None:
    """As without the flag, without anybody asking for it."""
    hand = LazyHand("a")
    hand.ask("a")
    aspire(hand.lazy, 2, name="a")
    hand.settle()
    assert hand.lazy.serving.available("a") == (2,)


def test_new_version_of_a_model_that_is_not_loaded_is_what_would_be() -> None:
    """Nothing is loaded for it, and the old one is gone."""
    hand = LazyHand("a")
    aspire(hand.lazy, 2, name="a")
    hand.settle()
    assert hand.loaded() == set()
    assert summary(hand.lazy.states("a")) == [(2, "AVAILABLE"), (1, "END")]
    hand.ask("a")
    assert hand.lazy.serving.available("a") == (2,)


def test_model_nobody_waits_for_any_more_is_not_loaded() -> None:
    """A request that was given up before its load began makes nobody lose its place."""
    hand = LazyHand("a")
    hand.lazy.want("a", None, 0.0)
    hand.lazy.unwant("a")
    assert (hand.step(), hand.loaded()) == ([], set())


def test_waiting_requests_keep_a_model() -> None:
    """A model that was loaded for somebody is not unloaded before they have begun."""
    hand = LazyHand("a", "b", "c")
    hand.lazy.want("a", None, 0.0)
    hand.lazy.want("b", None, 0.0)
    hand.settle()
    hand.lazy.want("c", None, 0.0)
    hand.settle()
    assert hand.loaded() == {"a", "b"}
    hand.lazy.unwant("a")
    hand.settle()
    assert hand.loaded() == {"b", "c"}


def test_waiting_models_have_their_turn_in_order() -> None:
    """Room that becomes free belongs to the model that was asked for first."""
    hand = LazyHand("a", "b", "c", "d")
    hand.ask("a")
    hand.ask("b")
    held = [hand.lazy.acquire("a"), hand.lazy.acquire("b")]
    hand.lazy.want("d", None, 0.0)
    hand.step()
    hand.lazy.want("c", None, 0.0)
    hand.step()
    held[1].release()
    (unload,) = hand.step()
    hand.perform(unload)
    (load,) = hand.step()
    assert isinstance(load, Load)
    assert load.id.name == "d"
    held[0].release()


def test_removed_model_is_not_found() -> None:
    """Those who wait for it need not, and are told so."""
    hand = LazyHand("a")
    hand.lazy.want("a", None, 0.0)
    hand.lazy.set_aspired("a", {})
    hand.settle()
    assert hand.lazy.prospect("a", None) is True
    with pytest.raises(ServingError, match="Servable not found"):
        hand.lazy.acquire("a")


def test_without_a_budget_models_stay() -> None:
    """They are loaded when they are asked for, and nobody has to make room."""
    hand = LazyHand("a", "b", "c", budget=None)
    for name in "abc":
        hand.ask(name)
    assert hand.loaded() == {"a", "b", "c"}


def test_new_version_that_failed_is_tried_when_its_model_is_asked_for_again() -> None:
    """Its next attempt would be later; but now nothing else of the model is loaded."""
    hand = LazyHand("a", "b", "c")
    hand.ask("a")
    hand.lazy.set_aspired("a", {2: fails(BROKEN)})
    hand.settle()
    assert hand.lazy.serving.available("a") == (1,)
    hand.ask("b")
    hand.ask("c")
    assert hand.loaded() == {"b", "c"}
    assert hand.step(1000.0) == []
    aspire(hand.lazy, 2, name="a")
    hand.ask("a", now=1.0)
    assert hand.lazy.serving.available("a") == (2,)


def test_changed_files_end_the_pause() -> None:
    """A model that was put right is loaded by the next request, however short after the failure it comes."""
    hand = LazyHand()
    broken(hand)
    hand.lazy.note_files(servable_id(1, "a"), "cut", settled=True, now=0.0)
    hand.lazy.want("a", None, 0.0)
    hand.settle()
    hand.lazy.unwant("a")
    aspire(hand.lazy, 1, name="a")
    assert hand.lazy.want("a", None, 0.1) is BROKEN
    assert hand.lazy.note_files(servable_id(1, "a"), "whole", settled=True, now=0.1)
    hand.ask("a", now=0.1)


def test_failed_version_does_not_keep_its_model() -> None:
    """It has no memory; the loaded version of the same model makes room."""
    hand = LazyHand("b", "c")
    hand.lazy.set_aspired("a", {1: FakeServable, 2: fails(BROKEN)})
    for name in "abc":
        hand.ask(name)
    assert hand.loaded() == {"b", "c"}


def test_a_model_may_be_loaded_for_nobody() -> None:
    """Who asks for the model as a whole is no request, and waits as one does: it is loaded and stays so."""
    hand = LazyHand("a", "b")
    hand.lazy.ask_for("a")
    hand.settle()
    hand.lazy.unask("a")
    assert hand.loaded() == {"a"}
    assert [state.state for state in hand.lazy.attempts("a")] == [State.AVAILABLE]


def test_who_asks_waits_for_no_pause() -> None:
    """A load that has failed just now is made again."""
    hand = LazyHand("a")
    hand.lazy.set_aspired("a", {1: fails(BROKEN)})
    hand.lazy.want("a", None, 0.0)
    hand.settle()
    hand.lazy.unwant("a")
    aspire(hand.lazy, 1, name="a")
    assert hand.lazy.want("a", None, 0.0) is not None
    hand.lazy.ask_for("a")
    hand.settle()
    hand.lazy.unask("a")
    assert hand.loaded() == {"a"}
