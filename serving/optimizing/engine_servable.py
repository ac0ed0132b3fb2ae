"""A version whose engine may change while it is served: calls in flight finish on the one that they began with."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from serving.core.bounded import Bounded
from serving.core.servable import Run
from serving.core.signature import Signature
from serving.core.tensor import Tensor
from serving.optimizing.candidates import Group, Step
from serving.optimizing.session import TensorFlowRun, WholeStep
from serving.optimizing.step_engine import StepEngine
from serving.servables.pace import elements
from serving.servables.saved_model import SavedModelServable
from serving.servables.threads import ModelThreads

_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEngines:
    """What runs the calls of a group: a frozen graph in TensorFlow, and OpenVINO, each if there is one."""

    group: Group
    tensorflow: WholeStep | None = None
    openvino: StepEngine | None = None


class Engines:
    """All that runs a version at one time. ``plain`` is the graph as saved; ``close`` frees everything else.

    Thread-safe. Who calls something of it is inside, and it is closed when nobody is.
    """

    def __init__(
        self,
        plain: SavedModelServable | None,
        steps: Sequence[StepEngines] = (),
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self.plain = plain
        self.steps = tuple(steps)
        self._on_close = on_close
        self._changed = threading.Condition(threading.Lock())
        self._inside = 0
        self._retired = False

    def enter(self) -> int:
        """How many are inside now; 0 if it is retired, and one has not come in."""
        with self._changed:
            if self._retired:
                return 0
            self._inside += 1
            return self._inside

    def leave(self) -> None:
        """One that came in goes."""
        with self._changed:
            self._inside -= 1
            if self._retired and not self._inside:
                self._changed.notify_all()

    def retire(self) -> None:
        """Let nobody in any more and wait until all have gone; blocks."""
        with self._changed:
            self._retired = True
            self._changed.wait_for(lambda: not self._inside)

    def close(self) -> None:
        """Free what it has beside ``plain``; nobody may be inside."""
        self._on_close()

    def tensorflow(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> TensorFlowRun:
        """TensorFlow's run for these graph tensors."""
        for each in self.steps:
            step = each.group.in_step(feeds, fetches) if each.tensorflow is not None else None
            run = each.tensorflow.part(*step) if each.tensorflow is not None and step is not None else None
            if run is not None:
                return run
        if self.plain is not None:
            return self.plain.resolve(feeds, fetches)
        # No signature asks for it, and what it lacks the optimised graph tells in TensorFlow's words.
        return next(each.tensorflow for each in self.steps if each.tensorflow is not None).resolve(feeds, fetches)

    def openvino(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> "_PartOfStep | None":
        """OpenVINO's part in a run for these graph tensors."""
        for each in self.steps:
            step = each.group.in_step(feeds, fetches) if each.openvino is not None else None
            if each.openvino is not None and step is not None:
                return _PartOfStep(each.openvino, each.group.step, step)
        return None


class _PartOfStep:
    """A call that takes the inputs of a step in an order of its own, or some of its outputs."""

    def __init__(self, engine: StepEngine, whole: Step, part: Step) -> None:
        self.engine = engine
        self._taken = None if part.feeds == whole.feeds else [part.feeds.index(name) for name in whole.feeds]
        self._given = None if part.fetches == whole.fetches else [whole.fetches.index(name) for name in part.fetches]

    def taken(self, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
        """The inputs in the order of the step."""
        return tensors if self._taken is None else [tensors[index] for index in self._taken]

    def given(self, outputs: list[Tensor]) -> list[Tensor]:
        """The outputs that are asked for."""
        return outputs if self._given is None else [outputs[index] for index in self._given]


class EngineServable:
    """One loaded version on the engines that it has now. Thread-safe; ``close`` comes after the last call."""

    def __init__(self, plain: SavedModelServable) -> None:
        self.signatures: Mapping[str, Signature] = plain.signatures
        self.signature_defs: Mapping[str, Any] = plain.signature_defs
        self.executor = plain.executor
        self.may_loop = plain.may_loop
        self.engines = Engines(plain)
        self.closed = False
        self._lock = threading.Lock()
        self._resolved: Bounded[tuple[tuple[str, ...], tuple[str, ...]], Run] = Bounded()

    @property
    def engine(self) -> str:
        """What answers its calls now, most of them at least."""
        return "openvino" if any(each.openvino is not None for each in self.engines.steps) else "tensorflow"

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        """The call that feeds and fetches these graph tensors, on whatever engine serves at its time."""
        run = self._resolved.get((feeds, fetches))
        if run is None:
            run = EngineRun(self, feeds, fetches)
            self._resolved.keep((feeds, fetches), run)
        return run

    def adopt(self, engines: Engines, patience_seconds: float = _PATIENCE_SECONDS) -> bool:
        """Serve with ``engines`` from now on; the former ones are closed when the calls on them are over.

        Blocks until then, but not longer than ``patience_seconds``: a call may never end, and other versions wait for
        their turn. False if the servable is closed; the engines are then closed as well. The graph as saved is closed
        if the new ones do without it.
        """
        with self._lock:
            if self.closed:
                engines.close()
                return False
            former, self.engines = self.engines, engines

        def leave_behind() -> None:
            former.retire()
            former.close()
            if former.plain is not None and engines.plain is None:
                former.plain.close()

        leaving = threading.Thread(target=leave_behind, name="leaving-engines", daemon=True)
        leaving.start()
        leaving.join(patience_seconds)
        return True

    @contextmanager
    def kept_open(self) -> Iterator[bool]:
        """Nothing of the present engines is closed during a block; False if that has already begun."""
        engines = self.engines
        entered = bool(engines.enter())
        try:
            yield entered
        finally:
            if entered:
                engines.leave()

    def close(self) -> None:
        """Free all of it, once nobody keeps it open."""
        with self._lock:
            self.closed = True
            engines = self.engines
        engines.retire()
        engines.close()
        if engines.plain is not None:
            engines.plain.close()
        self._resolved.clear()


class _Bound:
    """A run on certain engines."""

    __slots__ = ("engines", "openvino", "tensorflow")

    def __init__(self, engines: Engines, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> None:
        self.engines = engines
        self.tensorflow = engines.tensorflow(feeds, fetches)
        self.openvino = engines.openvino(feeds, fetches)

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int, calls: int) -> list[Tensor]:
        part = self.openvino
        if part is not None:
            outputs = part.engine.attempt(part.taken(tensors), timeout_ms, calls)
            if outputs is not None:
                return part.given(outputs)
        return self.tensorflow(tensors, timeout_ms)

    def short_for(self, tensors: Sequence[Tensor]) -> bool:
        part = self.openvino
        if part is not None and part.engine.model_for(part.taken(tensors), 1) is not None:
            return part.engine.pace.short_for(elements(tensors))
        return self.tensorflow.short_for(tensors)

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        part = self.openvino
        if part is not None and part.engine.model_for(part.taken(tensors), 1) is not None:
            return part.engine.pace.inline_for(elements(tensors))
        return self.tensorflow.inline_for(tensors)

    @property
    def inline(self) -> bool:
        part = self.openvino
        if part is not None and part.engine.in_service:
            return part.engine.pace.inline
        return self.tensorflow.inline


class EngineRun:
    """One combination of feeds and fetches on the engines that the servable has at the time of a call."""

    def __init__(self, servable: EngineServable, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> None:
        self._servable = servable
        self._tensors = feeds, fetches
        self._bound = self._bind()

    @property
    def inline(self) -> bool:
        """As for ``Run``."""
        return self._now().inline

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        """As for ``Run``."""
        return self._now().inline_for(tensors)

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        """As for ``Run``."""
        bound = self._now()
        while not (calls := bound.engines.enter()):
            bound = self._bind()  # they were replaced between the two
        try:
            return bound(tensors, timeout_ms, calls)
        finally:
            bound.engines.leave()

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        """As for ``Run``."""
        executor = self._servable.executor
        if isinstance(executor, ModelThreads) and self._now().short_for(tensors):
            executor = executor.short
        return executor.submit(self, tensors, timeout_ms)

    def _now(self) -> _Bound:
        bound = self._bound
        if bound.engines is not self._servable.engines:
            bound = self._bound = self._bind()
        return bound

    def _bind(self) -> _Bound:
        """Look the tensors up, inside of the engines that have them: they might be closed in between."""
        while not self._servable.closed:
            engines = self._servable.engines
            if engines.enter():
                try:
                    return _Bound(engines, *self._tensors)
                finally:
                    engines.leave()
        raise AssertionError("a call came after the close")
