"""Where a model may be that no list names: directories beside the base paths of those that lists do name."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from serving.configuration import model_config
from serving.configuration.model_config import Configured, ModelConfig
from serving.core.store_url import StoreUrl
from serving.errors import Code, ServingError, first_few
from serving.inference.repository import LoadRequest
from serving.loading.base_paths import BasePaths
from serving.loading.models import Models
from serving.sources.scan import scan, version_number

_ROOT = Path("/")
_LONGEST_SHOWN = 256


class ModelPlaces:
    """Finds the entry for a model that is to be loaded; ``any_base_path`` is --allow_any_base_path."""

    def __init__(self, models: Models, base_paths: BasePaths, *, any_base_path: bool) -> None:
        self._models = models
        self._base_paths = base_paths
        self._any_base_path = any_base_path

    def names(self) -> Sequence[str]:
        """The directories with versions that ``find`` would find; may block on a file system."""
        found = {name for place in self._places() for name in _model_directories(place) if self._allows(place / name)}
        return sorted(found.difference(self._models.names))

    def find(self, request: LoadRequest, *, anywhere: bool) -> ModelConfig:
        """The entry that is in the list, that of the last whole list, or a new one. It opens no file.

        NOT_FOUND if there is no directory, PERMISSION_DENIED for one that may not be named unless ``anywhere``.
        """
        present, listed = self._models.configured or (), self._models.listed or ()
        known = entry(present, request.name) or entry(listed, request.name)
        any_base_path = anywhere or self._any_base_path
        if request.base_path:
            (found,) = model_config.single(request.name, request.base_path)
        else:
            found = known or self._beside(request.name, any_base_path=any_base_path)
        if known is not None and known.base_path == found.base_path:
            return known
        if not any_base_path:
            self._base_paths.check((found,), (*present, *listed), "load")
        return found

    def _beside(self, name: str, *, any_base_path: bool) -> ModelConfig:
        places = self._places()
        for place in places if _is_plain(name) else ():
            if (place / name).is_dir():
                return ModelConfig(name=name, base_path=place / name)
        looked = (
            f"looked in {first_few([str(place) for place in places])}" if places else "there are none to look beside"
        )
        may = "" if any_base_path else ", below the same directories or, with --allow_any_base_path, anywhere"
        raise ServingError(
            Code.NOT_FOUND,
            f"Model {shown(name)} is not configured, and no directory of its name is beside those of other models "
            f"({looked}); the parameter base_path names another{may}",
        )

    def _places(self) -> tuple[Path, ...]:
        """The directories that hold base paths: of the list in effect, then of those that the operator has given."""
        lists: tuple[Configured, ...] = (self._models.configured, self._models.listed, self._base_paths.given)
        paths = [model.base_path for configured in lists for model in configured or ()]
        parents = (path.parent for path in paths if isinstance(path, Path))
        return tuple(dict.fromkeys(parent for parent in parents if parent != _ROOT))

    def _allows(self, path: Path) -> bool:
        try:
            if not self._any_base_path:
                self._base_paths.check((ModelConfig(name=path.name, base_path=path),), self._models.configured)
        except ServingError:
            return False
        return True


def check_versions(model: ModelConfig, *, named: bool) -> None:
    """NOT_FOUND if there is nothing to load, or with ``named`` not all that the policy names."""
    if isinstance(model.base_path, StoreUrl):
        return  # it is asked on a thread of its own, and the load waits for that
    found = scan(model.base_path, model.policy)
    if named and found.absent:
        missing = ", ".join(map(str, found.absent))
        raise ServingError(Code.NOT_FOUND, f"Model {shown(model.name)} has no version {missing} at {model.base_path}")
    if not found.versions:
        text = f"No versions of model {shown(model.name)} found under base path {model.base_path}: {found.notice}"
        raise ServingError(Code.NOT_FOUND, text)


def entry(models: Sequence[ModelConfig], name: str) -> ModelConfig | None:
    """The entry of a model in a list."""
    return next((model for model in models if model.name == name), None)


def shown(name: str) -> str:
    """A name that a client has given, for a text."""
    return name[:_LONGEST_SHOWN]


def _is_plain(name: str) -> bool:
    """Whether a name is that of a directory, and of nothing above or below it."""
    return bool(name) and "/" not in name and "\0" not in name and name not in (".", "..")


def _model_directories(place: Path) -> Iterator[str]:
    """Directories in ``place`` that have a version directory."""
    try:
        with os.scandir(place) as entries:
            yield from sorted(entry.name for entry in entries if entry.is_dir() and _has_version(Path(entry.path)))
    except OSError:
        return


def _has_version(path: Path) -> bool:
    try:
        with os.scandir(path) as entries:
            return any(version_number(entry.name) is not None and entry.is_dir() for entry in entries)
    except OSError:
        return False
