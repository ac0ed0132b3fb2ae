"""Engines that only say who answered, and a servable on them; closed twice, or while they are used, they fail."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import cast

from serving.core.tensor import Tensor
from serving.errors import Code, ServingError
from serving.optimizing.candidates import Group, Step
from serving.optimizing.engine_servable import Engines, EngineServable, StepEngines
from serving.optimizing.session import TensorFlowRun, WholeStep
from serving.optimizing.step_engine import StepEngine
from serving.servables.pace import Pace
from serving.servables.saved_model import SavedModelServable
from tests.support import TIMEOUT_SECONDS
from tests.support.models import NO_LIMIT, floats

STEP = Step(("a:0", "b:0"), ("y:0", "z:0"))
GROUP = Group(step=STEP, signatures=("s",))
GIVEN = [floats(1), floats(2)]


class Part:
    """Something that calls run on, and that may be closed once, when no call is in it."""

    def __init__(self, label: float) -> None:
        self.label = label
        self.closed = 0
        self.inside = 0
        self.calls_at_once: list[int] = []
        self.gate: threading.Event | None = None
        self.answered = threading.Event()
        self._lock = threading.Lock()

    def close(self) -> None:
        assert not self.inside, "closed under a call"
        self.closed += 1

    @contextmanager
    def used(self) -> Iterator[None]:
        """A call of it."""
        with self._lock:
            self.inside += 1
        try:
            assert not self.closed, "used after it was closed"
            if self.gate is not None:
                assert self.gate.wait(TIMEOUT_SECONDS)
            yield
            os.sched_yield()
            assert not self.closed, "closed while it was used"
            self.answered.set()
        finally:
            with self._lock:
                self.inside -= 1


class Graph(Part):
    """The graph as saved, or TensorFlow's optimised one: it answers its label and what it was fed."""

    def __init__(self, label: float, executor: Executor | None = None) -> None:
        super().__init__(label)
        self.executor = executor
        self.signatures: dict[str, object] = {}
        self.signature_defs: dict[str, object] = {}
        self.may_loop = False

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> "GraphRun":
        assert not self.closed
        if "nothing:0" in fetches:
            raise ServingError(Code.INVALID_ARGUMENT, f"not in graph {self.label:.0f}")
        return GraphRun(self)

    def part(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> "GraphRun":
        return self.resolve(feeds, fetches)

    @property
    def saved(self) -> SavedModelServable:
        return cast("SavedModelServable", self)

    @property
    def whole(self) -> WholeStep:
        return cast("WholeStep", self)


class GraphRun:
    inline = False

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return False

    def short_for(self, tensors: Sequence[Tensor]) -> bool:
        return False

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        with self._graph.used():
            return [floats(self._graph.label), *tensors]


class Other(Part):
    """OpenVINO for the step: it answers its label, the inputs in the step's order; or nothing, if told to."""

    def __init__(self, label: float, *, answering: bool = True) -> None:
        super().__init__(label)
        self.answering = answering
        self.pace = Pace()

    @property
    def in_service(self) -> bool:
        return self.answering

    def model_for(self, tensors: Sequence[Tensor], calls: int) -> object | None:
        return self if self.answering else None

    def attempt(self, tensors: Sequence[Tensor], timeout_ms: int, calls: int) -> list[Tensor] | None:
        with self.used():
            self.calls_at_once.append(calls)
            return [floats(self.label), floats(*(each.array[0] for each in tensors))] if self.answering else None

    def engines(self, plain: Graph | None, optimized: Graph | None = None) -> Engines:
        """Engines of which it is one."""
        step = StepEngines(
            group=GROUP,
            openvino=cast("StepEngine", self),
            tensorflow=None if optimized is None else optimized.whole,
        )

        def close() -> None:
            self.close()
            if optimized is not None:
                optimized.close()

        return Engines(None if plain is None else plain.saved, [step], close)


class House:
    """A servable on the graph as saved, the run of its whole step, and threads whose calls end with the test."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.plain = Graph(0, pool)
        self.servable = EngineServable(self.plain.saved)
        self.run = self.servable.resolve(*STEP)
        self._pool = pool

    def call(self) -> float:
        """The label of who answers."""
        return float(self.run(GIVEN, NO_LIMIT)[0].array[0])

    def begin(self, work: Callable[[], object]) -> "Future[object]":
        return self._pool.submit(work)


class Meeting(Engines):
    """Engines that are replaced between a call's looking at them and its coming in."""

    def enter(self) -> int:
        self.meet()
        return super().enter()

    def meet(self) -> None:
        """What happens just then, once."""


class Bound(Engines):
    """Engines that note how many are inside while tensors are looked up."""

    def __init__(self, plain: Graph) -> None:
        super().__init__(plain.saved)
        self.inside: list[int] = []

    def tensorflow(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> TensorFlowRun:
        self.inside.append(self._inside)
        return super().tensorflow(feeds, fetches)
