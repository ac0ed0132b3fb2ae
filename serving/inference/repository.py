"""Single models by request: which there are, one more, one fewer, a label (docs/dialects.md, "Model repository").

What becomes of a model is decided elsewhere; these are the values that protocols read requests into and answer with.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, assert_never

from serving.codecs.open_inference.load_parameters import load_parameters
from serving.core.merged_states import Known
from serving.core.servable import ServableState, State
from serving.core.version_policy import VersionPolicy
from serving.inference.long_call import Gone
from serving.inference.principal import Principal, Right

NOT_LOADED = "not loaded; a load request for it loads it"
NO_VERSION = "no version was found below its base path"
UNLOADED = "unloaded"


class Readiness(StrEnum):
    """States of a version, in the words of the model repository extension."""

    READY = "READY"
    UNAVAILABLE = "UNAVAILABLE"
    LOADING = "LOADING"
    UNLOADING = "UNLOADING"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One version of a model, or a model without any; ``reason`` says why it is as it is, where there is one."""

    name: str
    version: int | None = None
    state: Readiness = Readiness.UNAVAILABLE
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """One model to load: without a ``base_path`` from where it is configured, or from beside other models.

    ``policy`` says which versions, None leaves it as it is. ``ignored`` names settings that change nothing here. With
    ``new`` a model that is there already is an error.
    """

    name: str
    base_path: str = ""
    policy: VersionPolicy | None = None
    ignored: tuple[str, ...] = ()
    new: bool = False


def load_request(name: str, parameters: Mapping[str, Any]) -> LoadRequest:
    """A request with these ``parameters`` of the protocol. Raises ServingError, as ``load_parameters``."""
    given = load_parameters(parameters)
    return LoadRequest(name=name, base_path=given.base_path, policy=given.policy, ignored=given.ignored)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a change has come to; ``note`` says for how long, and what has changed nothing."""

    name: str
    note: str


class Repository(Protocol):
    """Loads, unloads and labels single models. Every method may be called from any thread; each raises ServingError."""

    def configured(self) -> Sequence[str]:
        """The models listed now."""
        ...

    def base_paths(self) -> Mapping[str, str]:
        """The same with their base paths."""
        ...

    def beside(self) -> Sequence[str]:
        """Directories that could be loaded by their names; may block on a file system."""
        ...

    def load(self, request: LoadRequest, timeout: float | None, gone: Gone, *, anywhere: bool) -> Done:
        """Have a model loaded, and block until it answers or has failed; ``anywhere`` allows any base path."""
        ...

    def unload(self, name: str, timeout: float | None, gone: Gone) -> Done:
        """Take a model out, and block until no request reaches it any more; those that it has may go on."""
        ...

    def move_label(self, name: str, label: str, version: int) -> Done:
        """Let a label, which may be new, be for this version from now on."""
        ...


def everybody_may(model: str) -> bool:
    """Nobody is asked who it is."""
    return True


def may_change(principal: Principal | None) -> bool:
    """Whether somebody may load models; anybody may where nobody is asked who it is."""
    return principal is None or Right.ADMIN in principal.rights


def index(
    known: Known, configured: Sequence[str], beside: Sequence[str], may_use: Callable[[str], bool], *, ready: bool
) -> list[IndexEntry]:
    """Every model that ``may_use`` allows, by name, its versions highest first; only those that answer if ``ready``."""
    names = sorted({*known.models(), *configured, *beside})
    entries = [entry for name in names if may_use(name) for entry in _of_model(known, name, name in configured)]
    return [entry for entry in entries if entry.state is Readiness.READY] if ready else entries


def _of_model(known: Known, name: str, configured: bool) -> Iterator[IndexEntry]:
    states = known.states(name)
    yield from map(_of_version, states)
    if not states:
        yield IndexEntry(name=name, reason=NO_VERSION if configured else NOT_LOADED)


def _of_version(state: ServableState) -> IndexEntry:
    reason = state.note if state.error is None else str(state.error)
    if state.state is State.END:
        reason = reason or UNLOADED
    return IndexEntry(name=state.id.name, version=state.id.version, state=_readiness(state.state), reason=reason)


def _readiness(state: State) -> Readiness:
    match state:
        case State.AVAILABLE:
            return Readiness.READY
        case State.START | State.LOADING:
            return Readiness.LOADING
        case State.UNLOADING:
            return Readiness.UNLOADING
        case State.END | State.UNKNOWN:
            return Readiness.UNAVAILABLE
        case _:  # pragma: no cover
            assert_never(state)
