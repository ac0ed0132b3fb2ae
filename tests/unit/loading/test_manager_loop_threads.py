"""The loop on its own thread: it wakes by itself, ends when told, and takes readiness with it when it dies."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from serving.core.manager import Manager
from serving.core.servable import State
from serving.core.startup import Progress
from serving.core.version_policy import All
from serving.errors import Code, ServingError
from serving.sources.file_system import FileSystemSource, ModelPath
from serving.sources.poll import Poll
from tests.support import TIMEOUT_SECONDS, FakeServable, Gate, Watch, fails, loads
from tests.unit.loading.loops import ONE, Loop, StaticSource, fresh

BROKEN = ServingError(Code.NOT_FOUND, "no saved_model.pb")


@contextmanager
def running(loop: Loop) -> Iterator[Loop]:
    """Start a loop and stop it, whatever happens in between."""
    loop.start()
    try:
        yield loop
    finally:
        assert loop.stop(TIMEOUT_SECONDS)


def test_serves_once_ready() -> None:
    """A wait ends when the model serves."""
    manager = Manager()
    with running(Loop(manager, ONE, fresh)) as loop:
        assert loop.wait_ready(["m"], TIMEOUT_SECONDS).progress is Progress.READY
        assert manager.acquire("m").id.version == 1


def test_wait_ready_tells_failures() -> None:
    """A model whose only version fails ends the wait."""
    manager = Manager(max_load_retries=0)
    with running(Loop(manager, ONE, lambda *_: fails(BROKEN))) as loop:
        startup = loop.wait_ready(["m"], TIMEOUT_SECONDS)
    assert [state.error for state in startup.failed] == [BROKEN]


def test_wait_ready_gives_up_in_time() -> None:
    """A model that does not come is waited for no longer than asked."""
    with running(Loop(Manager(), ONE, fresh)) as loop:
        assert loop.wait_ready(["m", "n"], 0.0).waiting[-1] == "n"


def test_stop_ends_a_wait() -> None:
    """A server that is told to end while it waits for models does not go on waiting."""
    loop = Loop(Manager(), StaticSource(aspired={}), fresh)
    results: list[Progress] = []
    with running(loop):
        waiter = threading.Thread(target=lambda: results.append(loop.wait_ready(["m"]).progress))
        waiter.start()
    waiter.join(TIMEOUT_SECONDS)
    assert results == [Progress.WAITING]


def test_retry_comes_by_itself() -> None:
    """The loop wakes for a retry without being told."""
    manager = Manager(max_load_retries=3, load_retry_interval_micros=1000)
    outcomes = iter([fails(BROKEN), fails(BROKEN), loads(FakeServable())])

    def load() -> Any:
        return next(outcomes)()

    with running(Loop(manager, ONE, lambda *_: load, poll_wait_seconds=0)) as loop:
        assert loop.wait_ready(["m"], TIMEOUT_SECONDS).progress is Progress.READY


def test_new_version_while_requests_run(tmp_path: Path) -> None:
    """A directory that appears is picked up; no request in between fails, and the old version goes."""
    (tmp_path / "1").mkdir()
    manager = Manager()
    watch = Watch(manager.monitor)
    source = FileSystemSource({"m": ModelPath(base_path=tmp_path)})
    served: set[int] = set()
    done = threading.Event()

    def request() -> None:
        while not done.is_set():
            with manager.acquire("m") as handle:
                assert isinstance(handle.servable, FakeServable)
                assert handle.servable.closed == 0
                served.add(handle.id.version)

    with running(Loop(manager, source, fresh, poll_wait_seconds=0.001)) as loop:
        loop.wait_ready(["m"], TIMEOUT_SECONDS)
        requests = FailingThread(request)
        requests.start()
        (tmp_path / "2").mkdir()
        watch.wait_for(State.END, 1)
        done.set()
        requests.join(TIMEOUT_SECONDS)
    assert requests.failure is None
    assert served <= {1, 2}
    assert manager.serving.available("m") == (2,)


class FailingThread(threading.Thread):
    """A thread that keeps what it failed with."""

    def __init__(self, work: Any) -> None:
        super().__init__()
        self._work = work
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as failure:  # noqa: BLE001 - handed to the test
            self.failure = failure


def test_base_path_that_appears_later(tmp_path: Path) -> None:
    """Serving starts when a missing base path comes, with several versions if they are asked for."""
    manager = Manager()
    source = FileSystemSource({"m": ModelPath(base_path=tmp_path / "m", policy=All())})
    with running(Loop(manager, source, fresh, poll_wait_seconds=0.001)) as loop:
        assert loop.wait_ready(["m"], 0.0).progress is Progress.WAITING
        for version in ("1", "2"):
            (tmp_path / "m" / version).mkdir(parents=True)
        assert loop.wait_ready(["m"], TIMEOUT_SECONDS).progress is Progress.READY


def test_released_handle_wakes_the_loop() -> None:
    """A version that waits for its last handle is unloaded when that is released, without any poll."""
    manager = Manager()
    watch = Watch(manager.monitor)
    with running(Loop(manager, ONE, fresh, poll_wait_seconds=0)) as loop:
        loop.wait_ready(["m"], TIMEOUT_SECONDS)
        handle = manager.acquire("m")
        manager.set_aspired("m", {})
        watch.wait_for(State.UNLOADING, 1)
        assert watch.states(1)[-1] is State.UNLOADING
        handle.release()
        watch.wait_for(State.END, 1)


def test_slow_load_does_not_hold_up_another_model() -> None:
    """Loads run on threads of their own."""
    gate = Gate(loads(FakeServable()))
    source = StaticSource(aspired={"slow": {1: Path("/slow/1")}, "m": {1: Path("/m/1")}})
    loop = Loop(Manager(), source, lambda name, *_: gate if name == "slow" else loads(FakeServable()))
    with running(loop):
        assert gate.entered.wait(TIMEOUT_SECONDS)
        assert loop.wait_ready(["m"], TIMEOUT_SECONDS).progress is Progress.READY
        assert loop.wait_ready(["slow"], 0.0).progress is Progress.WAITING
        gate.open()
        assert loop.wait_ready(["slow"], TIMEOUT_SECONDS).progress is Progress.READY


class Broken:
    """A source with a defect."""

    def poll(self) -> Poll:
        raise ZeroDivisionError("defect")


def test_death_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A loop that fails tells its owner and the log, ends waits with an error, and can be stopped."""
    deaths: list[BaseException] = []
    loop = Loop(Manager(), Broken(), fresh, on_death=deaths.append)
    with running(loop):
        with pytest.raises(ServingError, match="Models are not managed any more") as caught:
            loop.wait_ready(["m"], TIMEOUT_SECONDS)
        assert caught.value.code is Code.INTERNAL
    assert [str(death) for death in deaths] == ["defect"]
    assert "The manager loop died" in caplog.text


def test_death_without_anybody_to_tell() -> None:
    """Nobody need ask to be told."""
    loop = Loop(Manager(), Broken(), fresh)
    with running(loop), pytest.raises(ServingError):
        loop.wait_ready(["m"], TIMEOUT_SECONDS)


def test_threads_are_flat() -> None:
    """Fifty loops started and closed leave no thread behind."""
    for _ in range(50):
        loop = Loop(Manager(), ONE, fresh)
        loop.start()
        loop.wait_ready(["m"], TIMEOUT_SECONDS)
        assert loop.close(TIMEOUT_SECONDS)
    ours = [each for each in threading.enumerate() if each.name.startswith(("manager-loop", "load-", "unload-"))]
    for thread in ours:
        thread.join(TIMEOUT_SECONDS)
    assert not any(thread.is_alive() for thread in ours)
