"""A step engine on compiled models that only double, and can be poisoned."""

import threading
from collections.abc import Callable, Sequence
from typing import cast

from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.openvino.accepted import Accepted, AcceptedInput
from serving.openvino.body import Body, BodyPlan, InputPlan, OutputPlan
from serving.openvino.compiled import OutOfTimeError, Port
from serving.openvino.library import OpenVinoError
from serving.optimizing.choice import Cell, Engine, Table
from serving.optimizing.step_engine import Models, StepEngine
from serving.servables.run_limits import NO_LIMITS, RunLimits
from tests.support import TIMEOUT_SECONDS, servable_id
from tests.support.models import NO_LIMIT, floats
from tests.support.server_process import wait_until

PLAN = BodyPlan(
    head=(),
    inputs=(InputPlan(Port("in:0", DataType.FLOAT), "x:0"),),
    outputs=(OutputPlan(Port("out:0", DataType.FLOAT), "y:0"),),
    given={},
    accepted=Accepted(inputs=(AcceptedInput(dtype=DataType.FLOAT, sizes=((1, None),), magnitude=100.0),)),
)
LONG_SECONDS = 3600.0
"""A pause that no test sits out."""


class Compiled:
    """Doubles; a negative number poisons it, so that from then on every call fails. ``limits`` are what it got."""

    def __init__(self) -> None:
        self.limits: list[int] = []
        self.closed = 0
        self.released = 0
        self.poisoned = False
        self.meeting: threading.Barrier | None = None

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int = 0) -> list[Tensor]:
        self.limits.append(timeout_ms)
        array = tensors[0].array
        if self.meeting is not None:
            self.meeting.wait(TIMEOUT_SECONDS)
        self.poisoned |= bool((array < 0).any())
        if self.poisoned or self.closed:
            raise OpenVinoError("Exception from src/plugins/intel_cpu/src/node.cpp:794")
        if (array == 99).any():
            raise OutOfTimeError
        return [Tensor(DataType.FLOAT, array * 2)]

    def close(self) -> None:
        self.closed += 1

    def release_pages(self) -> None:
        self.released += 1


class Opening:
    """Opens stand-ins for ``engines``; ``opened`` are all so far. ``reopen`` is done each time after the first."""

    def __init__(self, *engines: Engine, reopen: Callable[[], object] = lambda: None) -> None:
        self.engines = engines
        self.opened: list[dict[Engine, Compiled]] = []
        self._reopen = reopen

    def __call__(self) -> Models:
        if self.opened:
            self._reopen()
        self.opened.append({each: Compiled() for each in self.engines})
        return cast("Models", self.opened[-1])


def cell(rows: int, calls: int, engine: Engine) -> Cell:
    return Cell(rows=rows, calls=calls, engine=engine, plain_milliseconds=2.0, milliseconds=1.0)


ALL = Table(cells=(cell(1, 1, Engine.OPENVINO),))
MIXED = Table(cells=(cell(1, 1, Engine.OPENVINO), cell(1, 4, Engine.OPENVINO_STREAMS), cell(8, 1, Engine.TENSORFLOW)))


class House:
    """A step engine, what it has opened, and how often each engine was counted."""

    def __init__(
        self,
        table: Table = ALL,
        *,
        opening: Opening | None = None,
        limits: RunLimits = NO_LIMITS,
        body: Body | None = None,
        pause_seconds: float = 0.0,
        may_loop: bool = False,
    ) -> None:
        self.opening = opening or Opening(Engine.OPENVINO)
        self.counted: list[Engine] = []
        self.engine = StepEngine(
            servable_id(1),
            body or Body(PLAN, ["x:0"], ["y:0"], None),
            table,
            self.opening,
            limits,
            {each: lambda each=each: self.counted.append(each) for each in table.engines},  # type: ignore[misc]
            may_loop=may_loop,
            pause_seconds=pause_seconds,
        )

    @property
    def first(self) -> Compiled:
        return self.opening.opened[0][Engine.OPENVINO]

    def call(self, *values: float, timeout_ms: int = NO_LIMIT, calls: int = 1) -> list[float] | None:
        outputs = self.engine.attempt([floats(*values)], timeout_ms, calls)
        return None if outputs is None else list(outputs[0].array.tolist())

    def again(self) -> None:
        """Wait until it is in service."""
        wait_until("the engine is in service", lambda: self.engine.in_service)


def reopening() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "openvino-reopening"]


class Refusing:
    """A head that refuses everything."""

    inline = False

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return False

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        raise ServingError(Code.INVALID_ARGUMENT, "head/Reshape")

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> object:
        raise NotImplementedError
