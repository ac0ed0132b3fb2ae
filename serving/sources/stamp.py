"""One look at the files of a version directory: whether they are the same as before, and when the last one changed.

Nothing is opened, and links are followed: what counts is what a load would read.
"""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a version directory looked like. Two that are equal mean that nothing changed in between.

    ``changed_ns`` is when the youngest file or directory changed, in nanoseconds of the wall clock of whoever keeps
    the files; ``youngest`` is its path below the directory.
    """

    changed_ns: int
    youngest: str
    entries: int

    @property
    def shown(self) -> str:
        """The youngest file, for a sentence."""
        return self.youngest if self.youngest != "." else "the directory itself"


def stamp(path: Path) -> Stamp:
    """Look at a version directory, or at the file in its place. What cannot be looked at is part of what is seen."""
    changed_ns, youngest = 0, "."
    seen = []
    for name, status in _walk(path):
        seen.append((name, status))
        # Copying tools set mtime back when a file is done; ctime shows that it was just now.
        # A directory that is put in place whole, by a rename, has a new ctime and nothing new in it.
        at = 0 if status is None else status.mtime_ns if name == "." else max(status.mtime_ns, status.ctime_ns)
        if at > changed_ns:
            changed_ns, youngest = at, name
    return Stamp(changed_ns=changed_ns, youngest=youngest, entries=hash(tuple(sorted(seen, key=lambda each: each[0]))))


@dataclass(frozen=True, slots=True)
class _Status:
    device: int
    inode: int
    mode: int
    size: int
    mtime_ns: int
    ctime_ns: int


def _walk(path: Path) -> Iterator[tuple[str, _Status | None]]:
    """Everything below a path by its relative name, itself included; None for what cannot be looked at."""
    waiting = ["."]
    entered: set[tuple[int, int]] = set()  # a link may lead back up
    while waiting:
        name = waiting.pop()
        status = _status(path / name)
        yield name, status
        if status is None or not stat.S_ISDIR(status.mode) or (status.device, status.inode) in entered:
            continue
        entered.add((status.device, status.inode))
        waiting.extend(str(Path(name) / child) for child in _children(path / name))


def _status(path: Path) -> _Status | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return _Status(found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _children(path: Path) -> list[str]:
    try:
        return [child.name for child in path.iterdir()]
    except OSError:
        return []
