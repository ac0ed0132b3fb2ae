"""A start's wait for its models: when it has become long, and what for, in a sentence for whoever asks meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

from serving.configuration.model_config import ModelConfig
from serving.core.servable import State
from serving.core.store_url import StoreUrl
from serving.errors import first_few
from serving.loading.models import Models
from serving.sources.scan import version_number

_PATIENCE_SECONDS = 10.0
"""For which a start waits for a change of some model before it looks for what is wrong."""
_LOOK_SECONDS = 1.0
"""How old what is said of the wait may be."""


def waits_for(models: Models) -> str:
    """Of each model of which no version serves, why; empty if there is none. It reads directories."""
    told = why_waiting(models).values()
    return f"Waiting for {'; for '.join(told)}" if told else ""


def why_waiting(models: Models) -> Mapping[str, str]:
    """The same by model: what each waits for."""
    waiting = set(models.startup().waiting)
    return {model.name: _waits_for(models, model) for model in models.configured or () if model.name in waiting}


def _waits_for(models: Models, model: ModelConfig) -> str:
    loading = [state.id.version for state in models.manager.states(model.name) if state.state is State.LOADING]
    if loading:
        return f"version {max(loading)} of {model.name}, which is being loaded"
    base = model.base_path
    if isinstance(base, StoreUrl):
        return f"{model.name}, {models.sources.shown(model.name) or f'of which {base} has no version yet'}"
    if not base.is_dir():
        parent = next(each for each in base.parents if each.is_dir())
        return f"{base}, which does not exist; {parent} has {_listed(parent)}"
    if not any(version_number(name) is not None for name in _names(base)):
        return f"a version in {base}, which has {_listed(base)}; expected a directory whose name is a number"
    return f"a version of {model.name} in {base}"


def _listed(directory: Path) -> str:
    return first_few([*_names(directory)]) or "nothing in it"


def _names(directory: Path) -> Iterator[str]:
    """What is in a directory, by name; nothing if that may not be seen."""
    try:
        yield from sorted(each.name for each in directory.iterdir() if not each.name.startswith("."))
    except OSError:
        return


class Wait:
    """Waits for changes of models; one of ``_PATIENCE_SECONDS`` without any is long, once. ``early`` looks often."""

    def __init__(self, changed: Callable[[], Awaitable[object]], *, early: bool) -> None:
        self._changed = changed
        self._early = early
        self._left = _PATIENCE_SECONDS

    async def is_long(self) -> bool:
        """Return at the next change, or after a while without one; whether it is long now."""
        told = self._left <= 0
        step = _LOOK_SECONDS if self._early else None if told else self._left
        try:
            await asyncio.wait_for(self._changed(), step)
        except TimeoutError:
            self._left -= step or 0
            return not told and self._left <= 0
        self._left = self._left if told else _PATIENCE_SECONDS
        return False
