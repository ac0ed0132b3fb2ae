"""The watch over long runs, stepped by hand: what it tells, whom it answers, when readiness goes and comes back."""

import logging
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest

from serving.core.places import PlacedFuture
from serving.core.servable import ServableId
from serving.errors import Code, ServingError
from serving.inference.context import RequestContext
from serving.inference.run_watch import LONG_SECONDS, LOST_SECONDS, RunWatch, Watched
from serving.telemetry.serving_metrics import ServingMetrics
from tests.support import ManualClock

VERSION = ServableId(name="m", version=3)
CONTEXT = RequestContext("GRPC", "ipv4:10.0.0.1:5", {"x-request-id": "7\nI forged"})


class Run(PlacedFuture[Any]):
    """A run that notes whether its place was written off."""

    written_off = False

    def write_off(self) -> None:
        self.written_off = True


@dataclass
class Asked:
    """What a call tells of itself; notes its errors."""

    timeout_ms: int = 0
    context: RequestContext | None = None
    servable_id: ServableId = VERSION
    errors: list[ServingError] = field(default_factory=list)
    has_let_go: bool = False

    def expired(self, error: ServingError) -> None:
        self.errors.append(error)

    def let_go(self) -> None:
        self.has_let_go = True


class Watching:
    """A watch whose thread never looks by itself, its clock and its gauge."""

    def __init__(self, **flags: float) -> None:
        self.clock = ManualClock(100.0)
        self.metrics = ServingMetrics()
        self.full = True
        self.watch = RunWatch(self.metrics.long_runs, full=lambda: self.full, clock=self.clock, **flags)

    def add(self, asked: Asked | None = None, *, running: bool = True) -> tuple[Watched, Run, "Future[bytes]"]:
        run, answer = Run(), Future[bytes]()
        if running:
            run.set_running_or_notify_cancel()
        watched = self.watch.add(asked or Asked(), run, answer)
        self.watch.look()
        return watched, run, answer

    def after(self, seconds: float) -> None:
        self.clock.now += seconds
        self.watch.look()

    def is_stuck(self) -> bool:
        return self.watch.stuck

    def long_runs(self) -> dict[tuple[str, ...], int]:
        return {labels: gauge.value for labels, gauge in self.metrics.long_runs.points()}


@pytest.fixture(autouse=True)
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests look; the thread, which would look at times of its own, is not started."""
    monkeypatch.setattr(RunWatch, "_watch", lambda watch: None)


def test_a_run_beyond_a_minute_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """With who asked, quoted, and again when it ends; the gauge counts it meanwhile."""
    watching = Watching()
    watched, run, _ = watching.add(Asked(context=CONTEXT))
    with caplog.at_level(logging.INFO, "serving"):
        watching.after(LONG_SECONDS - 1)
        assert (caplog.messages, watching.long_runs()) == ([], {})
        watching.after(1)
        watching.after(1)
        assert watching.long_runs() == {("m",): 1}
        run.set_result(None)
        watched.over()
    assert caplog.messages == [
        "A run of {name: m version: 3} has been running for 60 s; asked for over gRPC by ipv4:10.0.0.1:5 as "
        "'7\\nI forged'",
        "A run of {name: m version: 3} has ended after 61 s",
    ]
    assert watching.long_runs() == {("m",): 0}


def test_time_in_a_queue_is_not_run_time() -> None:
    """The minute begins with the run."""
    watching = Watching()
    _, run, _ = watching.add(running=False)
    watching.after(LONG_SECONDS * 2)
    run.set_running_or_notify_cancel()
    watching.after(1)
    watching.after(LONG_SECONDS - 1)
    assert watching.long_runs() == {}


@pytest.mark.parametrize("running", [False, True], ids=["waits", "runs"])
@pytest.mark.parametrize(
    ("timeout_ms", "flags", "seconds"),
    [
        pytest.param(3000, {}, 3, id="its own limit"),
        pytest.param(0, {"max_run_seconds": 2}, 2, id="the flag's"),
        pytest.param(9000, {"max_run_seconds": 2}, 2, id="the smaller one"),
        pytest.param(1000, {"max_run_seconds": 2}, 1, id="its own, smaller"),
    ],
)
def test_calls_are_answered_at_their_limit(
    timeout_ms: int, flags: dict[str, float], seconds: float, *, running: bool
) -> None:
    """Whether they wait or TensorFlow does not end them; once, and what waits is not begun any more."""
    watching, asked = Watching(**flags), Asked(timeout_ms)
    watched, run, answer = watching.add(asked, running=running)
    watching.after(seconds)
    assert not answer.done()  # TensorFlow, or the queue, has a little longer to say so itself
    watching.after(3)
    watching.after(1)
    error = answer.exception(0)
    assert isinstance(error, ServingError)
    assert (error.code, asked.errors) == (Code.DEADLINE_EXCEEDED, [error])
    assert f"its time limit of {seconds} s" in error.text
    assert run.cancelled() is not running
    assert not watched.over()


def test_an_answer_in_time_is_left_alone() -> None:
    """What is over is its caller's, and nothing is said of it later."""
    watching = Watching()
    watched, run, answer = watching.add(Asked(1000))
    run.set_result(None)
    assert watched.over()
    watching.after(100)
    assert not answer.done()


