"""The end of the loop: what runs is waited for, what is held stays open, and everything is unloaded."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.core.manager import Manager
from serving.core.servable import State
from serving.loading.manager_loop import ManagerLoop
from tests.support import TIMEOUT_SECONDS, FakeServable, Gate, Watch, loads
from tests.unit.loading.loops import ONE, Loop, StaticSource, fresh


@contextmanager
def closing(loop: ManagerLoop) -> Iterator[list[bool]]:
    """Close a loop on another thread meanwhile; its result is in the list afterwards."""
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(loop.close(TIMEOUT_SECONDS)))
    thread.start()
    yield results
    thread.join(TIMEOUT_SECONDS)


def test_stop_waits_for_what_runs() -> None:
    """A load that runs is waited for as long as asked, and its version is there in the end."""
    gate = Gate(loads(FakeServable()))
    manager = Manager()
    loop = Loop(manager, ONE, lambda *_: gate)
    loop.start()
    assert gate.entered.wait(TIMEOUT_SECONDS)
    assert loop.stop(0.0) is False
    gate.open()
    assert loop.stop(TIMEOUT_SECONDS) is True
    assert manager.serving.available("m") == (1,)


def test_close_unloads_everything() -> None:
    """After closing nothing is loaded, and every servable was closed once."""
    servables = [FakeServable("1"), FakeServable("2")]
    source = StaticSource(aspired={"m": {1: Path("/m/1"), 2: Path("/m/2")}})
    manager = Manager()
    watch = Watch(manager.monitor)
    loop = Loop(manager, source, lambda _, version, __: loads(servables[version - 1]))
    loop.start()
    watch.wait_for(State.AVAILABLE, 1)
    watch.wait_for(State.AVAILABLE, 2)
    assert loop.close(TIMEOUT_SECONDS) is True
    assert ([servable.closed for servable in servables], manager.managed()) == ([1, 1], ())


def test_close_waits_for_handles() -> None:
    """A servable is closed when its last request is done, and not before."""
    servable = FakeServable()
    manager = Manager()
    watch = Watch(manager.monitor)
    loop = Loop(manager, ONE, lambda *_: loads(servable))
    loop.start()
    loop.wait_ready(["m"], TIMEOUT_SECONDS)
    handle = manager.acquire("m")
    with closing(loop) as results:
        watch.wait_for(State.UNLOADING, 1)
        assert servable.closed == 0
        handle.release()
    assert (results, servable.closed) == ([True], 1)


def test_close_keeps_its_deadline() -> None:
    """A handle that is not released keeps its servable open, and closing says so."""
    servable = FakeServable()
    manager = Manager()
    loop = Loop(manager, ONE, lambda *_: loads(servable))
    loop.start()
    loop.wait_ready(["m"], TIMEOUT_SECONDS)
    with manager.acquire("m"):
        assert loop.close(0.0) is False
        assert loop.stop(TIMEOUT_SECONDS)
        assert servable.closed == 0


def test_close_unloads_what_loads() -> None:
    """A load that runs at closing is waited for and its version closed."""
    servable = FakeServable()
    gate = Gate(loads(servable))
    manager = Manager()
    loop = Loop(manager, ONE, lambda *_: gate)
    loop.start()
    assert gate.entered.wait(TIMEOUT_SECONDS)
    with closing(loop) as results:
        gate.open()
    assert (results, servable.closed, manager.managed()) == ([True], 1, ())


def test_close_before_start() -> None:
    """A loop that never ran has nothing to unload."""
    assert Loop(Manager(), ONE, fresh).close() is True
