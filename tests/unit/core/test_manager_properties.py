"""The manager under random lives: whatever happens in whatever order, availability is kept and nothing is lost."""

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serving.core.actions import Action, Load
from serving.core.handle import Handle
from serving.core.lifecycle import ReservationError
from serving.core.manager import Manager
from serving.core.servable import ServableId, State
from serving.errors import Code, ServingError
from tests.support import FakeServable, Watch, loads
from tests.support.properties import examples

VERSIONS = st.integers(min_value=1, max_value=4)
ERRORS = st.sampled_from(
    [ServingError(Code.NOT_FOUND, "broken"), ReservationError(Code.FAILED_PRECONDITION, "not a directory")]
)


class Lifecycle(RuleBasedStateMachine):
    """One model whose aspired versions, loads, unloads and requests happen in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.manager = Manager(max_load_retries=1, load_retry_interval_micros=10_000_000)
        self.watch = Watch(self.manager.monitor)
        self.now = 0.0
        self.running: list[Action] = []
        self.handles: list[Handle] = []
        self.servables: dict[ServableId, FakeServable] = {}
        self.closed: list[FakeServable] = []
        self.aspired: set[int] = set()
        self.served_since_aspired = False

    @rule(versions=st.sets(VERSIONS))
    def aspire(self, versions: set[int]) -> None:
        self.aspired = versions
        self.served_since_aspired = self.served_since_aspired and bool(versions)
        self.manager.set_aspired("m", {version: loads(FakeServable()) for version in versions})

    @rule(seconds=st.sampled_from([0.0, 5.0, 10.0]), room=st.sampled_from([1, 2, None]))
    def step(self, seconds: float, room: int | None) -> None:
        self.now += seconds
        actions = self.manager.step(self.now, max_loads=room, max_unloads=room)
        busy = {action.id for action in self.running}
        assert not busy & {action.id for action in actions}, "two actions at once on one version"
        held = {handle.id for handle in self.handles if handle.servable in self.servables.values()}
        assert not held & {action.id for action in actions if not isinstance(action, Load)}, "unloaded while held"
        self.running += actions

    @precondition(lambda self: self.running)
    @rule(data=st.data(), works=st.booleans(), error=ERRORS)
    def report(self, data: st.DataObject, works: bool, error: ServingError) -> None:
        action = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        if not isinstance(action, Load):
            assert action.servable is self.servables.pop(action.id)
            self.closed.append(self._close(action.servable))
            self.manager.unloaded(action.id)
        elif works:
            self.servables[action.id] = FakeServable(str(action.id))
            self.manager.loaded(action.id, self.servables[action.id])
        else:
            self.manager.load_failed(action.id, error, self.now)
        self.served_since_aspired |= bool(self.aspired) and bool(self.manager.serving.available("m"))

    def _close(self, servable: object) -> FakeServable:
        assert isinstance(servable, FakeServable)
        servable.close()
        return servable

    @precondition(lambda self: self.manager.serving.available("m"))
    @rule()
    def acquire(self) -> None:
        handle = self.manager.acquire("m")
        assert handle.id.version == max(self.manager.serving.available("m"))
        self.handles.append(handle)

    @precondition(lambda self: self.handles)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self.handles.pop(data.draw(st.integers(0, len(self.handles) - 1))).release()

    @invariant()
    def one_version_stays_available(self) -> None:
        """Once available, a model stays so until it is un-aspired entirely."""
        assert not self.served_since_aspired or self.manager.serving.available("m")

    @invariant()
    def what_is_held_is_open(self) -> None:
        """No handle ever has a servable that was closed."""
        assert all(handle.servable not in self.closed for handle in self.handles)

    @invariant()
    def nothing_is_closed_twice(self) -> None:
        """Each servable is closed at most once."""
        assert all(servable.closed == 1 for servable in self.closed)

    @invariant()
    def map_and_states_agree(self) -> None:
        """A version can be acquired exactly while its state says AVAILABLE."""
        available = [state.id.version for state in self.manager.states("m") if state.state is State.AVAILABLE]
        assert tuple(available) == self.manager.serving.available("m")

    @invariant()
    def states_follow_each_other(self) -> None:
        """A version's states only move on, and begin anew only after the end."""
        for version in range(1, 5):
            seen = self.watch.states(version)
            for before, after in pairwise(seen):
                assert after > before or (before, after) == (State.END, State.START)

    def teardown(self) -> None:
        """Whatever the state, everything goes once nothing is aspired, held or running."""
        self.manager.set_aspired("m", {})
        for handle in self.handles:
            handle.release()
        self.handles.clear()
        self.running += self.manager.step(self.now)
        while self.running:
            action = self.running.pop()
            if isinstance(action, Load):
                self.servables[action.id] = FakeServable()
                self.manager.loaded(action.id, self.servables[action.id])
            else:
                self.closed.append(self._close(action.servable))
                self.servables.pop(action.id)
                self.manager.unloaded(action.id)
            self.running += self.manager.step(self.now)
        assert self.servables == {}
        assert self.manager.managed() == ()
        assert all(state.state is State.END for state in self.manager.states("m"))


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(examples(60), stateful_step_count=40)
