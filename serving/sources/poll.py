"""What every source gives: the versions that ought to be loaded, and lines for the log. It looks for nothing itself."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One line for the log about a model's versions; ``level`` is the logging module's."""

    text: str
    level: int = logging.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What a source found at one moment.

    ``aspired`` has, for each model, all the versions it ought to have and where they are; a model that is not in it
    keeps what it has. ``notices`` are the lines that the poll before did not have.
    """

    aspired: Mapping[str, Mapping[int, Path]]
    notices: tuple[Notice, ...] = ()


class Source(Protocol):
    """Says which versions ought to be loaded."""

    def poll(self) -> Poll:
        """Look again; may block on a file system."""
        ...
