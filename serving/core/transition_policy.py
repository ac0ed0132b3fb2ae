"""In which order a model's versions are loaded and unloaded: a pure function from snapshots to at most one decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from serving.core.lifecycle import HarnessState


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One version of a model as a policy sees it; one that is ``held`` must not be loaded yet."""

    version: int
    state: HarnessState
    aspired: bool
    held: bool = False


class Step(Enum):
    """What can be done to a version."""

    LOAD = auto()
    UNLOAD = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Do ``step`` to ``version``."""

    step: Step
    version: int


def availability_preserving(versions: Sequence[Snapshot]) -> Decision | None:
    """Load the new before unloading the old: the last ready version stays until an aspired one is ready.

    The lowest ready version that is no longer aspired is unloaded when nothing is aspired, when an aspired version is
    ready, or when there are several such versions. Otherwise the highest aspired version that was not tried yet and is
    not held is loaded.
    """
    aspired = [version for version in versions if version.aspired]
    superseded = [each.version for each in versions if not each.aspired and each.state is HarnessState.READY]
    ready = any(version.state is HarnessState.READY for version in aspired)
    if superseded and (not aspired or ready or len(superseded) > 1):
        return Decision(step=Step.UNLOAD, version=min(superseded))
    untried = [each.version for each in aspired if each.state is HarnessState.NEW and not each.held]
    return Decision(step=Step.LOAD, version=max(untried)) if untried else None
