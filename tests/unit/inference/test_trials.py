"""Trying requests on a version that is described: what is answered, and that nobody else notices."""

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest

from serving.codecs.protobuf.prediction_log import LogType
from serving.core.model_spec import ModelSpec
from serving.errors import Code, ServingError
from serving.inference.context import RequestContext
from serving.inference.long_call import LongCall
from serving.inference.operations import Operation
from serving.inference.principal import Right
from serving.inference.trials import Trials
from serving.rest.api.open_inference_infer import form as infer_form
from serving.rest.api.tfs import examples_form
from serving.rest.api.tfs_predict import Writers, json_form
from tests.support import ManualClock
from tests.unit.inference.house import FAILING, House

PREDICT = json_form(Writers(as_content=False, exact_digits=False))
CLASSIFY, REGRESS = examples_form(LogType.CLASSIFY), examples_form(LogType.REGRESS)
M = ModelSpec("m")


def described(house: House, write: Callable[[Trials], bytes], address: ModelSpec = M) -> bytes:
    """What comes of it, made in this thread."""
    call = house.service.trials(address, write, RequestContext(door="REST"))
    assert isinstance(call, LongCall)
    return call.here(lambda: False)


def tried(house: House, *tries: Callable[[Trials], bool]) -> list[bool]:
    found: list[bool] = []

    def write(trials: Trials) -> bytes:
        found.extend(each(trials) for each in tries)
        return b""

    described(house, write)
    return found


def predict(body: bytes) -> Callable[[Trials], bool]:
    return lambda trials: trials.predict(PREDICT, body)


def test_what_is_answered() -> None:
    """A good request is; one that the codec, the signature or the model refuses is not."""
    house = House()
    bodies = (
        b'{"instances": [1.0]}',
        b'{"instances": ["x"]}',
        b'{"instances": [1.0], "signature_name": "none"}',
        b'{"instances": [%f]}' % FAILING,
    )
    assert tried(house, *map(predict, bodies)) == [True, False, False, False]


def test_requests_of_the_other_protocol() -> None:
    """Named tensors in and out."""
    body = b'{"inputs": [{"name": "x", "datatype": "%b", "shape": [1], "data": [1.0]}]}'
    infer = infer_form(None, "")
    assert tried(
        House(),
        lambda trials: trials.infer(infer, body % b"FP32"),
        lambda trials: trials.infer(infer, body % b"FP64"),
    ) == [True, False]


def test_requests_of_examples() -> None:
    """By the signatures that are for them."""
    body = b'{"signature_name": "%b", "examples": [{"x": 1.5}]}'
    assert tried(
        House(),
        lambda trials: trials.classify(CLASSIFY, body % b"classify"),
        lambda trials: trials.regress(REGRESS, body % b"regress"),
        lambda trials: trials.regress(REGRESS, body % b"classify"),
    ) == [True, True, False]


def test_nobody_notices() -> None:
    """What is tried is neither counted nor logged, and the version can be unloaded afterwards."""
    house = House()
    house.log.models = {"m": object()}
    before = house.counts()
    assert tried(house, predict(b'{"instances": [1.0]}'), predict(b"{}")) == [True, False]
    assert house.log.kept == []
    assert {key: count - before.get(key, 0) for key, count in house.counts().items()} == {("m", "OK"): 1}
    assert house.is_released()


def test_what_is_known_of_a_version() -> None:
    """Its id and its signatures; it is held meanwhile."""
    house = House()

    def write(trials: Trials) -> bytes:
        assert trials.id.version == 1
        assert trials.signatures.keys() == trials.for_predict.keys() == house.model.signatures.keys()
        assert trials.loaded is house.model
        assert not house.is_released()
        return b"it"

    assert described(house, write, ModelSpec("m", label="stable")) == b"it"


def test_it_is_let_go_when_describing_fails() -> None:
    """Whatever is raised."""
    house = House()
    with pytest.raises(ZeroDivisionError):
        described(house, lambda _: b"%d" % (1 // 0))
    assert house.is_released()


def test_it_is_let_go_when_the_client_goes_first() -> None:
    """Nothing is described for nobody."""
    house = House()
    call = house.service.trials(M, lambda _: b"", RequestContext(door="REST"))
    assert isinstance(call, LongCall)
    call.give_up(ServingError(Code.CANCELLED, "gone"))
    assert house.is_released()


def test_the_right_to_read_is_needed() -> None:
    """As for metadata."""
    asked: list[Right | None] = []
    house = House(admit=lambda context, address, size: asked.append(context.right))
    described(house, lambda _: b"")
    assert asked == [Right.READ]


def test_no_such_version() -> None:
    """The error is that of every request."""
    with pytest.raises(ServingError, match=r"Servable not found for request: Specific\(m, 2\)"):
        described(House(), lambda _: b"", ModelSpec("m", 2))


class Runs:
    """Answers as they are given, and notes what was asked."""

    def __init__(self, *answers: "Future[bytes]") -> None:
        self.answers = list(answers)
        self.limits: list[int] = []

    def __call__(self, operation: Operation | None, form: Any, payload: bytes, timeout_ms: int) -> "Future[bytes]":
        self.limits.append(timeout_ms)
        return self.answers.pop(0)


def failed(error: BaseException) -> "Future[bytes]":
    future: Future[bytes] = Future()
    future.set_exception(error)
    return future


def answered() -> "Future[bytes]":
    future: Future[bytes] = Future()
    future.set_result(b"")
    return future


def test_after_a_run_that_does_not_end_nothing_is_tried() -> None:
    """It is given up, and what is asked afterwards is not asked of the version at all."""
    house, clock = House(), ManualClock(0.0)
    endless = failed(TimeoutError())
    runs = Runs(endless, answered())
    trials = Trials(house.manager.hold("m", None, None), runs, clock)
    ask = partial(trials.predict, PREDICT, b"{}")
    assert [ask(), ask()] == [False, False]
    assert runs.limits == [5000]


def test_time_is_over() -> None:
    """All that is tried of a version has one limit; less is left for the last."""
    house, clock = House(), ManualClock(0.0)
    runs = Runs(answered(), answered(), answered())
    trials = Trials(house.manager.hold("m", None, None), runs, clock)
    ask = partial(trials.predict, PREDICT, b"{}")
    assert ask()
    clock.now = 18.0
    assert ask()
    clock.now = 20.0
    assert not ask()
    assert runs.limits == [5000, 2000]
