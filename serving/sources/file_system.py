"""The file-system source: each configured model's base path, looked at again on every poll.

It finds version directories and says so; it neither loads them nor decides when to look.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from serving.core.lifecycle import ReservationError
from serving.core.servable import Servable, ServableId
from serving.core.version_policy import Latest, VersionPolicy
from serving.errors import Code
from serving.sources.poll import Notice, Poll
from serving.sources.scan import Scan, scan


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPath:
    """Where a model's versions are, and which of them ought to be served."""

    base_path: Path
    policy: VersionPolicy = field(default_factory=Latest)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotADirectory:
    """The loader of a version that is a file: it always fails, with TFS's text."""

    id: ServableId
    path: Path

    def __call__(self) -> Servable:
        """Raise ReservationError, FAILED_PRECONDITION (docs/models.md, "Version directories")."""
        raise ReservationError(
            Code.FAILED_PRECONDITION,
            f"Error while attempting to reserve resources to load servable {self.id}: {self.path}; Not a directory",
        )


def reservable(path: Path) -> bool:
    """Whether a version's path may be loaded; only a file may not. What cannot be told is left to the loader."""
    try:
        return not path.is_file()
    except OSError:
        return True


class FileSystemSource:
    """Aspires what the base paths of its models hold. ``replace`` may be called from any thread, ``poll`` from one.

    A base path that cannot be read leaves its model as it is, and other models go on; one that can be read and has no
    versions has its model unloaded. A model that was taken out is aspired empty from then on.
    """

    def __init__(self, models: Mapping[str, ModelPath]) -> None:
        self._lock = Lock()
        self._models = dict(models)
        self._removed: frozenset[str] = frozenset()
        self._said: dict[str, tuple[Notice, ...]] = {}

    def replace(self, models: Mapping[str, ModelPath]) -> None:
        """Configure exactly ``models`` from the next poll on."""
        with self._lock:
            self._removed = (self._removed | self._models.keys()) - models.keys()
            self._models = dict(models)

    def poll(self) -> Poll:
        """Scan every base path; a notice is given once, and again only after it went away or changed."""
        with self._lock:
            models, removed = self._models, self._removed
        aspired: dict[str, Mapping[int, Path]] = {name: {} for name in removed}
        said: dict[str, tuple[Notice, ...]] = {}
        for name, model in models.items():
            found = scan(model.base_path, model.policy)
            if found.versions is not None:
                aspired[name] = found.versions
            said[name] = tuple(_notices(name, model.base_path, found))
        before, self._said = self._said, said
        return Poll(
            aspired=aspired,
            notices=tuple(each for name in said for each in said[name] if each not in before.get(name, ())),
        )


def _notices(name: str, base_path: Path, found: Scan) -> Iterator[Notice]:
    for version, taken, ignored in found.duplicates:
        yield Notice(
            text=f"Duplicate version directories detected. Version {version} will be loaded from {taken}, "
            f"{ignored} will be ignored."
        )
    for version in found.absent:
        yield Notice(
            text=f"Version {version} of servable {name}, which was requested to be served as a 'specific' version in "
            "the servable's version policy, was not found in the file system"
        )
    if found.versions is None:
        text = f"Could not find base path {base_path} for servable {name}: {found.notice}"
        yield Notice(text=text, level=logging.ERROR)
    elif found.notice is not None:
        yield Notice(text=f"No versions of servable {name} found under base path {base_path}: {found.notice}")
