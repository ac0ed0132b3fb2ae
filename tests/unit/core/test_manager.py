"""The manager stepped by hand: what it loads and unloads, and when. Failures are in ``test_manager_failures.py``."""

import pytest

from serving.core.actions import Load, Unload
from serving.core.manager import Manager
from serving.core.servable import State
from serving.core.startup import Progress
from serving.errors import Code, ServingError
from tests.support import FakeServable, Watch, aspire, loads, perform, servable_id, serving, settle, summary

NOW = 0.0


def test_aspired_version_goes_through_its_states() -> None:
    """START, LOADING and AVAILABLE are published, in this order and once each."""
    manager = Manager()
    watch = Watch(manager.monitor)
    aspire(manager, 1)
    settle(manager)
    assert watch.states(1) == [State.START, State.LOADING, State.AVAILABLE]


def test_load_is_handed_out_once() -> None:
    """While a load runs, further steps ask for nothing."""
    manager = Manager()
    loader = loads(FakeServable())
    manager.set_aspired("m", {1: loader})
    assert manager.step(NOW) == [Load(id=servable_id(1), loader=loader, attempt=1)]
    assert manager.step(NOW) == []


def test_available_is_published_after_it_can_be_acquired() -> None:
    """Whoever hears that a version is available finds it."""
    manager = Manager()
    found: list[tuple[int, ...]] = []
    manager.monitor.subscribe(
        lambda each: found.append(manager.serving.available("m")) if each.state is State.AVAILABLE else None
    )
    aspire(manager, 1)
    settle(manager)
    assert found == [(1,)]


def test_new_version_takes_over_without_a_gap() -> None:
    """The old version serves until the new one is ready, then the new one does and the old one goes."""
    manager = serving(1)
    aspire(manager, 2)
    (load,) = manager.step(NOW)
    assert manager.serving.available("m") == (1,)
    perform(manager, load, NOW)
    assert manager.serving.available("m") == (2, 1)
    (unload,) = manager.step(NOW)
    assert isinstance(unload, Unload)
    assert manager.serving.available("m") == (2,)
    perform(manager, unload, NOW)
    assert summary(manager.states("m")) == [(2, "AVAILABLE"), (1, "END")]


def test_versions_of_a_model_load_at_once_highest_first() -> None:
    """Several aspired versions do not wait for each other."""
    manager = Manager()
    aspire(manager, 1, 3, 2)
    assert [action.id.version for action in manager.step(NOW)] == [3, 2, 1]


def test_no_more_loads_than_allowed() -> None:
    """With room for two, two begin, and each one that ends makes room for the next."""
    manager = Manager()
    aspire(manager, 1, 2, 3)
    first, _ = manager.step(NOW, max_loads=2)
    assert manager.step(NOW, max_loads=2) == []
    perform(manager, first, NOW)
    assert [action.id.version for action in manager.step(NOW, max_loads=2)] == [1]


def test_room_is_shared_among_models() -> None:
    """Each model's best version comes before any model's second."""
    manager = Manager()
    aspire(manager, 1, 2, name="a")
    aspire(manager, 1, 2, name="b")
    assert [action.id for action in manager.step(NOW, max_loads=3)] == [
        servable_id(2, "a"),
        servable_id(2, "b"),
        servable_id(1, "a"),
    ]


def test_no_more_unloads_than_allowed() -> None:
    """Versions that may be unloaded wait for room, out of the serving map already."""
    manager = serving(1, 2)
    manager.set_aspired("m", {})
    (first,) = manager.step(NOW, max_unloads=1)
    assert (manager.serving.available("m"), manager.step(NOW, max_unloads=1)) == ((), [])
    perform(manager, first, NOW)
    assert len(manager.step(NOW, max_unloads=1)) == 1


def test_unloads_come_before_loads() -> None:
    """Memory is freed before more is taken."""
    manager = serving(1)
    manager.set_aspired("m", {})
    aspire(manager, 1, name="n")
    assert [type(action) for action in manager.step(NOW)] == [Unload, Load]


