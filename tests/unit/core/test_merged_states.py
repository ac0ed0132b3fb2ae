"""What several processes that know different things of the same versions are told to say."""

import pytest

from serving.core.merged_states import merged
from serving.core.servable import ServableState, State
from serving.errors import Code, ServingError
from tests.support import servable_id

START, LOADING, AVAILABLE, UNLOADING, END = (
    State.START,
    State.LOADING,
    State.AVAILABLE,
    State.UNLOADING,
    State.END,
)
BROKEN = ServingError(Code.DATA_LOSS, "no model")


def at(state: State | None, version: int = 1) -> tuple[ServableState, ...]:
    """What one process knows; None is nothing."""
    return () if state is None else (ServableState(id=servable_id(version), state=state),)


@pytest.mark.parametrize(
    ("states", "said"),
    [
        pytest.param([AVAILABLE, AVAILABLE], AVAILABLE, id="available-in-all"),
        pytest.param([AVAILABLE, LOADING], LOADING, id="still-loading-in-one"),
        pytest.param([LOADING, START], START, id="the-least-advanced"),
        pytest.param([AVAILABLE, None], START, id="not-found-yet-in-one"),
        pytest.param([UNLOADING, AVAILABLE], UNLOADING, id="one-goes-first"),
        pytest.param([END, AVAILABLE], UNLOADING, id="gone-in-one"),
        pytest.param([END, LOADING], LOADING, id="coming-back"),
        pytest.param([END, END], END, id="gone"),
        pytest.param([END, None], END, id="gone-before-one-began"),
        pytest.param([None, UNLOADING], UNLOADING, id="going-and-never-seen"),
        pytest.param([AVAILABLE, AVAILABLE, START], START, id="three"),
    ],
)
def test_one_version(states: list[State | None], said: State) -> None:
    """It is available if it is so everywhere, whoever says it first."""
    for each in (states, states[::-1]):
        assert [state.state for state in merged([at(state) for state in each])] == [said]


def test_any_error_is_shown() -> None:
    """Though the version serves elsewhere."""
    failed = ServableState(id=servable_id(1), state=END, error=BROKEN)
    assert merged([at(AVAILABLE), (failed,), at(LOADING)]) == (failed,)


def test_versions_of_all_highest_first() -> None:
    """What only one has seen is among them."""
    found = merged([(*at(AVAILABLE, 1), *at(LOADING, 3)), (*at(AVAILABLE, 1), *at(END, 2))])
    assert [(state.id.version, state.state) for state in found] == [(3, START), (2, END), (1, AVAILABLE)]


def test_note_stays() -> None:
    """What is for people is said as it is where nothing has to be made of several states."""
    noted = ServableState(id=servable_id(1), state=AVAILABLE, note="on demand")
    assert merged([(noted,), (noted,)]) == (noted,)
