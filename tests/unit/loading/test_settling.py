"""Looks at versions that are not loaded: when they are made, what is waited for, and what the log says."""

import logging
from pathlib import Path

import pytest

from serving.core.actions import Load
from serving.core.manager import Manager
from serving.errors import Code, ServingError
from serving.loading.settling import Settling
from serving.sources.stamp import Stamp
from tests.support import FakeServable, fails, loads, servable_id, settle

BROKEN = ServingError(Code.NOT_FOUND, "no variables.index")
SECOND = 10**9
BEGIN = 1_000_000.0
"""The wall clock at the loop's time 0, in seconds."""


class Files:
    """Version 1 of a model, whose youngest file changed when ``at`` says, on the wall clock; and a loop's time."""

    def __init__(self, tmp_path: Path, *, settle_seconds: float = 2.0, at: float = BEGIN - 1000) -> None:
        self.path = tmp_path / "1"
        self.path.mkdir()
        self.at, self.looks, self.now = at, 0, 0.0
        self.manager = Manager(max_load_retries=0)
        self.settling = Settling(
            self.manager,
            settle_seconds,
            wall_clock=lambda: int((BEGIN + self.now) * SECOND),
            stamp_of=self._stamp,
        )

    def _stamp(self, path: Path) -> Stamp:
        self.looks += 1
        at = int(self.at * SECOND)
        return Stamp(changed_ns=at, youngest="saved_model.pb", entries=at)

    def poll(self, *, failing: bool = False) -> None:
        self.manager.set_aspired("m", {1: fails(BROKEN) if failing else loads(FakeServable())})
        self.settling.follow("m", {1: self.path})

    def begins(self, now: float) -> bool:
        """Whether a load begins in this round, which fails if it was to."""
        self.now = now
        self.settling.look(now)
        actions = self.manager.step(now)
        for action in actions:
            assert isinstance(action, Load)
            self.manager.load_failed(action.id, BROKEN, now)
        return bool(actions)


def test_old_files_wait_for_nothing(tmp_path: Path) -> None:
    """Files that have been left alone for long enough are loaded in the round in which they are found."""
    files = Files(tmp_path, at=BEGIN - 2.5)
    files.poll()
    assert files.begins(0.0)
    assert files.looks == 1


def test_young_files_wait(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A version whose file has just changed is looked at when that was long enough ago; the log says so once."""
    files = Files(tmp_path, at=BEGIN - 0.5)
    files.poll()
    with caplog.at_level(logging.INFO):
        assert not files.begins(0.0)
        assert files.settling.next_look() == pytest.approx(1.5)
        files.poll()
        assert not files.begins(1.0)
        assert files.begins(1.5)
    assert [record.getMessage() for record in caplog.records] == [
        "Waiting until the files of servable version {name: m version: 1} have been left alone for 2 s "
        "(--version_settle_seconds): saved_model.pb changed 0.5 s ago"
    ]


def test_files_that_go_on_changing(tmp_path: Path) -> None:
    """Each change begins the wait anew, whatever the time between two polls."""
    files = Files(tmp_path, at=BEGIN)
    files.poll()
    assert not files.begins(0.0)
    files.at = BEGIN + 1.0
    assert not files.begins(2.0)
    assert files.settling.next_look() == pytest.approx(3.0)
    assert files.begins(3.0)


def test_times_of_another_clock(tmp_path: Path) -> None:
    """Files from the future are loaded once two looks that far apart have seen the same."""
    files = Files(tmp_path, at=BEGIN + 3600)
    files.poll()
    assert not files.begins(0.0)
    assert files.settling.next_look() == pytest.approx(2.0)
    files.at += 1
    assert not files.begins(2.0)
    assert files.begins(4.0)


def test_off(tmp_path: Path) -> None:
    """Without a time to wait nothing waits, and nothing is looked at between polls; a change heals at a poll."""
    files = Files(tmp_path, settle_seconds=0.0, at=BEGIN)
    files.poll(failing=True)
    assert files.begins(0.0)
    assert not files.begins(0.1)
    assert files.settling.next_look() is None
    files.at = BEGIN + 1
    assert not files.begins(1.0)
    files.poll(failing=True)
    assert files.begins(1.0)


def test_a_failed_version_is_watched_without_polls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A version that failed for good is looked at on and on, and tried again once its files have changed."""
    files = Files(tmp_path)
    files.poll(failing=True)
    assert files.begins(0.0)
    assert not files.begins(0.0)
    assert files.settling.next_look() == pytest.approx(2.0)
    assert not files.begins(2.0)
    files.at = BEGIN + 3.0
    with caplog.at_level(logging.INFO):
        assert not files.begins(4.0)
        assert files.begins(5.0)
    assert caplog.records[-1].getMessage() == (
        "The files of servable version {name: m version: 1} have changed since it failed; it is tried again"
    )


def test_loaded_versions_are_not_looked_at(tmp_path: Path) -> None:
    """Once a version serves, polls do not look at its files."""
    files = Files(tmp_path)
    files.poll()
    files.settling.look(0.0)
    settle(files.manager)
    files.poll()
    files.settling.look(1.0)
    assert (files.looks, files.settling.next_look()) == (1, None)
    assert files.manager.acquire("m").id == servable_id(1)


def test_a_file_in_place_of_a_version(tmp_path: Path) -> None:
    """A file cannot become whole: it fails at once, as in TensorFlow Serving."""
    files = Files(tmp_path, at=BEGIN)
    files.path.rmdir()
    files.path.touch()
    files.poll(failing=True)
    assert files.begins(0.0)
