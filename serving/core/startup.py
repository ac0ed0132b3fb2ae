"""Whether a set of models serves yet: a pure function of their versions' states, asked at start and after a reload."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from serving.core.servable import ServableId, ServableState, State


class Progress(Enum):
    """How far a set of models is from serving."""

    WAITING = auto()
    READY = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """READY when each model has an available version, FAILED when one has none and a version of it has failed.

    FAILED waits for the other models' versions that are under way, so that all failures are told at once; it does not
    wait for models without versions. ``failed`` has the highest failed version of each failed model, by name,
    ``waiting`` the names of which nothing has finished.
    """

    progress: Progress
    failed: tuple[ServableState, ...] = ()
    waiting: tuple[str, ...] = ()

    @property
    def reasons(self) -> str:
        """The failed versions as TFS lists them after ``did not become available: ``, outer braces included."""
        return "{" + "".join(f"{{{state.id} due to error: {state.error}}}, " for state in self.failed) + "}"


def judge(managed: Mapping[str, Sequence[ServableState]]) -> Startup:
    """How far the named models are, given the states of those of their versions that are under management now.

    A version that is gone does not count: removing a broken version at start lets the server wait for a good one.
    """
    failed: list[ServableState] = []
    waiting: list[str] = []
    under_way = False
    for name, states in managed.items():
        errors = [state for state in states if state.error is not None]
        if any(state.state is State.AVAILABLE for state in states):
            continue
        if errors:
            failed.append(max(errors, key=lambda state: state.id))
        else:
            waiting.append(name)
            under_way = under_way or bool(states)
    progress = Progress.WAITING if waiting else Progress.READY
    if failed and not under_way:
        progress = Progress.FAILED
    failed.sort(key=lambda state: state.id)
    return Startup(progress=progress, failed=tuple(failed), waiting=tuple(waiting))


def resumed(
    startup: Startup, served: Iterable[ServableId], attempts: Mapping[str, Sequence[ServableState]], *, looked: bool
) -> Startup:
    """How far a process is from serving what others serve, once it has ``looked`` at the base paths.

    ``startup`` is of the models of which these are versions, ``attempts`` of each the versions that ought to serve. One
    of those that is not wanted any more is not waited for, nor is one that has failed beside others that serve.
    """
    if startup.progress is Progress.FAILED:
        return startup
    wanted = {each.id: each for versions in attempts.values() for each in versions}
    under_way = {
        each.name
        for each in served
        if not looked or (each in wanted and wanted[each].state is not State.AVAILABLE and wanted[each].error is None)
    }
    if not under_way:
        # Nothing is left to wait for: a model without a version is one whose directory is empty by now.
        return replace(startup, progress=Progress.READY, waiting=())
    return replace(startup, progress=Progress.WAITING, waiting=tuple(sorted({*startup.waiting, *under_way})))


def settled(attempts: Mapping[str, Sequence[ServableState]], *, looked: bool) -> Startup:
    """How far a process is of a server that has served, and in which nobody else does: READY once all has settled.

    What fails, or has no version, keeps nothing else from being served again.
    """
    waiting = [
        name
        for name, versions in attempts.items()
        if not looked or any(each.state is not State.AVAILABLE and each.error is None for each in versions)
    ]
    return Startup(progress=Progress.WAITING if waiting else Progress.READY, waiting=tuple(waiting))
