"""OpenVINO for one step: who runs a call, and what becomes of a failing engine. The compiled models are stand-ins."""

import threading

import pytest

from serving.errors import Code, ServingError
from serving.openvino.body import Body
from serving.openvino.library import OpenVinoError
from serving.optimizing.candidates import NotOptimizedError
from serving.optimizing.choice import Engine
from serving.servables.run_limits import NO_LIMITS, RunLimits
from tests.support import TIMEOUT_SECONDS
from tests.support.models import NO_LIMIT, floats
from tests.unit.optimizing.stepping import LONG_SECONDS, MIXED, PLAN, House, Opening, Refusing, reopening


def test_a_call_is_answered_and_counted() -> None:
    """What is accepted is the engine's."""
    house = House()
    assert house.call(1, 2) == [2, 4]
    assert house.counted == [Engine.OPENVINO]


def test_the_table_decides() -> None:
    """By rows and by the calls at once; a cell of TensorFlow's is not answered here."""
    house = House(MIXED, opening=Opening(Engine.OPENVINO, Engine.OPENVINO_STREAMS))
    assert house.call(1) == [2]
    assert house.call(1, calls=4) == [2]
    assert house.call(*range(8)) is None
    assert house.call(1) == [2]
    assert house.counted == [Engine.OPENVINO, Engine.OPENVINO_STREAMS, Engine.OPENVINO]


@pytest.mark.parametrize("values", [pytest.param((), id="no rows"), pytest.param((101.0,), id="magnitude")])
def test_what_is_not_accepted_is_tensorflows(values: tuple[float, ...]) -> None:
    """It is neither computed nor counted, and nothing is out of service."""
    house = House()
    assert house.call(*values) is None
    assert (house.first.limits, house.counted, house.engine.in_service) == ([], [], True)


def test_out_of_time_is_tensorflows_error() -> None:
    """A call whose time is over is refused in TensorFlow's words, and the engine goes on."""
    house = House()
    with pytest.raises(ServingError) as raised:
        house.call(99, timeout_ms=5)
    assert (raised.value.code, raised.value.text) == (Code.DEADLINE_EXCEEDED, "Timed out waiting for notification")
    assert house.call(1) == [2]
    assert len(house.opening.opened) == 1


@pytest.mark.parametrize(
    ("limits", "given", "expected"),
    [
        pytest.param(NO_LIMITS, NO_LIMIT, 0, id="none"),
        pytest.param(NO_LIMITS, 7, 7, id="the caller's"),
        pytest.param(RunLimits(50), NO_LIMIT, 50, id="the server's"),
        pytest.param(RunLimits(50), 7, 7, id="the shorter is the caller's"),
        pytest.param(RunLimits(50), 500, 50, id="the shorter is the server's"),
    ],
)
def test_time_limits(limits: RunLimits, given: int, expected: int) -> None:
    """--max_run_seconds bounds every call, as with TensorFlow."""
    house = House(limits=limits)
    house.call(1, timeout_ms=given)
    assert house.first.limits == [expected]


def test_short_calls_have_no_limit() -> None:
    """A limit that could not act is not asked for."""
    house = House()
    for _ in range(3):
        house.call(1, timeout_ms=7)
    assert house.first.limits == [7, 7, 0]


def test_what_may_loop_keeps_its_limit() -> None:
    """However short its calls were."""
    house = House(may_loop=True)
    for _ in range(3):
        house.call(1, timeout_ms=7)
    assert house.first.limits == [7, 7, 7]


def test_what_the_head_refuses_the_whole_graph_says() -> None:
    """The head's text names operations that clients have never seen."""
    body = Body(PLAN, ["x:0"], ["y:0"], Refusing())  # type: ignore[arg-type]
    assert House(body=body).call(1) is None


def test_a_failure_is_answered_by_tensorflow(caplog: pytest.LogCaptureFixture) -> None:
    """The engine that failed is closed and opened anew; its words are for the log alone."""
    caplog.set_level("INFO", "serving")
    house = House()
    assert house.call(1) == [2]
    assert house.call(-1) is None
    for thread in reopening():
        thread.join(TIMEOUT_SECONDS)
    assert house.call(3) == [6]
    assert (house.first.closed, len(house.opening.opened)) == (1, 2)
    failed, again = caplog.messages
    assert failed == (
        "OpenVINO failed for servable {name: m version: 1}: TensorFlow answers, and it is opened anew in 0 s: "
        "Exception from src/plugins/intel_cpu/src/node.cpp:794"
    )
    assert again == "OpenVINO serves {name: m version: 1} again"


