"""The manager when loads fail: retries, cancellation, and what survives."""

import pytest

from serving.core.actions import AfterFailure, Load, Unload
from serving.core.lifecycle import ReservationError
from serving.core.manager import Manager
from serving.core.servable import State
from serving.core.startup import Progress
from serving.errors import Code, ServingError
from tests.support import FakeServable, Watch, fails, loads, perform, servable_id, settle, summary

BROKEN = ServingError(Code.NOT_FOUND, "no saved_model.pb")
RETRY_SECONDS = 60.0


def retrying(max_load_retries: int = 2) -> Manager:
    return Manager(max_load_retries=max_load_retries, load_retry_interval_micros=60_000_000)


def test_retries_until_exhausted() -> None:
    """One attempt and two retries are made, a full interval after each failure; then the version is at END."""
    manager = retrying()
    manager.set_aspired("m", {1: fails(BROKEN)})
    attempts: list[tuple[float, int]] = []
    after: list[AfterFailure] = []
    for now in range(0, 400, 10):
        for action in manager.step(float(now)):
            assert isinstance(action, Load)
            attempts.append((now, action.attempt))
            after.append(manager.load_failed(action.id, BROKEN, float(now)))
    assert attempts == [(0, 1), (60, 2), (120, 3)]
    assert after == [AfterFailure.RETRY, AfterFailure.RETRY, AfterFailure.EXHAUSTED]
    assert [(state.state, state.error) for state in manager.states("m")] == [(State.END, BROKEN)]


def test_retry_that_succeeds() -> None:
    """A version that loads at the second attempt serves, and shows LOADING and no error in between."""
    manager = retrying()
    watch = Watch(manager.monitor)
    manager.set_aspired("m", {1: fails(BROKEN)})
    settle(manager)
    manager.set_aspired("m", {1: loads(FakeServable())})
    settle(manager, now=RETRY_SECONDS)
    assert watch.states(1) == [State.START, State.LOADING, State.AVAILABLE]
    assert {state.error for state in watch.seen} == {None}


def test_next_deadline_is_the_earliest_retry() -> None:
    """The loop may rest until the first retry is due; without one it waits for reports."""
    manager = retrying()
    assert manager.next_deadline(0.0) is None
    manager.set_aspired("m", {1: fails(BROKEN), 2: fails(BROKEN)})
    first, second = manager.step(0.0)
    perform(manager, first, 5.0)
    perform(manager, second, 3.0)
    assert manager.next_deadline(5.0) == 3.0 + RETRY_SECONDS


def test_due_retry_without_room_is_no_deadline() -> None:
    """A retry that could only wait for room does not keep the loop awake."""
    manager = retrying()
    manager.set_aspired("m", {1: fails(BROKEN)})
    settle(manager)
    manager.set_aspired("n", {1: loads(FakeServable())})
    (running,) = manager.step(1.0, max_loads=1)
    assert manager.step(RETRY_SECONDS, max_loads=1) == []
    assert manager.next_deadline(RETRY_SECONDS) is None
    perform(manager, running, RETRY_SECONDS)
    assert [action.id for action in manager.step(RETRY_SECONDS, max_loads=1)] == [servable_id(1)]


def test_untried_versions_come_before_retries() -> None:
    """A model that keeps failing does not delay a new one."""
    manager = retrying()
    manager.set_aspired("m", {1: fails(BROKEN)})
    settle(manager)
    manager.set_aspired("n", {1: loads(FakeServable())})
    assert [action.id.name for action in manager.step(RETRY_SECONDS, max_loads=1)] == ["n"]


def test_reservation_error_is_final() -> None:
    """What a retry cannot help is not retried."""
    manager = retrying()
    manager.set_aspired("m", {1: fails(BROKEN)})
    (action,) = manager.step(0.0)
    error = ReservationError(Code.FAILED_PRECONDITION, "Not a directory")
    assert manager.load_failed(action.id, error, 0.0) is AfterFailure.FINAL
    assert manager.states("m")[0].error is error


def test_failed_version_leaves_the_old_one_serving() -> None:
    """A broken new version never takes the old one down, however long it stays."""
    manager = retrying(max_load_retries=0)
    manager.set_aspired("m", {1: loads(FakeServable())})
    settle(manager)
    manager.set_aspired("m", {2: fails(BROKEN)})
    settle(manager)
    settle(manager, now=1e6)
    assert summary(manager.states("m")) == [(2, "END"), (1, "AVAILABLE")]
    assert manager.acquire("m").id.version == 1


def test_higher_version_replaces_a_failed_one() -> None:
    """After a broken version a higher one loads as usual, and the old one goes."""
    manager = retrying(max_load_retries=0)
    manager.set_aspired("m", {1: loads(FakeServable())})
    settle(manager)
    manager.set_aspired("m", {2: fails(BROKEN)})
    settle(manager)
    manager.set_aspired("m", {3: loads(FakeServable())})
    settle(manager)
    assert summary(manager.states("m")) == [(3, "AVAILABLE"), (2, "END"), (1, "END")]


def test_failed_version_is_not_tried_again_while_aspired() -> None:
    """Polling finds the same broken directory every second, and leaves it alone."""
    manager = retrying(max_load_retries=0)
    manager.set_aspired("m", {1: fails(BROKEN)})
    settle(manager)
    manager.set_aspired("m", {1: loads(FakeServable())})
    assert (manager.step(1e6), manager.next_deadline(1e6)) == ([], None)