def test_version_that_is_aspired_again_stays() -> None:
    """A loaded version that was un-aspired and comes back before it was unloaded goes on serving as it is."""
    manager = serving(1)
    before = manager.acquire("m").servable
    aspire(manager, 2)
    manager.step(NOW)
    aspire(manager, 1, 2)
    manager.loaded(servable_id(2), FakeServable())
    assert manager.step(NOW) == []
    assert manager.acquire("m", 1).servable is before


def test_version_that_comes_back_while_it_leaves_is_loaded_again() -> None:
    """A version on its way out is unloaded for good; aspired again meanwhile, it starts anew with its new loader."""
    manager = serving(1)
    manager.set_aspired("m", {})
    (unload,) = manager.step(NOW)
    again = FakeServable("again")
    manager.set_aspired("m", {1: loads(again)})
    assert manager.step(NOW) == []
    watch = Watch(manager.monitor)
    perform(manager, unload, NOW)
    settle(manager)
    assert watch.states(1) == [State.END, State.START, State.LOADING, State.AVAILABLE]
    assert manager.acquire("m").servable is again


def test_un_aspired_before_loading() -> None:
    """A version that disappears before its load began ends at once."""
    manager = Manager()
    aspire(manager, 1)
    manager.set_aspired("m", {})
    assert (manager.step(NOW), summary(manager.states("m")), manager.managed()) == ([], [(1, "END")], ())


def test_loader_given_anew_is_used_by_the_next_load() -> None:
    """A changed base path counts for versions not yet loaded."""
    manager = Manager()
    aspire(manager, 1)
    other = FakeServable("other")
    manager.set_aspired("m", {1: loads(other)})
    settle(manager)
    assert manager.acquire("m").servable is other


def test_loaded_version_keeps_what_it_loaded() -> None:
    """Aspiring the same version with another loader does not load it again."""
    manager = serving(1)
    before = manager.acquire("m").servable
    aspire(manager, 1)
    assert manager.step(NOW) == []
    assert manager.acquire("m").servable is before


def test_models_do_not_touch_each_other() -> None:
    """Un-aspiring one model leaves the other."""
    manager = serving(1)
    aspire(manager, 1, name="n")
    settle(manager)
    manager.set_aspired("m", {})
    settle(manager)
    assert (manager.managed(), manager.models(), manager.acquire("n").id) == (
        ("n",),
        ("m", "n"),
        servable_id(1, "n"),
    )


def test_loop_is_woken_only_by_news() -> None:
    """The same aspired versions given again, as each poll does, wake nobody."""
    manager = Manager()
    woken: list[None] = []
    manager.on_work = lambda: woken.append(None)
    aspire(manager, 1)
    aspire(manager, 1)
    assert len(woken) == 1
    aspire(manager, 2)
    assert len(woken) == 2


def test_report_for_an_unknown_version_is_an_error() -> None:
    """A report that no action asked for is refused."""
    with pytest.raises(ServingError, match="is not under management") as caught:
        Manager().unloaded(servable_id(1))
    assert caught.value.code is Code.INTERNAL


def test_report_out_of_order_is_an_error() -> None:
    """A second report for the same load is refused and changes nothing."""
    manager = serving(1)
    before = manager.serving
    with pytest.raises(ServingError, match="READY cannot take the event LOADED"):
        manager.loaded(servable_id(1), FakeServable())
    assert manager.serving is before


def test_startup() -> None:
    """A model is waited for until it has an available version."""
    manager = Manager()
    assert manager.startup(["m"]).progress is Progress.WAITING
    aspire(manager, 1)
    assert manager.startup(["m"]).progress is Progress.WAITING
    settle(manager)
    assert manager.startup(["m"]).progress is Progress.READY
    assert manager.startup(["m", "n"]).waiting == ("n",)
