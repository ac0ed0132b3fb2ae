"""What the manager asks to be done, and what follows when it fails: values, carried out elsewhere."""

from dataclasses import dataclass
from enum import Enum, auto

from serving.core.servable import Loader, Servable, ServableId


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Call ``loader`` and report ``loaded`` or ``load_failed``. ``attempt`` counts from 1."""

    id: ServableId
    loader: Loader
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unload:
    """Close ``servable`` and report ``unloaded``. ``unwanted``: it was un-aspired while it loaded and never served."""

    id: ServableId
    servable: Servable
    unwanted: bool = False


Action = Load | Unload


class AfterFailure(Enum):
    """What follows a failed attempt to load."""

    RETRY = auto()
    EXHAUSTED = auto()
    """It was the last attempt."""
    CANCELLED = auto()
    """The version is no longer aspired."""
    FINAL = auto()
    """A retry would not help."""
