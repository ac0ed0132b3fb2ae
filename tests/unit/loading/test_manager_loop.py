"""The loop turned by hand with a manual clock; the same with real threads is in ``test_manager_loop_threads.py``."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from serving.core.manager import Manager
from serving.core.servable import Loader
from serving.errors import Code, ServingError
from serving.loading.manager_loop import ManagerLoop
from serving.sources.poll import Notice, Poll
from tests.support import FakeServable, ManualClock, fails, loads, summary

MODELS = Path("/models")
BROKEN = ServingError(Code.NOT_FOUND, "no saved_model.pb")


class Versions:
    """A source whose answer a test sets, that counts how often it was asked."""

    def __init__(self, *versions: int) -> None:
        self.polls = 0
        self.notices: tuple[Notice, ...] = ()
        self.aspired: Mapping[str, Mapping[int, Path]] = {}
        self.hold(*versions)

    def hold(self, *versions: int) -> None:
        self.aspired = {"m": {version: MODELS / "m" / str(version) for version in versions}}

    def poll(self) -> Poll:
        self.polls += 1
        return Poll(aspired=self.aspired, notices=self.notices)


class Hand:
    """A loop without threads: its actions wait in ``work`` until a test does them."""

    def __init__(self, source: Versions, *, poll_wait_seconds: float = 1.0, loader: Loader | None = None) -> None:
        self.clock = ManualClock()
        self.manager = Manager(max_load_retries=1, load_retry_interval_micros=30_000_000)
        self.loader = loader
        self.work: list[Callable[[], None]] = []
        self.names: list[str] = []
        self.loop = ManagerLoop(
            self.manager,
            source,
            self.loader_for,
            poll_wait_seconds=poll_wait_seconds,
            max_loads=2,
            max_unloads=1,
            clock=self.clock,
            spawn=self.spawn,
        )

    def loader_for(self, name: str, version: int, path: Path) -> Loader:
        return self.loader or loads(FakeServable(str(path)))

    def spawn(self, work: Callable[[], None], name: str) -> None:
        self.work.append(work)
        self.names.append(name)

    def turn(self, seconds: float = 0.0) -> float | None:
        self.clock.advance(seconds)
        return self.loop.run_once(self.clock())

    def do_work(self) -> None:
        work, self.work = self.work, []
        for each in work:
            each()

    def settle(self) -> None:
        self.turn()
        while self.work:
            self.do_work()
            self.turn()


def test_found_version_is_loaded_and_served() -> None:
    """A turn polls and begins the load; the turn after its end makes the version available."""
    hand = Hand(Versions(1))
    hand.turn()
    assert summary(hand.manager.states("m")) == [(1, "LOADING")]
    hand.do_work()
    assert summary(hand.manager.states("m")) == [(1, "LOADING")]
    hand.turn()
    assert repr(hand.manager.acquire("m").servable) == f"FakeServable({MODELS / 'm' / '1'})"


def test_polls_at_its_interval() -> None:
    """Turns between two polls do not look at the source."""
    source = Versions()
    hand = Hand(source, poll_wait_seconds=5.0)
    assert (hand.turn(), source.polls) == (5.0, 1)
    assert (hand.turn(2.0), source.polls) == (3.0, 1)
    assert (hand.turn(3.0), source.polls) == (5.0, 2)


@pytest.mark.parametrize(
    ("poll_wait_seconds", "polls"),
    [pytest.param(0.0, 1, id="0-polls-once"), pytest.param(-1.0, 0, id="negative-never-polls")],
)
def test_no_periodic_polls(poll_wait_seconds: float, polls: int) -> None:
    """Without an interval the loop rests until it is woken."""
    source = Versions()
    hand = Hand(source, poll_wait_seconds=poll_wait_seconds)
    assert [hand.turn(), hand.turn(1e6), source.polls] == [None, None, polls]


@pytest.mark.parametrize("poll_wait_seconds", [-1.0, 0.0, 60.0])
def test_rescan_polls_once_at_any_setting(poll_wait_seconds: float) -> None:
    """A reload has its models looked for now, whatever the interval is."""
    source = Versions()
    hand = Hand(source, poll_wait_seconds=poll_wait_seconds)
    hand.turn()
    before = source.polls
    hand.loop.rescan()
    hand.turn()
    hand.turn()
    assert source.polls == before + 1


def test_rests_until_the_next_retry() -> None:
    """Between attempts the loop sleeps exactly as long as the retry is away."""
    hand = Hand(Versions(1), poll_wait_seconds=0.0, loader=fails(BROKEN))
    hand.turn()
    hand.do_work()
    assert hand.turn() == 30.0
    assert (hand.turn(29.0), hand.work) == (1.0, [])
    assert (hand.turn(1.0), len(hand.work)) == (None, 1)


def test_slow_load_delays_nobody() -> None:
    """While one model loads, another is found, loaded and served."""
    source = Versions(1)
    hand = Hand(source)
    hand.turn()
    slow, hand.work = hand.work, []
    source.aspired = {**source.aspired, "n": {1: MODELS / "n" / "1"}}
    hand.turn(1.0)
    hand.do_work()
    hand.turn()
    assert hand.manager.acquire("n").id.name == "n"
    assert (summary(hand.manager.states("m")), len(slow)) == ([(1, "LOADING")], 1)


def test_actions_are_bounded() -> None:
    """No more loads and unloads run at once than allowed."""
    source = Versions()
    source.aspired = {name: {1: MODELS / name / "1"} for name in "abc"}
    hand = Hand(source)
    hand.turn()
    assert hand.names == ["load-a", "load-b"]
    hand.settle()
    hand.names.clear()
    source.aspired = {name: {} for name in "abc"}
    hand.turn(1.0)
    assert hand.names == ["unload-a"]


def test_removed_version_is_unloaded() -> None:
    """A directory that is gone takes its version along."""
    source = Versions(1)
    hand = Hand(source)
    hand.settle()
    source.hold()
    hand.clock.advance(1.0)
    hand.settle()
    assert summary(hand.manager.states("m")) == [(1, "END")]


def test_broken_version_leaves_the_old_one() -> None:
    """A new version that does not load changes nothing for requests."""
    source = Versions(1)
    hand = Hand(source)
    hand.settle()
    source.hold(2)
    hand.loader = fails(BROKEN)
    hand.clock.advance(1.0)
    hand.settle()
    hand.clock.advance(30.0)
    hand.settle()
    assert summary(hand.manager.states("m")) == [(2, "END"), (1, "AVAILABLE")]
    assert hand.manager.acquire("m").id.version == 1


def test_notices_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """What a source has to say is logged at its level, percent signs and all."""
    source = Versions()
    source.notices = (Notice(text="100%s empty", level=logging.ERROR), Notice(text="odd"))
    Hand(source).turn()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "100%s empty"),
        ("WARNING", "odd"),
    ]


def test_life_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """One version from its load to its end, as TFS tells it."""
    caplog.set_level(logging.INFO, logger="serving")
    source = Versions(1)
    hand = Hand(source)
    hand.settle()
    source.hold()
    hand.clock.advance(1.0)
    hand.settle()
    begin = "Successfully reserved resources to load servable", "Approving load for servable version"
    rest = "Loading", "Successfully loaded", "Quiescing", "Done quiescing", "Done unloading"
    expected = [*begin, *(f"{words} servable version" for words in rest)]
    assert [record.getMessage() for record in caplog.records] == [
        f"{words} {{name: m version: 1}}" for words in expected
    ]


def test_version_that_is_a_file(tmp_path: Path) -> None:
    """A file with a number for a name fails without its loader being called, and is not retried."""
    (tmp_path / "5").write_text("")
    source = Versions()
    source.aspired = {"m": {5: tmp_path / "5"}}
    hand = Hand(source)
    hand.settle()
    (state,) = hand.manager.states("m")
    assert str(state.error) == (
        "FAILED_PRECONDITION: Error while attempting to reserve resources to load servable "
        f"{{name: m version: 5}}: {tmp_path / '5'}; Not a directory"
    )


def test_stopping_begins_nothing() -> None:
    """After a stop, reports are still made, and nothing new is polled or begun."""
    source = Versions(1)
    hand = Hand(source)
    hand.turn()
    assert hand.loop.stop() is True
    hand.do_work()
    assert (hand.turn(60.0), source.polls) == (None, 1)
    assert hand.manager.acquire("m").id.version == 1
