"""Servables, their identities and public states, and what the core asks of the things that load and run them."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from serving.core.signature import Signature
from serving.core.tensor import Tensor
from serving.errors import ServingError


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ServableId:
    """A model's name and one of its versions."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"{{name: {self.name} version: {self.version}}}"


class State(IntEnum):
    """Public states of a version; the numbers are GetModelStatus's (docs/models.md, "States")."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ServableState:
    """What is known of one version: its state and, when loading failed, why; ``note`` is for people, without error."""

    id: ServableId
    state: State
    error: ServingError | None = None
    note: str = ""


class Run(Protocol):
    """One combination of fed and fetched graph tensors of a servable, resolved once and called often."""

    @property
    def inline(self) -> bool:
        """Whether calls are so short on the whole that a door may call instead of handing over to a thread."""
        ...

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        """The same for a call with ``tensors``: what is short for one row may be long for many."""
        ...

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        """Feed ``tensors`` in the order of the feeds, return the fetches in theirs; blocks.

        ``timeout_ms`` <= 0 is no time limit. Raises ServingError with TensorFlow's own code and text.
        """
        ...

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        """The same off the caller's thread. Cancelling the future gives up waiting; work that has begun finishes."""
        ...


class Fed(NamedTuple):
    """What a run is called with: ``tensors`` in the order of its feeds, ``timeout_ms`` <= 0 for no time limit."""

    tensors: Sequence[Tensor]
    timeout_ms: int


Outcome = list[Tensor] | Exception
"""What became of a call: the fetches in their order, or what it would have raised."""


class JoiningRun:
    """A ``Run`` that makes one call for several callers; a class, without more, for every request asks if it is one."""

    __slots__ = ()

    @property
    @abstractmethod
    def inline(self) -> bool:
        """As for ``Run``, of the calls as they are made."""

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        """As ``inline``: how many rows a call has is not up to one caller."""
        return self.inline

    @abstractmethod
    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        """As for ``Run``."""

    @abstractmethod
    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        """As for ``Run``."""

    @abstractmethod
    def alone(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor] | None:
        """Run in this thread without waiting for anybody; None if others come first. Raises what a call raises."""

    @abstractmethod
    def together(self, calls: Sequence[Fed]) -> Sequence[Outcome]:
        """The same for the first of ``calls``, as many as go together, as one; none if the first has to wait."""


class Servable(Protocol):
    """A loaded model version that answers. Wrappers (batching, logging) implement this and hold what they wrap."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Every signature by name; fixed for the life of the servable."""
        ...

    @property
    def signature_defs(self) -> Mapping[str, Any]:
        """The SignatureDef messages as loaded, for metadata and error texts."""
        ...

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        """The callable for these graph tensors; the same pair gives the same object.

        Raises ServingError for a tensor that the graph does not have.
        """
        ...

    def close(self) -> None:
        """Free what the version holds. Called once, after the last handle was released."""
        ...


Loader = Callable[[], Servable]
"""Loads one version, blocking, or raises ServingError; called on a load thread."""
