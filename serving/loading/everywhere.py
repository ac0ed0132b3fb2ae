"""Where a change of the models is made: in this process, or in all workers of a server at once or in none."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

from serving.configuration.model_config import Configured, ModelConfig
from serving.core.servable import ServableId
from serving.inference.long_call import Gone

WaitFor = Callable[[Any, float | None, Gone], None]
"""Blocks until something has become of what it is given, at most for so many seconds. Raises ServingError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A list in place of the one in effect: one that was given ``whole``, or what was made of that in effect."""

    configured: tuple[ModelConfig, ...]
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What a process that starts beside others begins with: the list in effect, the last whole one, what they serve.

    ``served`` is None if none of them serves now. With ``lazy``, models are loaded when they are asked for.
    """

    configured: Configured
    listed: Configured
    served: frozenset[ServableId] | None = frozenset()
    lazy: bool = False


class Everywhere(Protocol):
    """Makes changes, and waits for what comes of them. Every method may be called from any thread."""

    def alone(self) -> AbstractContextManager[object]:
        """Nobody else changes the models meanwhile. Raises ServingError."""
        ...

    def change(self, change: Change) -> None:
        """Put the list into effect; within ``alone``. ConfigurationError, and nothing changes, if it is refused."""
        ...

    def wait(self, what: str, value: Any, timeout: float | None, gone: Gone) -> None:
        """Block until what ``Waits`` has under this name has come true. Raises ServingError as that does."""
        ...


class Waits:
    """What may be waited for, by names that all processes of a server know."""

    def __init__(self) -> None:
        self._known: dict[str, WaitFor] = {}

    def add(self, what: str, wait: WaitFor) -> None:
        """Let ``wait`` be known as this."""
        self._known[what] = wait

    def __call__(self, what: str, value: Any, timeout: float | None, gone: Gone) -> None:
        """Wait for it in this process."""
        self._known[what](value, timeout, gone)


class Here:
    """The only process."""

    def __init__(self, put: Callable[[Change], None], waits: Waits) -> None:
        self._lock = Lock()
        self._put = put
        self._waits = waits

    def alone(self) -> AbstractContextManager[object]:
        """As ``Everywhere``."""
        return self._lock

    def change(self, change: Change) -> None:
        """As ``Everywhere``."""
        self._put(change)

    def wait(self, what: str, value: Any, timeout: float | None, gone: Gone) -> None:
        """As ``Everywhere``."""
        self._waits(what, value, timeout, gone)


def names(models: Sequence[ModelConfig] | None) -> tuple[str, ...]:
    """The models of a list, in its order."""
    return tuple(model.name for model in models or ())
