"""Actions carried out and reported, and what the log says of them, line by line."""

import logging
from pathlib import Path

import pytest

from serving.core.actions import Action, Refusal, Unload
from serving.core.lifecycle import NoRoomError
from serving.core.manager import Manager
from serving.core.servable import Loader, Servable, ServableId
from serving.errors import Code, ServingError
from serving.loading.performer import Performer
from serving.loading.weighing import Meter
from serving.sources.file_system import NotADirectory
from tests.support import FakeServable, fails, loads, servable_id, summary

BROKEN = ServingError(Code.NOT_FOUND, "no saved_model.pb")
ID = "{name: m version: 1}"
BEGIN = [
    f"INFO Successfully reserved resources to load servable {ID}",
    f"INFO Approving load for servable version {ID}",
    f"INFO Loading servable version {ID}",
]
END = [
    f"ERROR Encountered an error for servable version {ID}: NOT_FOUND: no saved_model.pb",
    f"ERROR Servable {ID} cannot be loaded: NOT_FOUND: no saved_model.pb",
]
FAILED = f"ERROR Loading servable: {ID} failed: NOT_FOUND: no saved_model.pb"


class Stage:
    """A manager with one aspired version, and a performer that writes to the captured log."""

    def __init__(self, loader: Loader, caplog: pytest.LogCaptureFixture, max_load_retries: int = 1) -> None:
        caplog.set_level(logging.INFO, logger="serving")
        self.manager = Manager(max_load_retries=max_load_retries, load_retry_interval_micros=10_000_000)
        self.failed: list[ServableId] = []
        self.performer = Performer(self.manager, on_first_failure=self.failed.append)
        self.manager.set_aspired("m", {1: loader})

    def next(self, now: float = 0.0) -> Action:
        (action,) = self.manager.step(now)
        return action

    def perform(self, now: float = 0.0) -> None:
        self.performer.perform(self.next(now))(now)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.levelname} {record.getMessage()}" for record in caplog.records]


def test_load_that_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    """The lines that scripts wait for, in TFS's order."""
    stage = Stage(loads(FakeServable()), caplog)
    stage.perform()
    assert lines(caplog) == [*BEGIN, f"INFO Successfully loaded servable version {ID}"]
    assert stage.manager.serving.available("m") == (1,)


def test_load_that_fails_is_retried(caplog: pytest.LogCaptureFixture) -> None:
    """A first failure is told, the retry announced, the exhaustion and its error told at the end."""
    stage = Stage(fails(BROKEN), caplog)
    stage.perform(0.0)
    stage.perform(10.0)
    assert lines(caplog) == [
        *BEGIN,
        FAILED,
        f"ERROR Next attempt for {ID} in 10 s (--load_retry_interval_micros), or as soon as its files change; "
        "that is the last one",
        f"INFO Retrying of Loading servable: {ID} retry: 1",
        FAILED,
        f"ERROR Retrying of Loading servable: {ID} exhausted max_num_retries: 1",
        *END,
        f"ERROR No more attempts for {ID} (--max_num_load_retries): put its files right, and it is tried anew, or put "
        "a new version beside it",
    ]


def test_only_the_first_of_several_attempts_is_told_to_others(caplog: pytest.LogCaptureFixture) -> None:
    """Its files are looked at once, and not again after each attempt; the log says how many are left."""
    stage = Stage(fails(BROKEN), caplog, max_load_retries=2)
    stage.perform(0.0)
    assert "; 1 more after that (--max_num_load_retries)" in lines(caplog)[-1]
    stage.perform(10.0)
    assert stage.failed == [servable_id(1)]


def test_load_that_fails_when_un_aspired(caplog: pytest.LogCaptureFixture) -> None:
    """The log says that retries were cancelled."""
    stage = Stage(fails(BROKEN), caplog)
    action = stage.next()
    stage.manager.set_aspired("m", {})
    stage.performer.perform(action)(0.0)
    assert lines(caplog) == [*BEGIN, FAILED, f"INFO Retrying of Loading servable: {ID} was cancelled.", *END]


def test_version_that_cannot_be_reserved(caplog: pytest.LogCaptureFixture) -> None:
    """A failure that no retry helps is told without the words of a load."""
    stage = Stage(NotADirectory(id=servable_id(1), path=Path("/models/m/1")), caplog)
    stage.perform()
    error = (
        f"FAILED_PRECONDITION: Error while attempting to reserve resources to load servable {ID}: /models/m/1; "
        "Not a directory"
    )
    assert lines(caplog) == [
        f"ERROR Encountered an error for servable version {ID}: {error}",
        f"ERROR Servable {ID} cannot be loaded: {error}",
    ]


