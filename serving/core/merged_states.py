"""What is known of the models of a server: by its one process, or by several, of which it makes one answer."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from serving.core.servable import ServableId, ServableState, State

_COMING = (State.UNKNOWN, State.START, State.LOADING)


class Known(Protocol):
    """What whoever asks for states is told. Every method may be called from any thread, and blocks for nothing."""

    def states(self, name: str) -> tuple[ServableState, ...]:
        """Every version of ``name`` ever seen, highest first; empty for an unknown name."""
        ...

    def answerable(self, name: str) -> tuple[int, ...]:
        """The versions of ``name`` of which every request can be answered, highest first."""
        ...

    def models(self) -> Sequence[str]:
        """The names of which a version was ever seen."""
        ...


def merged(of_each: Sequence[Iterable[ServableState]]) -> tuple[ServableState, ...]:
    """The states of one model's versions, highest first, from those that each of several processes knows."""
    known: list[Mapping[int, ServableState]] = [{state.id.version: state for state in states} for states in of_each]
    versions = sorted({version for states in known for version in states}, reverse=True)
    return tuple(_one([states.get(version) for states in known]) for version in versions)


def _one(of_each: Sequence[ServableState | None]) -> ServableState:
    """Of one version, which those that say None have not seen: it is to come there, or it had gone before they began.

    It is available if it is so everywhere. What has failed somewhere has failed, what is still to come somewhere is
    still to come, and otherwise it is on its way out.
    """
    there = [state for state in of_each if state is not None]
    for state in there:
        if state.error is not None:
            return state
    first = min(there, key=lambda state: state.state)
    if all(state.state is State.END for state in there) or len({state and state.state for state in of_each}) == 1:
        return first
    coming = [state for state in there if state.state in _COMING]
    if len(there) < len(of_each) and all(state.state in (*_COMING, State.AVAILABLE) for state in there):
        return _as(first.id, State.START)
    return min(coming, key=lambda state: state.state) if coming else _as(first.id, State.UNLOADING)


def _as(servable_id: ServableId, state: State) -> ServableState:
    return ServableState(id=servable_id, state=state)
