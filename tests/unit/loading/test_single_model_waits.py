"""Loads of one model by request: what waits for what, and how waits end."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.core.servable import State
from serving.errors import Code
from tests.support import TIMEOUT_SECONDS, FakeServable, Gate, loads
from tests.unit.loading.single import Single


def test_the_wait_ends_and_the_load_goes_on(single: Single) -> None:
    """Who gives up early leaves a model that comes."""
    gate = single.house.gates["b"] = Gate(loads(FakeServable("b1")))
    code, text = single.refusal("b", timeout=0.0)
    assert (code, text) == (
        Code.DEADLINE_EXCEEDED,
        "Model b is being loaded, but did not become available in time",
    )
    gate.open()
    single.house.watch.wait_for(State.AVAILABLE, 1, "b")


def test_loads_of_the_same_model_wait_together(single: Single) -> None:
    """One load is made, and everybody is answered."""
    gate = single.house.gates["b"] = Gate(loads(FakeServable("b1")))
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(single.load, "b") for _ in range(3)]
        assert gate.entered.wait(TIMEOUT_SECONDS)
        gate.open()
        assert len({call.result(TIMEOUT_SECONDS) for call in calls}) == 1
    assert single.house.watch.states(1, "b") == [State.START, State.LOADING, State.AVAILABLE]


def test_loads_of_the_same_model_fail_together(single: Single) -> None:
    """Each has the error, and none keeps the model."""
    single.house.broken.add("b")
    with ThreadPoolExecutor(4) as pool:
        refusals = {call.result(TIMEOUT_SECONDS) for call in [pool.submit(single.refusal, "b") for _ in range(8)]}
    assert refusals <= {
        (
            Code.FAILED_PRECONDITION,
            "Model b did not become available: {name: b version: 1} due to error: DATA_LOSS: no model",
        ),
        (Code.ABORTED, "Model b was taken out of the list before it was available"),
    }
    assert single.house.models.names == ("a",)


def test_other_models_come_while_one_loads(single: Single) -> None:
    """A load that takes long holds up no other load, no unload and no reload."""
    gate = single.house.gates["b"] = Gate(loads(FakeServable("b1")))
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(single.load, "b")
        assert gate.entered.wait(TIMEOUT_SECONDS)
        single.load("c")
        single.unload("a")
        single.house.reload(single.house.config("b"), single.house.config("c"), single.house.config("a"))
        gate.open()
        assert loading.result(TIMEOUT_SECONDS)
    assert single.house.models.names == ("b", "c", "a")


@pytest.mark.parametrize("end", ["unload", "reload"])
def test_a_model_that_is_taken_out_meanwhile(single: Single, end: str) -> None:
    """The load is ABORTED, and what it loaded never serves."""
    gate = single.house.gates["b"] = Gate(loads(FakeServable("b1")))
    out: Callable[[], object] = (
        (lambda: single.unload("b")) if end == "unload" else lambda: single.house.reload(single.house.config("a"))
    )
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(single.refusal, "b")
        assert gate.entered.wait(TIMEOUT_SECONDS)
        out()
        assert loading.result(TIMEOUT_SECONDS)[0] is Code.ABORTED
    gate.open()
    single.house.watch.wait_for(State.END, 1, "b")
    assert State.AVAILABLE not in single.house.watch.states(1, "b")


def test_the_end_of_the_process_ends_waits(single: Single) -> None:
    """With UNAVAILABLE; a drain is not held up."""
    gate = single.house.gates["b"] = Gate(loads(FakeServable("b1")))
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(single.refusal, "b", None)
        assert gate.entered.wait(TIMEOUT_SECONDS)
        single.house.models.end_waits()
        assert loading.result(TIMEOUT_SECONDS)[0] is Code.UNAVAILABLE
