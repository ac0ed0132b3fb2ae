"""OpenVINO for one step of a version that is being served: who runs a call, and what happens when the engine fails.

After a failing call a compiled model may fail every later one. So the first failure takes it out of service, TensorFlow
answers, and it is opened anew from what was compiled.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from serving.core.servable import ServableId
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError
from serving.openvino.body import Body
from serving.openvino.compiled import CompiledModel, OutOfTimeError
from serving.openvino.library import OpenVinoError
from serving.optimizing.choice import Engine, Table
from serving.optimizing.comparing import check_answers
from serving.servables.pace import Pace, PaceOfLoops, elements
from serving.servables.run_limits import RunLimits
from serving.telemetry.log import logger

Models = Mapping[Engine, CompiledModel]
Count = Callable[[], object]

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 300.0
MOST_SHAPES = 32
"""Shapes of inputs of which OpenVINO runs calls: it keeps some megabytes for each. Others that come later are
TensorFlow's, which keeps nothing."""

_OUT_OF_TIME = "Timed out waiting for notification"
"""TensorFlow's text for a run whose time is over."""


class EngineObserver(Protocol):
    """Is told by model and version what engines do."""

    def engine_calls(self, model: str, version: int, engine: str) -> Count:
        """What counts one call on an engine."""

    def engine_chosen(
        self, model: str, version: int, signature: str, rows: int, calls: int, engine: str, micros: int
    ) -> None:
        """An engine runs such calls from now on."""


class StepEngine:
    """Runs the step's calls that are OpenVINO's. Thread-safe. ``reopen`` opens the compiled models anew.

    ``count`` is called for each call that an engine has answered. ``pause_seconds`` pass between the first failure and
    the opening anew, and twice as many each time after that.
    """

    def __init__(
        self,
        servable_id: ServableId,
        body: Body,
        table: Table,
        reopen: Callable[[], Models],
        limits: RunLimits,
        count: Mapping[Engine, Count],
        *,
        may_loop: bool,
        pause_seconds: float = _FIRST_PAUSE_SECONDS,
    ) -> None:
        self._servable_id = servable_id
        self._body = body
        self._table = table
        self._reopen = reopen
        self._limits = limits
        self._count = count
        self._models: Models = reopen()
        self._shapes: set[tuple[tuple[int, ...], ...]] = set()
        self._chosen: dict[tuple[int, int], Engine] = {}
        self._pause_seconds = pause_seconds
        self._lock = threading.Lock()
        self._reopening = threading.Lock()
        self._closed = threading.Event()
        self.pace = PaceOfLoops() if may_loop else Pace()

    @property
    def in_service(self) -> bool:
        """Whether no failure has taken it out of service."""
        return bool(self._models)

    def model_for(self, tensors: Sequence[Tensor], calls: int) -> tuple[Engine, CompiledModel] | None:
        """Who of OpenVINO runs this call, one of ``calls`` at once; None if it is TensorFlow's."""
        models = self._models
        if not models or not self._body.fits(tensors):
            return None
        shape = tensors[0].array.shape
        key = (shape[0] if shape else 1), calls
        engine = self._chosen.get(key)
        if engine is None:
            engine = self._table.engine(*key)
            if len(self._chosen) < 1000:
                self._chosen[key] = engine
        model = models.get(engine)
        return (engine, model) if model is not None and self._knows_shapes(tensors) else None

    def _knows_shapes(self, tensors: Sequence[Tensor]) -> bool:
        """Whether these shapes are among the first that came: kernels are made for each, and memory is finite."""
        shapes = tuple([tensor.array.shape for tensor in tensors])
        if shapes in self._shapes:
            return True
        if len(self._shapes) < MOST_SHAPES:
            self._shapes.add(shapes)
            return True
        return False

    def attempt(self, tensors: Sequence[Tensor], timeout_ms: int, calls: int) -> list[Tensor] | None:
        """The step's fetches, or None if TensorFlow has to be asked. Raises ServingError when the time is over."""
        chosen = self.model_for(tensors, calls)
        if chosen is None:
            return None
        engine, model = chosen
        size = elements(tensors)
        if timeout_ms <= self._limits.unlimited or self.pace.inline_for(size):
            timeout_ms = 0
        else:
            timeout_ms = self._limits.milliseconds(timeout_ms)
        began = time.perf_counter()
        try:
            outputs = self._body(model, tensors, timeout_ms)
        except OutOfTimeError:
            raise ServingError(Code.DEADLINE_EXCEEDED, _OUT_OF_TIME) from None
        except OpenVinoError as error:
            self._take_out(model, error)
            return None
        except ServingError:  # of the head: the whole graph says it in the words that clients know
            return None
        if outputs is not None:
            self.pace.note(size, time.perf_counter() - began)
            self._count[engine]()
        return outputs

    def warm_up(self, example: Sequence[Tensor], answers: Sequence[Tensor], tolerance: float) -> None:
        """The first calls, which pack the weights; NotOptimizedError if their answers are not ``answers``."""
        for model in self._models.values():
            for _ in range(2):
                outputs = self._body(model, example, 0)
                if outputs is not None:
                    check_answers(answers, outputs, tolerance)
            model.release_pages()

    def close(self) -> None:
        """Free the models; what is being opened anew is waited for, for it reads files that are closed next."""
        self._closed.set()
        with self._reopening, self._lock:
            models, self._models = self._models, {}
        for model in models.values():
            model.close()

    def _take_out(self, failed: CompiledModel, error: OpenVinoError) -> None:
        with self._lock:
            models = self._models
            if failed not in models.values():
                return  # another call has done it
            self._models = {}
        logger.warning(
            "OpenVINO failed for servable %s: TensorFlow answers, and it is opened anew in %.0f s: %s",
            self._servable_id,
            self._pause_seconds,
            error,
        )
        threading.Thread(target=self._put_back, args=(models,), name="openvino-reopening", daemon=True).start()

    def _put_back(self, former: Models) -> None:
        for model in former.values():
            model.close()
        if self._closed.wait(self._pause_seconds):
            return
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)
        with self._reopening:
            if self._closed.is_set():
                return
            try:
                models = self._reopen()
            except OpenVinoError as error:
                logger.warning("OpenVINO cannot be opened anew for servable %s: %s", self._servable_id, error)
                return
            with self._lock:
                self._models = models
        logger.info("OpenVINO serves %s again", self._servable_id)