def test_place_is_written_off_when_nobody_waits() -> None:
    """Not at once, for most runs end soon."""
    watching = Watching()
    asked = Asked()
    _, run, answer = watching.add(asked)
    answer.cancel()
    watching.after(0.1)
    assert (run.written_off, asked.has_let_go) == (False, False)
    watching.after(LOST_SECONDS)
    assert (run.written_off, asked.has_let_go) == (True, True)


def test_place_of_who_is_waited_for_is_kept() -> None:
    """However long it runs."""
    watching = Watching()
    _, run, _ = watching.add()
    watching.after(1000)
    assert not run.written_off


def test_readiness_goes_when_calls_wait_and_comes_back_when_one_ends(caplog: pytest.LogCaptureFixture) -> None:
    """A log line both ways."""
    watching = Watching(stuck_seconds=5)
    running, run, _ = watching.add()
    watching.add(running=False)
    with caplog.at_level(logging.INFO, "serving"):
        watching.after(4)
        assert not watching.is_stuck()
        watching.after(1)
        assert watching.is_stuck()
        run.set_result(None)
        running.over()
    assert not watching.is_stuck()
    assert [message.partition(":")[0] for message in caplog.messages] == ["Readiness is withdrawn", "Readiness is back"]


def test_refused_calls_count_as_waiting() -> None:
    """Calls that are turned away for want of room wait as little as those in a queue are served."""
    watching = Watching(stuck_seconds=5)
    watching.add()
    watching.clock.now += 6
    watching.watch.refused()
    watching.after(0)
    assert watching.is_stuck()


@pytest.mark.parametrize("end", ["another ends", "nobody waits"])
def test_readiness_stays(end: str) -> None:
    """While runs end now and then, and while nobody waits."""
    watching = Watching(stuck_seconds=5)
    watching.add()
    if end == "another ends":
        watching.add(running=False)
        for _ in range(5):
            other, run, _ = watching.add()
            watching.after(4)
            run.set_result(None)
            other.over()
    else:
        watching.after(100)
    assert not watching.is_stuck()


def test_readiness_comes_back_when_there_is_room() -> None:
    """Those who wait have gone, and others have got the places: no run may ever end of those that were begun."""
    watching = Watching(stuck_seconds=5)
    watching.add()
    waits, run, answer = watching.add(running=False)
    watching.after(5)
    answer.cancel()
    run.cancel()
    waits.over()
    watching.after(1)
    assert watching.is_stuck()
    watching.full = False
    watching.after(1)
    assert not watching.is_stuck()


def test_without_the_flag_nothing_is_judged() -> None:
    """Off is off."""
    watching = Watching()
    watching.add()
    watching.add(running=False)
    watching.after(1e6)
    assert not watching.is_stuck()


def test_nothing_is_held_of_what_is_over() -> None:
    """No run, no answer, and so no tensors."""
    watching = Watching()
    watched, run, _ = watching.add()
    run.set_result(None)
    watched.over()
    assert (watched.run, watched.answer, watching.watch.look()) == (None, None, False)
