"""What loading a version means: the servable of its directory, then every stage that wraps or warms it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from serving.core.servable import Loader, Servable, ServableId

LoadPath = Callable[[Path], Servable]
"""Loads the servable of a version directory, blocking; raises ServingError."""

Stage = Callable[[Servable, ServableId, Path], Servable]
"""Takes a loaded servable and gives what is to be served in its place: itself, or a wrapper that closes it.

Raises ServingError if the version must not be served; the servable is then closed by the loader.
"""


Begins = Callable[[str, int, Path], None]
"""Is told of each load that begins: model, version, path."""


def _unheard(_name: str, _version: int, _path: Path) -> None:
    """Nobody wants to know."""


class Loaders:
    """Makes the loader of each version. ``stages`` run in order, after the load and before the version is available."""

    def __init__(self, load: LoadPath, stages: Sequence[Stage] = (), begins: Begins = _unheard) -> None:
        self._load = load
        self._stages = tuple(stages)
        self._begins = begins

    def __call__(self, name: str, version: int, path: Path) -> Loader:
        """The loader of one version; cheap, for it is made at every scan."""
        return partial(self._load_version, ServableId(name=name, version=version), path)

    def _load_version(self, servable_id: ServableId, path: Path) -> Servable:
        self._begins(servable_id.name, servable_id.version, path)
        servable = self._load(path)
        for stage in self._stages:
            try:
                servable = stage(servable, servable_id, path)
            except BaseException:
                servable.close()
                raise
        return servable
