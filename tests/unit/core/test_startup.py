"""When a set of models counts as serving, and how failures are told."""

import pytest

from serving.core.servable import ServableState, State
from serving.core.startup import Progress, Startup, judge
from serving.errors import Code, ServingError
from tests.support import servable_id

WAITING, READY, FAILED = Progress.WAITING, Progress.READY, Progress.FAILED


def at(state: State, version: int = 1, name: str = "m") -> ServableState:
    return ServableState(id=servable_id(version, name), state=state)


def failed(version: int = 1, name: str = "m") -> ServableState:
    return ServableState(id=servable_id(version, name), state=State.END, error=ServingError(Code.NOT_FOUND, "no file"))


CASES = [
    pytest.param({}, READY, id="no-models"),
    pytest.param({"m": []}, WAITING, id="no-versions"),
    pytest.param({"m": [at(State.LOADING)]}, WAITING, id="loading"),
    pytest.param({"m": [at(State.UNLOADING)]}, WAITING, id="unloading"),
    pytest.param({"m": [at(State.AVAILABLE)]}, READY, id="available"),
    pytest.param({"m": [failed()]}, FAILED, id="failed"),
    pytest.param({"m": [failed(2), at(State.AVAILABLE)]}, READY, id="one-version-is-enough"),
    pytest.param({"m": [failed(2), at(State.LOADING)]}, FAILED, id="the-first-finished-version-failed"),
    pytest.param({"m": [at(State.AVAILABLE)], "n": []}, WAITING, id="every-model-counts"),
    pytest.param({"m": [failed()], "n": []}, FAILED, id="one-failure-is-enough"),
    pytest.param({"m": [failed()], "n": [at(State.LOADING, name="n")]}, WAITING, id="others-are-under-way"),
    pytest.param({"m": [failed()], "n": [failed(name="n")]}, FAILED, id="all-have-failed"),
    pytest.param({"m": [failed()], "n": [at(State.AVAILABLE, name="n")]}, FAILED, id="others-are-available"),
]


@pytest.mark.parametrize(("managed", "progress"), CASES)
def test_progress(managed: dict[str, list[ServableState]], progress: Progress) -> None:
    """READY needs an available version of each model; a failure counts once nothing else is under way."""
    assert judge(managed).progress is progress


def test_what_is_missing_is_named() -> None:
    """The highest failed version of each failed model and the names of those without news are told apart."""
    startup = judge({"a": [failed(1, "a"), failed(2, "a")], "b": [at(State.LOADING)], "c": [at(State.AVAILABLE)]})
    assert [state.id for state in startup.failed] == [servable_id(2, "a")]
    assert startup.waiting == ("b",)


def test_failures_come_by_name() -> None:
    """Their order is not that of the configuration, as in TFS."""
    startup = judge({"b": [failed(1, "b")], "a": [failed(1, "a")]})
    assert [state.id.name for state in startup.failed] == ["a", "b"]


def test_reasons_are_worded_as_tfs() -> None:
    """The braces are literal, and each entry ends in a comma and a blank."""
    startup = Startup(progress=FAILED, failed=(failed(1, "a"), failed(2, "b")))
    assert startup.reasons == (
        "{{{name: a version: 1} due to error: NOT_FOUND: no file}, "
        "{{name: b version: 2} due to error: NOT_FOUND: no file}, }"
    )
