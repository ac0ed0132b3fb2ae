"""Optimisation as a stage of loading: a model that gains from it is served by a better engine (docs/performance.md).

A version is served as it is saved at once, and changes its engine when another has agreed and gains; with
``--optimize_wait`` it waits for that. The stage puts the parts together: what qualifies, what is tried, what is opened.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from google.protobuf.message import DecodeError

from serving.core.servable import Servable, ServableId
from serving.core.version_files import SAVED_MODEL
from serving.errors import ServingError
from serving.host import allocator, cpus, memory
from serving.optimizing import candidates
from serving.optimizing.candidates import NotOptimizedError, Sizes
from serving.optimizing.notes import TRYING, Note, Notes
from serving.optimizing.policy import Policy, policy_of
from serving.optimizing.process import Children
from serving.optimizing.turns import Turns
from serving.servables.saved_model import SavedModelOptions, SavedModelServable
from serving.settings import Settings
from serving.telemetry.log import logger

if TYPE_CHECKING:
    # What only servers of larger models need is imported where the first of these is met.
    from serving.optimizing.cache import Cache
    from serving.optimizing.engine_servable import EngineServable
    from serving.optimizing.shared_verdicts import SharedVerdicts
    from serving.optimizing.step_engine import EngineObserver

_CPUINFO = Path("/proc/cpuinfo")


class _Nobody:
    """Is told, and does nothing."""

    def engine_calls(self, _model: str, _version: int, _engine: str) -> Callable[[], object]:
        return lambda: None

    def engine_chosen(self, *_what: object) -> None:
        pass


class Loans(Protocol):
    """Who says whether memory may be used beside that of loaded versions."""

    def lend(self, servable_id: ServableId, count: int) -> str | None:
        """So many bytes for optimising a version, until ``take_back``; or why not, for the log."""
        ...

    def take_back(self, servable_id: ServableId, grew: int) -> None:
        """It has ended; by so many bytes the process has grown for good."""
        ...


class _Lender:
    """Lends everything."""

    def lend(self, _servable_id: ServableId, _count: int) -> str | None:
        return None

    def take_back(self, _servable_id: ServableId, _grew: int) -> None:
        pass


class OptimizeStage:
    """A stage for ``Loaders``, with ``close`` for the end: what is being tried then ends, and is served as it is."""

    def __init__(
        self,
        policy: Policy,
        *,
        children: Children,
        cache: "Cache | None" = None,
        cpu: str = "",
        observer: "EngineObserver | None" = None,
        loans: Loans | None = None,
        available_bytes: Callable[[], int | None] = memory.available_bytes,
        return_free_pages: Callable[[], None] = allocator.return_free_pages,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._policy = policy
        self._children = children
        self._cache = cache
        self._cpu = cpu
        self._observer = observer or _Nobody()
        self._loans = loans or _Lender()
        self._available_bytes = available_bytes
        self._return_free_pages = return_free_pages
        self._clock = clock
        self._turns = Turns()
        self.shared: SharedVerdicts | None = None
        """What several processes of one server have found, if this is one of these."""
        self.notes = Notes()
        """What came of it, by version."""

    def __call__(self, servable: Servable, servable_id: ServableId, path: Path) -> Servable:
        """The servable with engines that may change, or as it is, with the reason in the log."""
        if not isinstance(servable, SavedModelServable):
            self.notes.put(servable_id, Note(""))
            return servable
        if servable.converted is not None:
            path = servable.converted.path
        try:
            self._check_sizes(path)
        except NotOptimizedError as reason:
            self._say_no(servable_id, reason)
            return servable
        from serving.optimizing.engine_servable import EngineServable

        changing = EngineServable(servable)
        self.notes.put(servable_id, Note(TRYING, trying=True))
        if self._policy.wait:
            self._improve(changing, servable, servable_id, path)
        else:
            self._turns.add(lambda: self._improve(changing, servable, servable_id, path))
        return changing

    def close(self, _seconds: float = 0.0) -> None:
        """End the processes, which takes no time; nothing is tried any more."""
        self._turns.close()
        self._children.close()

    def _improve(
        self, changing: "EngineServable", plain: SavedModelServable, servable_id: ServableId, path: Path
    ) -> None:
        """Try, and change the engine or say why not."""
        from serving.optimizing.improving import Improving

        if changing.closed:
            return
        began = self._clock()
        improving = Improving(
            policy=self._policy,
            children=self._children,
            cache=self._cache,
            observer=self._observer,
            return_free_pages=self._return_free_pages,
            shared=self.shared,
            check=lambda: self._check_sizes(path, before_trial=True),
            cpu=self._cpu,
        )
        try:
            said = self._on_loan(servable_id, path, lambda: improving.improve(changing, plain, servable_id, path))
        except NotOptimizedError as reason:
            self._say_no(servable_id, reason)
        except (ServingError, OSError, DecodeError) as error:
            logger.warning("Servable %s is served as it is saved, for optimising it failed: %s", servable_id, error)
            self.notes.put(servable_id, Note(f"It is served as it is saved, for optimising it failed: {error}"))
        else:
            if said is not None:
                took = self._clock() - began
                logger.info("Servable %s is optimised: %s. It took %.1f s (--optimize)", servable_id, said, took)
                self.notes.put(servable_id, Note(said))

    def _say_no(self, servable_id: ServableId, reason: NotOptimizedError) -> None:
        say = logger.debug if reason.expected else logger.info
        say("Servable %s is served as it is saved: %s", servable_id, reason)
        self.notes.put(servable_id, Note(f"It is served as it is saved: {reason}"))

    def _on_loan(self, servable_id: ServableId, path: Path, improve: Callable[[], str | None]) -> str | None:
        """Improve a version if there is memory for it. Raises NotOptimizedError if there is not."""
        reason = self._loans.lend(servable_id, candidates.needed_bytes(_weights(path)))
        if reason is not None:
            raise NotOptimizedError(reason)
        before = memory.held_bytes()
        try:
            return improve()
        finally:
            self._loans.take_back(servable_id, memory.held_bytes() - before)

    def _check_sizes(self, path: Path, *, before_trial: bool = False) -> None:
        """Raise NotOptimizedError for a version that is not tried; what others have tried takes no memory for that."""
        available = self._available_bytes() if before_trial or self.shared is None else None
        candidates.check_sizes(sizes_of(path, available), self._policy.max_weights_bytes)


def sizes_of(path: Path, available: int | None) -> Sizes:
    """Those of the version at ``path``; ``available`` bytes of memory are free."""
    return Sizes(weights=_weights(path), graph=_size(path / SAVED_MODEL), available=available)


def from_settings(
    settings: Settings,
    options: SavedModelOptions,
    threads: int,
    usual_rows: int,
    observer: "EngineObserver",
    loans: Loans | None = None,
) -> OptimizeStage | None:
    """The stage that is asked for; None with --optimize=off. Raises ConfigurationError for words that are not known.

    ``threads`` are for a model's computing, ``usual_rows`` the rows of its largest usual call.
    """
    cpu = _CPUINFO.read_text() if _CPUINFO.exists() else ""
    policy = policy_of(settings, options, cpu, threads, usual_rows)
    if policy is None:
        return None
    cache = None
    if settings.optimize_cache_dir:
        from serving.optimizing.cache import Cache

        cache = Cache(Path(settings.optimize_cache_dir), cpus.cpu_model(cpu))
    named = cpus.cpu_model(cpu)
    return OptimizeStage(policy, children=Children(), cache=cache, cpu=named, observer=observer, loans=loans)


def _weights(path: Path) -> int:
    return sum(_size(file) for file in path.glob("variables/variables.data-*"))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
