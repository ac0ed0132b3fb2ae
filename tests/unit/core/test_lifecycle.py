"""The transition table, cell by cell."""

from itertools import product

import pytest

from serving.core.lifecycle import FINISHED, PUBLIC, TRANSITIONS, Event, Harness, HarnessState, transition
from serving.core.servable import ServableState, State
from serving.errors import Code, ServingError
from tests.support import FakeServable, loads, servable_id

S, E = HarnessState, Event

LIVES = [
    pytest.param([E.LOAD, E.LOADED, E.QUIESCE, E.UNLOAD, E.UNLOADED], S.DISABLED, id="served-and-unloaded"),
    pytest.param([E.LOAD, E.RETRY, E.LOAD, E.LOADED], S.READY, id="loaded-at-the-second-attempt"),
    pytest.param([E.LOAD, E.FAIL], S.ERROR, id="failed"),
    pytest.param([E.LOAD, E.RETRY, E.FAIL], S.ERROR, id="un-aspired-between-attempts"),
    pytest.param([E.LOAD, E.LOADED_UNWANTED, E.UNLOAD, E.UNLOADED], S.ERROR, id="un-aspired-while-loading"),
    pytest.param([E.DROP], S.DISABLED, id="un-aspired-before-loading"),
]


@pytest.mark.parametrize(("events", "end"), LIVES)
def test_life(events: list[Event], end: HarnessState) -> None:
    """Each way through life ends where it should."""
    state = S.NEW
    for event in events:
        state = transition(state, event)
    assert state is end


@pytest.mark.parametrize(
    ("state", "event"),
    [
        pytest.param(state, event, id=f"{state.name}-{event.name}")
        for state, event in product(HarnessState, Event)
        if (state, event) not in TRANSITIONS
    ],
)
def test_what_the_table_lacks_is_an_error(state: HarnessState, event: Event) -> None:
    """An event that cannot happen is refused and leaves the harness where it is."""
    harness = Harness(id=servable_id(1), loader=loads(FakeServable()), state=state)
    with pytest.raises(ServingError, match=f"{state.name} cannot take the event {event.name}") as caught:
        harness.take(event)
    assert (caught.value.code, harness.state) == (Code.INTERNAL, state)


def test_nothing_leaves_a_finished_state() -> None:
    """The finished states are exactly those without a way out."""
    assert set(HarnessState) - {state for state, _ in TRANSITIONS} == FINISHED


def test_every_state_can_be_reached() -> None:
    """No state of the table is dead."""
    assert set(HarnessState) - set(TRANSITIONS.values()) == {S.NEW}


@pytest.mark.parametrize(("state", "event"), list(TRANSITIONS), ids=lambda each: each.name)
def test_public_states_never_go_back(state: HarnessState, event: Event) -> None:
    """Whatever happens, the public state of one harness only moves on."""
    assert PUBLIC[TRANSITIONS[state, event]] >= PUBLIC[state]


@pytest.mark.parametrize("state", list(HarnessState), ids=lambda each: each.name)
def test_an_error_shows_only_at_the_end(state: HarnessState) -> None:
    """A version that is between two attempts looks healthy."""
    error = ServingError(Code.NOT_FOUND, "no such file")
    harness = Harness(id=servable_id(1), loader=loads(FakeServable()), state=state, error=error)
    shown = error if state is S.ERROR else None
    assert harness.public == ServableState(id=servable_id(1), state=PUBLIC[state], error=shown)


def test_public_states() -> None:
    """Only a ready version is available, and one that is being discarded never was."""
    assert [state for state in HarnessState if PUBLIC[state] is State.AVAILABLE] == [S.READY]
    assert PUBLIC[S.DISCARDING] is State.LOADING