@pytest.mark.parametrize("older", [pytest.param(True, id="older-version-serves"), pytest.param(False, id="alone")])
def test_failed_version_that_left_and_came_back_is_tried_again(older: bool) -> None:
    """Removed and put back, the same number is loaded, also while an older version serves in its place."""
    manager = retrying(max_load_retries=0)
    old = {1: loads(FakeServable())} if older else {}
    manager.set_aspired("m", old)
    settle(manager)
    manager.set_aspired("m", {2: fails(BROKEN)})
    settle(manager)
    manager.set_aspired("m", old)
    settle(manager)
    manager.set_aspired("m", {2: loads(FakeServable())})
    settle(manager)
    assert manager.acquire("m").id.version == 2


def test_un_aspired_between_attempts() -> None:
    """Retries are cancelled at once; the version ends with the error of its last attempt."""
    manager = retrying()
    manager.set_aspired("m", {1: fails(BROKEN)})
    settle(manager)
    manager.set_aspired("m", {})
    assert (manager.step(1e6), manager.managed()) == ([], ())
    assert [(state.state, state.error) for state in manager.states("m")] == [(State.END, BROKEN)]


def test_version_deleted_while_loading_that_fails() -> None:
    """A load that fails after its version was un-aspired is not tried again."""
    manager = retrying()
    manager.set_aspired("m", {1: fails(BROKEN)})
    (action,) = manager.step(0.0)
    manager.set_aspired("m", {})
    assert manager.load_failed(action.id, BROKEN, 0.0) is AfterFailure.CANCELLED
    assert (manager.step(1e6), manager.managed()) == ([], ())


def test_version_deleted_while_loading_that_succeeds() -> None:
    """What loads although nobody wants it any more never serves; it is unloaded and reported as cancelled."""
    manager = retrying()
    watch = Watch(manager.monitor)
    manager.set_aspired("m", {1: loads(FakeServable())})
    manager.step(0.0)
    manager.set_aspired("m", {})
    servable = FakeServable()
    assert manager.loaded(servable_id(1), servable) is False
    assert manager.serving.available("m") == ()
    assert manager.step(0.0) == [Unload(id=servable_id(1), servable=servable, unwanted=True)]
    assert manager.step(0.0) == []
    manager.unloaded(servable_id(1))
    assert watch.states(1) == [State.START, State.LOADING, State.END]
    assert str(watch.seen[-1].error) == "CANCELLED: Loading of servable cancelled"
    assert manager.managed() == ()


def test_version_that_comes_back_while_it_loads_serves() -> None:
    """Un-aspired and aspired again during one load, a version is not thrown away."""
    manager = retrying()
    manager.set_aspired("m", {1: loads(FakeServable())})
    manager.step(0.0)
    manager.set_aspired("m", {})
    manager.set_aspired("m", {1: loads(FakeServable())})
    assert manager.loaded(servable_id(1), FakeServable()) is True
    assert manager.serving.available("m") == (1,)


def test_version_that_comes_back_while_it_loads_has_all_its_attempts() -> None:
    """Coming back counts as a new beginning: the attempt that runs is its first."""
    manager = retrying(max_load_retries=1)
    manager.set_aspired("m", {1: fails(BROKEN)})
    settle(manager)
    (last,) = manager.step(RETRY_SECONDS)
    manager.set_aspired("m", {})
    manager.set_aspired("m", {1: loads(FakeServable())})
    assert manager.load_failed(last.id, BROKEN, RETRY_SECONDS) is AfterFailure.RETRY
    settle(manager, now=2 * RETRY_SECONDS)
    assert manager.serving.available("m") == (1,)


def test_version_that_comes_back_while_it_is_discarded_starts_anew() -> None:
    """A cancelled version that is wanted again by the time it is gone is loaded again."""
    manager = retrying()
    manager.set_aspired("m", {1: loads(FakeServable())})
    manager.step(0.0)
    manager.set_aspired("m", {})
    manager.loaded(servable_id(1), FakeServable())
    manager.set_aspired("m", {1: loads(FakeServable())})
    settle(manager)
    assert summary(manager.states("m")) == [(1, "AVAILABLE")]


def test_startup_tells_failures() -> None:
    """A model with nothing but failed versions has failed, until the version is taken away."""
    manager = retrying(max_load_retries=0)
    manager.set_aspired("m", {1: fails(BROKEN)})
    settle(manager)
    startup = manager.startup(["m"])
    assert startup.progress is Progress.FAILED
    assert startup.reasons == "{{{name: m version: 1} due to error: NOT_FOUND: no saved_model.pb}, }"
    manager.set_aspired("m", {})
    assert manager.startup(["m"]).progress is Progress.WAITING


def test_who_asks_has_it_tried_at_once() -> None:
    """Between two attempts, with all attempts anew; the last error shows until then, to those who look for it."""
    manager = retrying()
    manager.set_aspired("m", {1: fails(BROKEN)})
    settle(manager)
    assert [(state.state, state.error) for state in manager.attempts("m")] == [(State.LOADING, BROKEN)]
    manager.ask_for("m")
    assert [(state.state, state.error) for state in manager.attempts("m")] == [(State.LOADING, None)]
    (load,) = manager.step(1.0)
    assert isinstance(load, Load)
    assert load.attempt == 1


def test_who_asks_has_it_tried_after_the_last_attempt() -> None:
    """A version that has failed for good begins anew; one that serves is left alone."""
    manager = retrying(max_load_retries=0)
    manager.set_aspired("m", {1: fails(BROKEN), 2: loads(FakeServable())})
    settle(manager)
    manager.ask_for("m")
    assert [state.state for state in manager.attempts("m")] == [State.AVAILABLE, State.START]
    manager.set_aspired("m", {1: loads(FakeServable()), 2: loads(FakeServable())})
    settle(manager)
    assert manager.answerable("m") == (2, 1)
    assert manager.attempts("none") == ()
