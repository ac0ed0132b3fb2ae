"""A version on real OpenVINO beside real TensorFlow: who answers, and what a failing call leaves behind."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.openvino import library
from serving.openvino.accepted import Accepted, AcceptedInput
from serving.openvino.body import Body, BodyPlan, InputPlan, OutputPlan
from serving.openvino.compiled import CompiledModel
from serving.optimizing.candidates import Group, Step
from serving.optimizing.choice import Cell, Engine, Table
from serving.optimizing.engine_servable import Engines, EngineServable, StepEngines
from serving.optimizing.step_engine import StepEngine
from serving.protos import ConfigProto
from serving.servables import libtensorflow
from serving.servables.run_limits import run_limits
from serving.servables.saved_model import SavedModelServable
from serving.servables.session import open_graph
from serving.servables.threads import ModelThreads
from tests.server.openvino.small_graphs import SETTINGS, WIDTH, X, Y, compiled, dense, floats, folded
from tests.support import TIMEOUT_SECONDS, servable_id
from tests.support.models import NO_LIMIT
from tests.support.server_process import wait_until

STEP = Step(("x:0",), ("y:0",))
ALWAYS = Table(cells=(Cell(rows=1, calls=1, engine=Engine.OPENVINO, plain_milliseconds=2.0, milliseconds=1.0),))
BAD = floats(1, WIDTH - 1)
"""What cannot be folded into rows; the checks that would keep it from OpenVINO are off here."""
GOOD = floats(6, WIDTH)


class House:
    """One step on both engines. ``counted`` are the calls that OpenVINO has answered."""

    def __init__(self, graph: bytes, blob: int, sizes: tuple[tuple[int, int | None], ...]) -> None:
        config, limits = run_limits(ConfigProto())
        self.pool = ModelThreads(4, limits)
        self.plain = SavedModelServable(
            open_graph(libtensorflow.load(), graph, config.SerializeToString()), {}, self.pool
        )
        self.counted: list[Engine] = []
        plan = BodyPlan(
            head=(),
            inputs=(InputPlan(X, "x:0"),),
            outputs=(OutputPlan(Y, "y:0"),),
            given={},
            accepted=Accepted(inputs=(AcceptedInput(dtype=DataType.FLOAT, sizes=sizes),)),
        )
        self.opened: list[CompiledModel] = []
        self.openvino = StepEngine(
            servable_id(1),
            Body(plan, *STEP, None),
            ALWAYS,
            lambda: {Engine.OPENVINO: self._open(blob)},
            limits,
            {Engine.OPENVINO: lambda: self.counted.append(Engine.OPENVINO)},
            may_loop=True,  # so that a time limit counts from the first call on, as for long calls
            pause_seconds=0.0,
        )
        self.servable = EngineServable(self.plain)
        group = Group(step=STEP, signatures=("s",))
        engines = Engines(self.plain, [StepEngines(group=group, openvino=self.openvino)], self.openvino.close)
        self.servable.adopt(engines)
        self.run = self.servable.resolve(*STEP)

    def _open(self, blob: int) -> CompiledModel:
        self.opened.append(CompiledModel(library.load(), SETTINGS, blob, [X], [Y]))
        return self.opened[-1]

    def as_saved(self, tensor: Tensor) -> Tensor:
        """What TensorFlow answers."""
        return self.plain.resolve(*STEP)([tensor], NO_LIMIT)[0]

    def error(self, tensor: Tensor, timeout_ms: int = NO_LIMIT) -> tuple[Code, str]:
        """What a call raises."""
        with pytest.raises(ServingError) as raised:
            self.run([tensor], timeout_ms)
        return raised.value.code, raised.value.text

    def close(self) -> None:
        self.servable.close()
        self.pool.shutdown()


def close_to(one: Tensor, other: Tensor) -> bool:
    return one.array.shape == other.array.shape and np.allclose(one.array, other.array, atol=1e-4)


@pytest.fixture
def house() -> Iterator[House]:
    """A model that refuses some sizes, all of which come to OpenVINO."""
    with compiled(folded()) as blob:
        made = House(folded(), blob, ((0, None), (0, None)))
        yield made
        made.close()


def test_openvino_answers(house: House) -> None:
    """What it may, as TensorFlow does, and is counted."""
    assert close_to(house.run([GOOD], NO_LIMIT)[0], house.as_saved(GOOD))
    assert house.counted == [Engine.OPENVINO]


def test_a_failing_call_gets_tensorflows_error(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Its code and its text, to the byte; OpenVINO's is in the log alone."""
    with pytest.raises(ServingError) as raised:
        house.as_saved(BAD)
    code, text = house.error(BAD)
    assert (code, text) == (raised.value.code, raised.value.text)
    assert code is Code.INVALID_ARGUMENT
    assert "openvino" not in text.lower()
    assert "src/" in caplog.text
    assert house.counted == []


