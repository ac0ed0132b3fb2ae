"""What the manager asks to be done, and what follows when it fails: values, carried out elsewhere."""

from dataclasses import dataclass
from enum import Enum, auto

from serving.core.servable import Loader, Servable, ServableId
from serving.errors import ServingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Call ``loader`` and report ``loaded`` or ``load_failed``. ``attempt`` counts from 1."""

    id: ServableId
    loader: Loader
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unload:
    """Close ``servable`` and report ``unloaded``. ``unwanted``: it was un-aspired while it loaded and never served.

    ``evicted_for`` is the version for which it makes room.
    """

    id: ServableId
    servable: Servable
    unwanted: bool = False
    evicted_for: ServableId | None = None


Action = Load | Unload


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The loader of a version for which there is no room: it always fails."""

    error: ServingError

    def __call__(self) -> Servable:
        """Raise the error."""
        raise self.error


class AfterFailure(Enum):
    """What follows a failed attempt to load."""

    RETRY = auto()
    EXHAUSTED = auto()
    """It was the last attempt."""
    CANCELLED = auto()
    """The version is no longer aspired."""
    FINAL = auto()
    """A retry would not help."""
    ON_DEMAND = auto()
    """The next request for it is the next attempt."""
