"""Where the configured models' versions come from: directories of this machine, and object stores for those in one.

Nothing of the stores is imported before a model is in one.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from serving.configuration.model_config import ModelConfig
from serving.core.lifecycle import HarnessState
from serving.core.manager import Manager
from serving.core.store_url import StoreUrl
from serving.errors import Code, ConfigurationError
from serving.sources.file_system import FileSystemSource, ModelPath
from serving.sources.poll import Poll
from serving.sources.stamp import Stamp, stamp
from serving.telemetry.readings import Reading

if TYPE_CHECKING:
    from serving.stores.source import StoreSource


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFlags:
    """What flags say of object stores; ``cache`` is where versions are fetched to, empty for the usual place."""

    cache: str = ""
    poll_seconds: float = 30.0
    settle_seconds: float = 0.0
    answer_seconds: float = 30.0

    @property
    def directory(self) -> Path:
        """``cache``, or a directory for this user below that for temporary files."""
        if self.cache:
            return Path(self.cache).absolute()
        import os
        import tempfile  # only for who has a model in a store: it looks for a directory that can be written to

        return Path(tempfile.gettempdir()) / f"tensorflow-serving-models-{os.geteuid()}"


class Sources:
    """Both kinds as one source. ``changed`` is called, on any thread, when a poll would find something new.

    ``on_death`` is told when a thread that follows a store dies.
    """

    def __init__(
        self,
        manager: Manager,
        flags: StoreFlags | None,
        changed: Callable[[], None],
        on_death: Callable[[BaseException], None],
    ) -> None:
        self._manager = manager
        self._flags = flags or StoreFlags()
        self._cache: Path | None = None
        self._changed = changed
        self._on_death = on_death
        self._directories = FileSystemSource({})
        self._stores: StoreSource | None = None

    def replace(self, configured: Iterable[ModelConfig]) -> None:
        """Configure exactly these models from the next poll on."""
        paths = {
            model.name: ModelPath(base_path=model.base_path, policy=model.policy)
            for model in configured
            if isinstance(model.base_path, Path)
        }
        urls = {model.name: model for model in configured if isinstance(model.base_path, StoreUrl)}
        if urls or self._stores is not None:
            self._follow(urls)
        self._directories.replace(paths)

    def poll(self) -> Poll:
        """As ``Source``. It waits for file systems alone."""
        found = self._directories.poll()
        if self._stores is None:
            return found
        stores = self._stores.poll()
        # A model that has moved is not one that was taken out.
        kept = {name: each for name, each in found.aspired.items() if each or name not in self._stores.names()}
        moved = {name: each for name, each in stores.aspired.items() if each or name not in kept}
        return Poll(aspired={**kept, **moved}, notices=found.notices)

    def stamp_of(self, path: Path) -> Stamp:
        """What a version's files look like; those in the cache were checked, and change no more."""
        if self._cache is not None and self._cache in path.parents:
            return Stamp(changed_ns=0, youngest=".", entries=hash(path))
        return stamp(path)

    def shown(self, name: str) -> str:
        """What a model's store does at this moment, for a sentence; empty if there is nothing to tell."""
        return "" if self._stores is None else self._stores.shown(name)

    def is_asking(self, name: str) -> bool:
        """Whether nothing is known yet of a model in a store, and nothing has gone wrong either."""
        return self._stores is not None and self._stores.is_asking(name)

    def readings(self) -> Iterator[Reading]:
        """For the metrics page."""
        if self._stores is not None:
            yield from self._stores.readings()

    def close(self) -> None:
        """Follow stores no more."""
        if self._stores is not None:
            self._stores.close()

    def _follow(self, urls: Mapping[str, ModelConfig]) -> None:
        from serving.stores.source import StoreOptions, StorePath, StoreSource

        if self._stores is None:
            from serving.stores.follower import InUse

            flags = self._flags
            self._cache = flags.directory
            options = StoreOptions(
                cache=self._cache,
                poll_seconds=flags.poll_seconds,
                settle_seconds=flags.settle_seconds,
                answer_seconds=flags.answer_seconds,
            )
            self._stores = StoreSource(options, InUse(self._managed, self._fixed), self._changed, self._on_death)
        self._stores.replace(
            {
                name: StorePath(url=model.base_path, policy=model.policy)
                for name, model in urls.items()
                if isinstance(model.base_path, StoreUrl)
            }
        )

    def _managed(self, name: str) -> Collection[int]:
        return {each.version for each in self._manager.versions() if each.name == name}

    def _fixed(self, name: str) -> Collection[int]:
        unserved = self._manager.unserved()
        loose = {
            each.version for each, state in unserved.items() if state is not HarnessState.LOADING and each.name == name
        }
        return set(self._managed(name)) - loose


def check(configured: Iterable[ModelConfig]) -> None:
    """Raise ConfigurationError for a base path in a store whose package is not installed."""
    for model in configured:
        if isinstance(model.base_path, StoreUrl):
            from serving.stores.opening import missing

            lacking = missing(model.base_path)
            if lacking:
                raise ConfigurationError(
                    Code.FAILED_PRECONDITION, f"Model {model.name} has base_path()={model.base_path}: {lacking}"
                )
