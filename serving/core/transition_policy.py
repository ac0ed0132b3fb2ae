"""In which order a model's versions are loaded and unloaded: pure functions from snapshots to at most one decision."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from serving.core.lifecycle import FINISHED, HarnessState


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One version of a model as a policy sees it."""

    version: int
    state: HarnessState
    aspired: bool


class Step(Enum):
    """What can be done to a version."""

    LOAD = auto()
    UNLOAD = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Do ``step`` to ``version``."""

    step: Step
    version: int


TransitionPolicy = Callable[[Sequence[Snapshot]], Decision | None]
"""Given every version of one model, what to do next; None when there is nothing to do."""


def availability_preserving(versions: Sequence[Snapshot]) -> Decision | None:
    """Load the new before unloading the old: the last ready version stays until an aspired one is ready.

    The lowest ready version that is no longer aspired is unloaded when nothing is aspired, when an aspired version is
    ready, or when there are several such versions. Otherwise the highest aspired version not yet tried is loaded.
    """
    aspired = [version for version in versions if version.aspired]
    superseded = _superseded(versions)
    ready = any(version.state is HarnessState.READY for version in aspired)
    if superseded and (not aspired or ready or len(superseded) > 1):
        return Decision(step=Step.UNLOAD, version=min(superseded))
    return _load_highest(versions)


def resource_preserving(versions: Sequence[Snapshot]) -> Decision | None:
    """Unload the old before loading the new: two versions are never in memory for one that is aspired."""
    superseded = _superseded(versions)
    if superseded:
        return Decision(step=Step.UNLOAD, version=min(superseded))
    if any(not version.aspired and version.state not in FINISHED for version in versions):
        return None
    return _load_highest(versions)


def _superseded(versions: Sequence[Snapshot]) -> list[int]:
    return [each.version for each in versions if not each.aspired and each.state is HarnessState.READY]


def _load_highest(versions: Sequence[Snapshot]) -> Decision | None:
    untried = [each.version for each in versions if each.aspired and each.state is HarnessState.NEW]
    return Decision(step=Step.LOAD, version=max(untried)) if untried else None