def test_load_with_a_defect(caplog: pytest.LogCaptureFixture) -> None:
    """Any exception of a loader becomes the version's error, without its text, and its trace goes to the log."""
    stage = Stage(fails(ZeroDivisionError("secret")), caplog, max_load_retries=0)
    stage.perform()
    (state,) = stage.manager.states("m")
    assert str(state.error) == "INTERNAL: The version failed to load unexpectedly; the server's log has details"
    assert "ZeroDivisionError: secret" in caplog.text


def test_unload(caplog: pytest.LogCaptureFixture) -> None:
    """The servable is closed once, and the end of its quiescing and unloading told."""
    servable = FakeServable()
    stage = Stage(loads(servable), caplog)
    stage.perform()
    stage.manager.set_aspired("m", {})
    caplog.clear()
    stage.perform()
    assert lines(caplog) == [
        f"INFO Done quiescing servable version {ID}",
        f"INFO Done unloading servable version {ID}",
    ]
    assert (servable.closed, summary(stage.manager.states("m"))) == (1, [(1, "END")])


def test_unload_of_what_nobody_wanted(caplog: pytest.LogCaptureFixture) -> None:
    """A version that was un-aspired while it loaded is closed and never called loaded."""
    servable = FakeServable()
    stage = Stage(loads(servable), caplog)
    action = stage.next()
    stage.manager.set_aspired("m", {})
    stage.performer.perform(action)(0.0)
    stage.perform()
    assert lines(caplog) == [*BEGIN, f"INFO Unloading just-loaded servable version {ID}"]
    assert (servable.closed, stage.manager.managed()) == (1, ())


def test_unload_with_a_defect(caplog: pytest.LogCaptureFixture) -> None:
    """A servable that fails to close is gone all the same."""

    class Stubborn(FakeServable):
        def close(self) -> None:
            raise RuntimeError("will not close")

    servable: Servable = Stubborn()
    stage = Stage(loads(servable), caplog)
    stage.perform()
    stage.manager.set_aspired("m", {})
    stage.perform()
    assert "will not close" in caplog.text
    assert [state.id for state in stage.manager.states("m")] == [servable_id(1)]
    assert stage.manager.managed() == ()


class Told:
    """Who is told what versions hold, and which made room."""

    def __init__(self) -> None:
        self.held: list[int] = []
        self.evicted_models: list[str] = []

    def model_holds(self, model: str, version: int, count: int) -> None:
        self.held.append(count)

    def evicted(self, model: str) -> None:
        self.evicted_models.append(model)


def test_memory_of_a_version_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """What the process has grown by while it was loaded, and nothing once it is unloaded."""
    stage = Stage(loads(FakeServable()), caplog)
    told, process = Told(), iter([100, 130, 130, 100])
    stage.performer = Performer(stage.manager, Meter(told, lambda: next(process)))
    stage.perform()
    stage.manager.set_aspired("m", {})
    stage.perform()
    assert (told.held, told.evicted_models) == ([30, 0], [])


def test_version_that_makes_room(caplog: pytest.LogCaptureFixture) -> None:
    """The log says for which, and the metrics count it."""
    caplog.set_level(logging.INFO, logger="serving")
    told = Told()
    performer = Performer(Manager(), Meter(told, lambda: 0))
    performer.perform(Unload(id=servable_id(1), servable=FakeServable(), evicted_for=servable_id(2, "n")))
    assert told.evicted_models == ["m"]
    assert f"Servable version {ID} makes room for {{name: n version: 2}}; it has no requests" in caplog.text


def test_refused_version_is_told_as_what_cannot_be_reserved(caplog: pytest.LogCaptureFixture) -> None:
    """Without the words of a load."""
    stage = Stage(Refusal(error=NoRoomError(Code.RESOURCE_EXHAUSTED, "no room")), caplog)
    stage.perform()
    assert lines(caplog) == [
        f"ERROR Encountered an error for servable version {ID}: RESOURCE_EXHAUSTED: no room",
        f"ERROR Servable {ID} cannot be loaded: RESOURCE_EXHAUSTED: no room",
    ]