def test_while_it_is_out_of_service_tensorflow_answers() -> None:
    """A call that is fine is not given to a poisoned engine."""
    house = House(pause_seconds=LONG_SECONDS)
    house.call(-1)
    assert not house.engine.in_service
    assert house.call(1) is None
    assert house.first.limits == [NO_LIMIT]
    house.engine.close()


def test_all_engines_of_the_step_go_out_together() -> None:
    """They are compiled of the same graph; each is closed once, however many calls fail."""
    opening = Opening(Engine.OPENVINO, Engine.OPENVINO_STREAMS)
    house = House(MIXED, opening=opening)
    house.first.meeting = threading.Barrier(8)
    threads = [threading.Thread(target=house.call, args=(-1,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in [*threads, *reopening()]:
        thread.join(TIMEOUT_SECONDS)
    assert len(opening.opened) == 2
    house.engine.close()
    for thread in reopening():
        thread.join(TIMEOUT_SECONDS)
    assert [each.closed for models in opening.opened for each in models.values()] == [1, 1] * len(opening.opened)


def test_what_cannot_be_opened_anew_stays_out(caplog: pytest.LogCaptureFixture) -> None:
    """TensorFlow then serves for good, and a warning says so."""

    def fail() -> None:
        raise OpenVinoError("no memory")

    house = House(opening=Opening(Engine.OPENVINO, reopen=fail))
    house.call(-1)
    for thread in reopening():
        thread.join(TIMEOUT_SECONDS)
    assert (house.engine.in_service, house.call(1)) == (False, None)
    assert caplog.messages[-1] == "OpenVINO cannot be opened anew for servable {name: m version: 1}: no memory"


def test_pauses_grow() -> None:
    """An engine that fails again and again is tried ever more rarely."""
    house = House(pause_seconds=0.001)
    for _ in range(3):
        house.call(-1)
        house.again()
    assert house.engine._pause_seconds == pytest.approx(0.008)


def test_closing_ends_the_pause() -> None:
    """A version that is unloaded meanwhile is not opened anew."""
    house = House(pause_seconds=LONG_SECONDS)
    house.call(-1)
    house.engine.close()
    for thread in reopening():
        thread.join(TIMEOUT_SECONDS)
    assert (len(house.opening.opened), house.first.closed) == (1, 1)


def test_closing_waits_for_what_is_being_opened() -> None:
    """The files that it is opened from are closed next, and it is closed as well."""
    entered, gate = threading.Event(), threading.Event()

    def reopen() -> None:
        entered.set()
        assert gate.wait(TIMEOUT_SECONDS)

    house = House(opening=Opening(Engine.OPENVINO, reopen=reopen))
    house.call(-1)
    assert entered.wait(TIMEOUT_SECONDS)
    closing = threading.Thread(target=house.engine.close)
    closing.start()
    assert closing.is_alive()
    gate.set()
    closing.join(TIMEOUT_SECONDS)
    assert [models[Engine.OPENVINO].closed for models in house.opening.opened] == [1, 1]


def test_closing_frees_each_model_once() -> None:
    """And what calls after that, by mistake, is TensorFlow's."""
    house = House(MIXED, opening=Opening(Engine.OPENVINO, Engine.OPENVINO_STREAMS))
    house.engine.close()
    house.engine.close()
    assert [each.closed for each in house.opening.opened[0].values()] == [1, 1]
    assert house.call(1) is None


def test_first_calls_are_made_before_it_serves() -> None:
    """Each model computes the example twice, and gives the file's pages back."""
    house = House(MIXED, opening=Opening(Engine.OPENVINO, Engine.OPENVINO_STREAMS))
    house.engine.warm_up([floats(1)], [floats(2)], 1e-4)
    assert [(len(each.limits), each.released) for each in house.opening.opened[0].values()] == [(2, 1), (2, 1)]
    assert house.counted == []


def test_first_calls_with_other_answers_are_a_reason() -> None:
    """What was compiled elsewhere may answer otherwise here."""
    with pytest.raises(NotOptimizedError, match="its answers differ by"):
        House().engine.warm_up([floats(1)], [floats(3)], 1e-4)
