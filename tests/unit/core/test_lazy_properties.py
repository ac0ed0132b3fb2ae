"""What holds for --lazy_load whatever happens in whatever order: Hypothesis drives the manager as requests would."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serving.core.actions import Action, Load
from serving.core.handle import Handle
from serving.core.lazy_manager import LazyManager
from serving.core.lifecycle import NotLoadedError
from serving.core.memory import Need
from serving.core.servable import Servable, ServableId
from serving.errors import Code, ServingError
from tests.support import FakeServable, loads
from tests.support.properties import examples

NAMES = st.sampled_from("abcd")
BROKEN = ServingError(Code.UNKNOWN, "broken")
OTHER, BUDGET, RESIDENT, PEAK = 10, 100, 20, 40


class Lazily(RuleBasedStateMachine):
    """Four models with one version each, ``a`` pinned, and no room for the peak of the last one beside the others."""

    def __init__(self) -> None:
        super().__init__()
        self.manager = LazyManager(pinned=frozenset("a"), budget_bytes=BUDGET, load_retry_interval_micros=2_000_000)
        self.now = 0.0
        self.running: list[Action] = []
        self.waiting: list[str] = []
        self.handles: list[Handle] = []
        self.held: dict[ServableId, Servable] = {}
        for name in "abcd":
            self.manager.set_aspired(name, {1: loads(FakeServable(name))})

    @rule(name=NAMES, version=st.sampled_from([1, 2]))
    def replace(self, name: str, version: int) -> None:
        self.manager.set_aspired(name, {version: loads(FakeServable(name))})

    @rule(name=NAMES)
    def ask(self, name: str) -> None:
        try:
            self.handles.append(self.manager.acquire(name))
        except NotLoadedError as missing:
            assert name != "a"
            if self.manager.want(missing.name, missing.version, self.now) is None:
                self.waiting.append(name)
        except ServingError:
            assert name == "a", "only the pinned model may not be there"

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def answer_or_give_up(self, data: st.DataObject) -> None:
        name = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        if self.manager.prospect(name, None) is True:
            self.handles.append(self.manager.acquire(name))
        self.manager.unwant(name)

    @precondition(lambda self: self.handles)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self.handles.pop(data.draw(st.integers(0, len(self.handles) - 1))).release()

    @rule(seconds=st.sampled_from([0.0, 1.0, 5.0]))
    def step(self, seconds: float) -> None:
        self.now += seconds
        self.manager.rouse(self.now)
        for each in self.manager.unweighed():
            self.manager.note_need(each, Need(resident=RESIDENT, peak=PEAK))
        in_use: set[ServableId] = {handle.id for handle in self.handles}
        actions = self.manager.step(self.now, held_bytes=OTHER + RESIDENT * len(self.held))
        for action in actions:
            assert isinstance(action, Load) or action.id not in in_use, "unloaded while held"
        self.running += actions

    @precondition(lambda self: self.running)
    @rule(data=st.data(), works=st.booleans())
    def report(self, data: st.DataObject, works: bool) -> None:
        self.do(self.running.pop(data.draw(st.integers(0, len(self.running) - 1))), works=works)

    def do(self, action: Action, *, works: bool) -> None:
        if not isinstance(action, Load):
            assert self.held.pop(action.id) is action.servable
            self.manager.unloaded(action.id)
            return
        try:
            servable = action.loader()
        except ServingError as error:
            self.manager.load_failed(action.id, error, self.now)
            return
        if works:
            self.held[action.id] = servable
            self.manager.loaded(action.id, servable)
        else:
            self.manager.load_failed(action.id, BROKEN, self.now)

    @invariant()
    def memory_is_within_the_budget(self) -> None:
        """What is loaded, and what loads with its peak, fits; refusals load nothing."""
        loading = [each for each in self.running if isinstance(each, Load) and "Refusal" not in repr(each.loader)]
        assert OTHER + RESIDENT * len(self.held) + PEAK * len(loading) <= BUDGET

    @invariant()
    def what_is_held_is_loaded(self) -> None:
        """No request has a servable that was closed."""
        assert all(self.held.get(handle.id) is handle.servable for handle in self.handles)

    def teardown(self) -> None:
        """Without requests in flight, everybody who waits is answered, or told why not."""
        for handle in self.handles:
            handle.release()
        self.handles.clear()
        for _ in range(100):
            self.step(1.0)
            while self.running:
                self.do(self.running.pop(), works=True)
            for name in list(self.waiting):
                prospect = self.manager.prospect(name, None)
                if prospect is not False:
                    self.waiting.remove(name)
                    self.manager.unwant(name)
        assert self.waiting == []


TestLazily = Lazily.TestCase
TestLazily.settings = settings(examples(60), stateful_step_count=40)