def test_between_two_good_calls_of_others(house: House) -> None:
    """Whoever calls beside it is answered, before, during and after it is opened anew; then OpenVINO serves again."""
    expected = house.as_saved(GOOD)
    stop = threading.Event()

    def calling() -> int:
        count = 0
        while not stop.is_set():
            assert close_to(house.run([GOOD], NO_LIMIT)[0], expected)
            count += 1
        return count

    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(calling) for _ in range(3)]
        for failures in range(1, 4):
            wait_until("OpenVINO serves", lambda: house.openvino.in_service)
            before = len(house.counted)
            wait_until("it answers others", lambda before=before: len(house.counted) > before)  # type: ignore[misc]
            assert house.error(BAD)[0] is Code.INVALID_ARGUMENT
            wait_until("it was opened anew", lambda count=failures + 1: len(house.opened) == count)  # type: ignore[misc]
        wait_until("OpenVINO serves", lambda: house.openvino.in_service)
        stop.set()
        assert all(each.result(TIMEOUT_SECONDS) for each in others)
    before = len(house.counted)
    assert close_to(house.run([GOOD], NO_LIMIT)[0], expected)
    assert len(house.counted) == before + 1


def test_no_rows_are_tensorflows() -> None:
    """A batch of nothing, which the signature's sizes let through, is never OpenVINO's."""
    with compiled(dense()) as blob:
        house = House(dense(), blob, ((1, None), (WIDTH, WIDTH)))
        nothing = floats(0, WIDTH)
        assert house.run([nothing], NO_LIMIT)[0].array.shape == (0, WIDTH)
        assert house.counted == []
        assert close_to(house.run([GOOD], NO_LIMIT)[0], house.as_saved(GOOD))
        assert house.counted == [Engine.OPENVINO]
        house.close()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(floats(2, WIDTH + 1), id="size"),
        pytest.param(floats(WIDTH), id="rank"),
        pytest.param(Tensor(DataType.INT32, np.zeros((2, WIDTH), np.int32)), id="type"),
    ],
)
def test_what_does_not_fit_is_tensorflows(wrong: Tensor) -> None:
    """Its errors are those of the graph as saved, and OpenVINO never sees it."""
    with compiled(dense()) as blob:
        house = House(dense(), blob, ((1, None), (WIDTH, WIDTH)))
        with pytest.raises(ServingError) as raised:
            house.as_saved(wrong)
        assert house.error(wrong) == (raised.value.code, raised.value.text)
        assert house.openvino.in_service
        house.close()


LONG, ROWS = dense(512, 40), floats(512, 512)


def test_out_of_time_is_the_same_error_on_both() -> None:
    """Code and text are TensorFlow's, and both engines go on."""
    with compiled(LONG) as blob:
        house = House(LONG, blob, ((1, None), (512, 512)))
        run = house.plain.resolve(*STEP)
        run([ROWS], NO_LIMIT)
        with pytest.raises(ServingError) as raised:
            run([ROWS], 1)
        house.run([ROWS], NO_LIMIT)
        assert house.error(ROWS, timeout_ms=1) == (raised.value.code, raised.value.text)
        assert (house.openvino.in_service, len(house.opened)) == (True, 1)
        assert close_to(house.run([floats(2, 512)], NO_LIMIT)[0], house.as_saved(floats(2, 512)))
        house.close()


def test_nothing_is_left_open() -> None:
    """Failures and changes of engine included."""
    counts = []
    for _ in range(3):
        with compiled(folded()) as blob:
            house = House(folded(), blob, ((0, None), (0, None)))
            house.run([GOOD], NO_LIMIT)
            house.error(BAD)
            wait_until("OpenVINO serves", lambda house=house: house.openvino.in_service)  # type: ignore[misc]
            house.close()
        counts.append(len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - only their number counts
    assert counts[1] == counts[2]
