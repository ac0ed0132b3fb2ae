"""What a check has found: one row for a person, who reads it at night. How rows are shown is not known here."""

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad it is; a warning lets the server start."""

    OK = "ok"
    WARNING = "warning"
    FAILS = "fails"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``what`` was looked at, what was ``found`` there, and what to do about it: ``advice``, empty for nothing."""

    level: Level
    what: str
    found: str
    advice: str = ""

    @property
    def sentence(self) -> str:
        """All of it but the level, in one line, for the log."""
        return f"{self.what}: {self.found}" + (f". {self.advice}" if self.advice else "")


def ok(what: str, found: str, advice: str = "") -> Finding:
    """Nothing is wrong with it."""
    return Finding(level=Level.OK, what=what, found=found, advice=advice)


def warning(what: str, found: str, advice: str = "") -> Finding:
    """The server starts, but not as somebody may think."""
    return Finding(level=Level.WARNING, what=what, found=found, advice=advice)


def fails(what: str, found: str, advice: str = "") -> Finding:
    """The server does not start with it, or a model or a door of it is missing."""
    return Finding(level=Level.FAILS, what=what, found=found, advice=advice)


def megabytes(size: int) -> str:
    """A number of bytes for people: in MiB, or in bytes if there are few."""
    return f"{size / 2**20:,.1f} MiB" if size >= 2**16 else f"{size} bytes"
