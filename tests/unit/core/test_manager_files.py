"""The manager told what the files of versions look like: held back until they are settled, tried again when changed."""

from serving.core.actions import AfterFailure, Load
from serving.core.lifecycle import HarnessState
from serving.core.manager import Manager
from serving.core.servable import State
from serving.errors import Code, ServingError
from tests.support import FakeServable, Watch, fails, loads, servable_id, settle

BROKEN = ServingError(Code.NOT_FOUND, "no variables.index")
RETRY_SECONDS = 60.0


def managing(max_load_retries: int = 2) -> Manager:
    return Manager(max_load_retries=max_load_retries, load_retry_interval_micros=int(RETRY_SECONDS * 10**6))


def attempts(manager: Manager, now: float) -> list[int]:
    """The attempts that begin now, all of which fail."""
    actions = [action for action in manager.step(now) if isinstance(action, Load)]
    for action in actions:
        manager.load_failed(action.id, BROKEN, now)
    return [action.attempt for action in actions]


def test_an_unsettled_version_is_not_loaded() -> None:
    """A version whose files still change stays at START, and is loaded when they no longer do."""
    manager = managing()
    watch = Watch(manager.monitor)
    manager.set_aspired("m", {1: loads(FakeServable())})
    assert not manager.note_files(servable_id(1), "some", settled=False, now=0.0)
    assert manager.step(0.0) == []
    assert watch.states(1) == [State.START]
    manager.note_files(servable_id(1), "all", settled=True, now=2.0)
    settle(manager, now=2.0)
    assert watch.states(1) == [State.START, State.LOADING, State.AVAILABLE]


def test_the_old_version_serves_meanwhile() -> None:
    """While the only aspired version is held back, the one before it is not unloaded."""
    manager = managing()
    manager.set_aspired("m", {1: loads(FakeServable())})
    settle(manager)
    manager.set_aspired("m", {2: loads(FakeServable())})
    manager.note_files(servable_id(2), "some", settled=False, now=1.0)
    settle(manager, now=1.0)
    assert manager.acquire("m").id == servable_id(1)


def test_a_settled_version_does_not_wait_for_another() -> None:
    """The highest version is held back; the one below it is loaded."""
    manager = managing()
    manager.set_aspired("m", {1: loads(FakeServable()), 2: loads(FakeServable())})
    manager.note_files(servable_id(2), "some", settled=False, now=0.0)
    settle(manager)
    assert manager.acquire("m").id == servable_id(1)


def test_changed_files_are_tried_at_once() -> None:
    """A failed version does not wait for its retry when its files have changed, and has all its retries again."""
    manager = managing()
    manager.set_aspired("m", {1: fails(BROKEN)})
    manager.note_files(servable_id(1), "some", settled=True, now=0.0)
    assert attempts(manager, 0.0) == [1]
    assert attempts(manager, RETRY_SECONDS) == [2]
    assert not manager.note_files(servable_id(1), "some", settled=True, now=RETRY_SECONDS + 1)
    assert attempts(manager, RETRY_SECONDS + 1) == []
    assert manager.note_files(servable_id(1), "more", settled=True, now=RETRY_SECONDS + 2)
    assert [attempts(manager, RETRY_SECONDS + 2 + RETRY_SECONDS * each) for each in range(4)] == [[1], [2], [3], []]


def test_a_change_is_told_once() -> None:
    """A version that is due waits for room; looking at it again makes it no more due."""
    manager = managing()
    manager.set_aspired("m", {1: fails(BROKEN)})
    manager.note_files(servable_id(1), "some", settled=True, now=0.0)
    attempts(manager, 0.0)
    assert manager.note_files(servable_id(1), "more", settled=True, now=1.0)
    assert not manager.note_files(servable_id(1), "more", settled=True, now=2.0)
    assert manager.step(2.0, max_loads=0) == []
    assert attempts(manager, 3.0) == [1]


def test_no_retry_while_files_change() -> None:
    """A retry that is due is not made, nor waited for, before the files are settled."""
    manager = managing()
    manager.set_aspired("m", {1: fails(BROKEN)})
    manager.note_files(servable_id(1), "some", settled=True, now=0.0)
    attempts(manager, 0.0)
    assert not manager.note_files(servable_id(1), "more", settled=False, now=RETRY_SECONDS - 1)
    assert manager.next_deadline(RETRY_SECONDS - 1) is None
    assert attempts(manager, RETRY_SECONDS) == []
    assert manager.note_files(servable_id(1), "more", settled=True, now=RETRY_SECONDS + 1)
    assert attempts(manager, RETRY_SECONDS + 1) == [1]


def test_files_that_changed_during_the_attempt() -> None:
    """What the attempt may not have read is tried again, after the last retry too."""
    manager = managing(max_load_retries=0)
    manager.set_aspired("m", {1: fails(BROKEN)})
    manager.note_files(servable_id(1), "some", settled=True, now=0.0)
    (action,) = manager.step(0.0)
    assert manager.unserved() == {servable_id(1): HarnessState.LOADING}
    assert manager.load_failed(action.id, BROKEN, 1.0) is AfterFailure.EXHAUSTED
    assert manager.note_files(servable_id(1), "more", settled=True, now=1.0)
    assert attempts(manager, 1.0) == [1]


def test_a_version_that_failed_for_good_heals() -> None:
    """Retries are over and the version is at END: changed files begin it anew, from START, until it serves."""
    manager = managing(max_load_retries=0)
    watch = Watch(manager.monitor)
    manager.set_aspired("m", {1: fails(BROKEN)})
    manager.note_files(servable_id(1), "some", settled=True, now=0.0)
    attempts(manager, 0.0)
    assert manager.unserved() == {servable_id(1): HarnessState.ERROR}
    assert not manager.note_files(servable_id(1), "some", settled=True, now=1.0)
    assert not manager.note_files(servable_id(1), "more", settled=False, now=2.0)
    manager.set_aspired("m", {1: loads(FakeServable())})
    assert manager.note_files(servable_id(1), "more", settled=True, now=4.0)
    settle(manager, now=4.0)
    assert watch.states(1) == [State.START, State.LOADING, State.END, State.START, State.LOADING, State.AVAILABLE]
    assert manager.unserved() == {}


def test_files_of_versions_that_do_not_matter() -> None:
    """A loaded version, one on its way out and an unknown one take no note of their files."""
    manager = managing()
    manager.set_aspired("m", {1: loads(FakeServable())})
    manager.note_files(servable_id(1), "all", settled=True, now=0.0)
    settle(manager)
    assert not manager.note_files(servable_id(1), "others", settled=False, now=1.0)
    assert not manager.note_files(servable_id(2), "others", settled=False, now=1.0)
    manager.set_aspired("m", {})
    assert manager.unserved() == {}
    settle(manager)
    assert manager.managed() == ()
