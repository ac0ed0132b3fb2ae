"""What the state monitor remembers and whom it tells."""

from serving.core.events import StateMonitor
from serving.core.servable import ServableState, State
from serving.errors import Code, ServingError
from tests.support import servable_id, summary


def state(version: int, state: State, name: str = "m") -> ServableState:
    return ServableState(id=servable_id(version, name), state=state)


def test_highest_version_first() -> None:
    """Versions are listed from the highest number down, in whatever order they came."""
    monitor = StateMonitor()
    for version in (2, 10, 1):
        monitor.publish(state(version, State.START))
    assert summary(monitor.states("m")) == [(10, "START"), (2, "START"), (1, "START")]


def test_a_new_state_replaces_the_old() -> None:
    """A version has one state, the last one published."""
    monitor = StateMonitor()
    monitor.publish(state(1, State.START))
    monitor.publish(state(1, State.LOADING))
    assert summary(monitor.states("m")) == [(1, "LOADING")]


def test_ended_versions_are_remembered() -> None:
    """END stays, with its error."""
    monitor = StateMonitor()
    error = ServingError(Code.NOT_FOUND, "gone")
    monitor.publish(ServableState(id=servable_id(1), state=State.END, error=error))
    monitor.publish(state(2, State.AVAILABLE))
    assert monitor.states("m")[-1].error is error


def test_unknown_model_has_no_states() -> None:
    """A name never seen has no versions and does not become known by asking."""
    monitor = StateMonitor()
    assert (monitor.states("m"), monitor.models()) == ((), ())


def test_models_in_order_of_appearance() -> None:
    """Each model is named once."""
    monitor = StateMonitor()
    for name in ("b", "a", "b"):
        monitor.publish(state(1, State.START, name))
    assert monitor.models() == ("b", "a")


def test_subscribers_hear_changes_in_order() -> None:
    """A subscriber hears each change once, after it can be read, and nothing when nothing changed."""
    monitor = StateMonitor()
    heard: list[tuple[str, str]] = []
    monitor.subscribe(lambda each: heard.append((each.state.name, summary(monitor.states("m"))[0][1])))
    for each in (State.START, State.LOADING, State.LOADING, State.AVAILABLE):
        monitor.publish(state(1, each))
    assert heard == [("START", "START"), ("LOADING", "LOADING"), ("AVAILABLE", "AVAILABLE")]
