"""Directories that the server writes to, where a flag names them: looked at, not made."""

import os
from collections.abc import Iterator
from pathlib import Path

from serving.doctor.finding import Finding, fails, ok, warning
from serving.doctor.reading import who
from serving.settings import Settings


def look(settings: Settings) -> Iterator[Finding]:
    """A row for each that a flag names. Without request logs the server does not start, without the cache it does."""
    if settings.request_log_directory:
        what = f"--request_log_directory={settings.request_log_directory}"
        wrong = _unwritable(Path(settings.request_log_directory))
        yield fails(what, *wrong) if wrong else ok(what, "can be written to")
    if settings.optimize_cache_dir and settings.optimize != "off":
        what = f"--optimize_cache_dir={settings.optimize_cache_dir}"
        wrong = _unwritable(Path(settings.optimize_cache_dir))
        if wrong:
            yield warning(what, f"{wrong[0]}: nothing is kept between starts", wrong[1])
        else:
            yield ok(what, "can be written to")


def _unwritable(directory: Path) -> tuple[str, str] | None:
    """Why nothing can be written there, and what to do; None if all is well, the making of it included."""
    there = next(each for each in (directory, *directory.parents) if os.path.lexists(each))
    if not there.is_dir():
        return f"{there} is no directory", "Name another one."
    if not os.access(there, os.W_OK | os.X_OK, effective_ids=True):
        if there == directory:
            return f"{who()} may not write to it", f"chown {os.geteuid()} {there}, or mount a volume there."
        return f"{who()} may not make it in {there}", f"Make it beforehand, for {who()}, or mount a volume there."
    return None
