"""The configured models: what is listed now, what becomes of a new list, how far the models are from serving.

It owns the manager, the source and the loop between them; it opens no doors and reads no configuration.
"""

from collections.abc import Callable, Iterable, Sequence
from threading import Event, Lock

from serving.configuration import model_config
from serving.configuration.model_config import Configured, ModelConfig
from serving.core.manager import Manager
from serving.core.servable import ServableId, ServableState, State
from serving.core.startup import Progress, Startup, resumed, settled
from serving.errors import Code, ConfigurationError
from serving.loading import lists, sources
from serving.loading.added import check_added
from serving.loading.everywhere import Change, Everywhere, Here, Resumed, Waits, names
from serving.loading.manager_loop import LoaderFor, ManagerLoop
from serving.loading.sources import Sources, StoreFlags
from serving.loading.weighing import Meter
from serving.request_log.log import RequestLog
from serving.telemetry.log import logger

_ADDED = "added"


def never() -> bool:
    """The caller does not go away."""
    return False


class Models:
    """Every method may be called from any thread; ``start`` comes first, once, and ``close`` last.

    ``platforms`` are those a model may have; ``allow_unavailable_labels`` lets new labels point to versions that are
    not available; ``request_log`` follows each list; ``stores`` is for models in
    object stores. The other arguments are ManagerLoop's.
    """

    def __init__(
        self,
        manager: Manager,
        loader_for: LoaderFor,
        *,
        poll_wait_seconds: float,
        settle_seconds: float = 0.0,
        max_loads: int,
        max_unloads: int,
        held_bytes: Callable[[], int] | None = None,
        meter: Meter | None = None,
        request_log: RequestLog,
        allow_unavailable_labels: bool = False,
        platforms: frozenset[str] = frozenset((model_config.PLATFORM,)),
        stores: StoreFlags | None = None,
        on_death: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.manager = manager
        self._allow_unavailable_labels = allow_unavailable_labels
        self._platforms = platforms
        self._request_log = request_log
        self.sources = Sources(manager, stores, self._rescan, on_death or (lambda _: None))
        self._loop = ManagerLoop(
            manager,
            self.sources,
            loader_for,
            poll_wait_seconds=poll_wait_seconds,
            settle_seconds=settle_seconds,
            max_loads=max_loads,
            max_unloads=max_unloads,
            held_bytes=held_bytes,
            meter=meter,
            on_death=on_death,
            stamp_of=self.sources.stamp_of,
        )
        self.waits = Waits()  # what others wait for here, too
        self.waits.add(_ADDED, self._wait_for_added)
        self.everywhere: Everywhere = Here(self.put, self.waits)
        self._putting = Lock()
        self._poll_wait_seconds = poll_wait_seconds
        self.started = Event()  # models are being loaded
        self.resume_as: Resumed | None = None
        """What ``start`` begins with in place of its list, beside other processes of the server."""
        self._first_scan = 0
        self._configured: Configured = None
        self._listed: Configured = None
        self._served: set[str] = set()
        self.ending = False  # nothing is waited for any more
        self.excused: frozenset[str] = frozenset()
        """Names of models for which neither the start nor readiness waits; replaced whole."""
        manager.monitor.subscribe(self._note)

    def tell_first_failures(self, told: Callable[[ServableId], None]) -> None:
        """Have ``told`` called of each version whose first attempt has failed, if another one follows."""
        self._loop.on_first_failure = told

    @property
    def configured(self) -> Configured:
        """The list in effect, None before there was one; replaced whole."""
        return self._configured

    @property
    def listed(self) -> Configured:
        """The last list that was given whole, without what ``edit`` has made of it since."""
        return self._listed

    @property
    def names(self) -> tuple[str, ...]:
        """The models listed now, in the order of the list."""
        return names(self._configured)

    def available(self) -> dict[str, tuple[int, ...]]:
        """The available versions of the models listed now, highest first."""
        return {name: self.manager.serving.available(name) for name in self.names}

    def start(self, configured: Configured) -> None:
        """Put the first list into effect and begin to load. Raises ConfigurationError before anything has begun."""
        if self.resume_as is not None:
            self._resume(self.resume_as)
        elif configured is None:
            self._check_nothing_listed()
        else:
            self.put(Change(configured=configured, whole=True))
        if self.resume_as is None or self.resume_as.lazy:
            self._served.update(self.names)
        self._loop.start()
        self.started.set()

    def _resume(self, begun: Resumed) -> None:
        """Labels may be for what is not loaded yet: nobody asks for it before it is."""
        self._listed = begun.listed
        self._served.update(each.name for each in begun.served or ())
        if begun.configured is not None:
            self._put(begun.configured, begun.configured)
            if self._poll_wait_seconds <= 0:  # the others look for versions when they are told to, not when one starts
                self.sources.replace(tuple(lists.as_served(begun.configured, begun.served or ())))
        self._first_scan = self._loop.rescan()

    def reload(self, configured: Configured, timeout: float | None = None, gone: Callable[[], bool] = never) -> None:
        """Put another list into effect, then block until the models that are new in it serve or have failed.

        ConfigurationError, and nothing changes, for a list that is refused. UNKNOWN for a new model that failed,
        DEADLINE_EXCEEDED after ``timeout`` seconds, CANCELLED once ``gone``, ABORTED when a later list dropped what is
        waited for: the list is in effect all the same. No wait holds up another reload.
        """
        added = self._apply(configured)
        if added:
            self.everywhere.wait(_ADDED, added, timeout, gone)
        else:
            self.look()

    def edit(self, change: Callable[[Sequence[ModelConfig]], Sequence[ModelConfig]]) -> None:
        """Put into effect what ``change`` makes of the list in effect; it is called once, and may raise.

        It lasts until the next list that is given whole. ConfigurationError, and nothing changes, as for ``reload``.
        """
        with self.everywhere.alone():
            before = self._configured or ()
            configured = tuple(change(before))
            if configured != before:
                self.everywhere.change(Change(configured=configured, whole=False))

    def check_change(self, change: Change) -> None:
        """Raise ConfigurationError if this would be refused now; nothing changes."""
        if change.whole:
            self.check(change.configured)
            return
        before = self._configured or ()
        # Not the others: a version that one of their labels is for may have gone since.
        changed = [model for model in change.configured if model not in before]
        self.check(change.configured, [lists.with_moved_labels(model, before) for model in changed])

    def put(self, change: Change, *, checked: bool = False) -> None:
        """Put a list into effect in this process. ConfigurationError, and nothing changes, unless it is ``checked``."""
        with self._putting:
            if not checked:
                self.check_change(change)
            before = self._configured or ()
            named = change.configured if change.whole else [each for each in change.configured if each not in before]
            self._put(change.configured, named)
            if change.whole:
                self._listed = self._configured

    def look(self) -> int:
        """Have the base paths looked at now."""
        if self.resume_as is not None:
            self.sources.replace(self._configured or ())
        return self._loop.rescan()

    def wake(self) -> None:
        """Let whoever waits look again."""
        self._loop.wake()

    def wait(self, done: Callable[[], bool], timeout: float | None, gone: Callable[[], bool] = never) -> Code:
        """Have the base paths looked at, then block until ``done``: OK, or the code of what came before that."""
        scan = self.look()

        def is_done() -> bool:
            return self._loop.scanned(scan) and done()

        self._loop.wait_until(lambda: gone() or self.ending or is_done(), timeout)
        return Code.OK if is_done() else self._why_not(gone())

    def startup(self) -> Startup:
        """How far the models listed now are from serving; beside others, from what those serve."""
        begun = self.resume_as
        names = [name for name in self.names if name not in self.excused]
        if begun is None or begun.lazy:
            return self.manager.startup(names)
        looked = self._loop.scanned(self._first_scan)
        attempts = {name: self.manager.attempts(name) for name in names}
        if begun.served is None:
            return settled(attempts, looked=looked)
        served = [each for each in begun.served if each.name in attempts]
        return resumed(self.manager.startup({each.name for each in served}), served, attempts, looked=looked)

    def ready(self) -> bool:
        """Whether every model serves that ought to: those of the first list, and later ones once they have served."""
        expected = [name for name in self.names if name in self._served and name not in self.excused]
        return self.manager.startup(expected).progress is Progress.READY

    def end_waits(self) -> None:
        """Let every ``reload`` that waits return, with UNAVAILABLE; the process is about to end."""
        self.ending = True
        self._loop.wake()

    def close(self, seconds: float) -> None:
        """Unload everything within ``seconds``, as far as nobody holds it."""
        self.end_waits()
        self.sources.close()
        self._loop.close(seconds)

    def _apply(self, configured: Configured) -> tuple[str, ...]:
        """Put a list into effect, whole or not at all; the names that are new in it."""
        with self.everywhere.alone():
            if configured is None:
                self._check_nothing_listed()
                return ()
            known = set(self.names)
            self.everywhere.change(Change(configured=configured, whole=True))
            return tuple(name for name in names(configured) if name not in known)

    def check(self, configured: Sequence[ModelConfig], labelled: Iterable[ModelConfig] | None = None) -> None:
        """Raise ConfigurationError if this list would be refused now; nothing changes.

        Of ``labelled`` models, by default of all, the labels are looked at.
        """
        model_config.check_change(self._configured or (), configured)
        for model in configured if labelled is None else labelled:
            lists.check_labels(self.manager, model, allow_unavailable=self._allow_unavailable_labels)
        model_config.check_platforms(configured, self._platforms)
        sources.check(configured)
        self._request_log.check(lists.logged(configured))

    def _put(self, configured: Sequence[ModelConfig], named: Iterable[ModelConfig]) -> None:
        # Labels first: a request for a label finds its new version before the old one is taken away.
        self.manager.set_labels({model.name: model.labels for model in configured})
        if self._configured is not None:
            lists.tell_changes(self._configured, configured)
        logger.info("Adding/updating models.")
        for model in named:
            logger.info(" (Re-)adding model: %s", model.name)
        known, self._configured = set(self.names), tuple(configured)
        self.sources.replace(configured)
        for name in known.difference(self.names):
            self._served.discard(name)
            self.manager.set_aspired(name, {})
        self._request_log.follow(lists.logged(configured))

    def _check_nothing_listed(self) -> None:
        if self._configured is not None:
            raise ConfigurationError(
                Code.FAILED_PRECONDITION,
                "Cannot transition to requested config. It is only legal to transition from one ModelConfigList to "
                "another.",
            )
        logger.info("Taking no action for empty config.")

    def _wait_for_added(self, added: Sequence[str], timeout: float | None, gone: Callable[[], bool]) -> None:
        """Not before a scan: of a model that was dropped and is listed again, the former version may still serve."""
        self.wait(lambda: self._settled(added), timeout, gone)
        check_added(self.manager, added, self._still_listed(added), self._why_not(gone()))

    def _settled(self, added: Sequence[str]) -> bool:
        return self.manager.startup(self._still_listed(added)).progress is not Progress.WAITING

    def _why_not(self, gone: bool) -> Code:
        """Why a wait ended before what it was for."""
        return Code.UNAVAILABLE if self.ending else Code.CANCELLED if gone else Code.DEADLINE_EXCEEDED

    def _still_listed(self, added: Sequence[str]) -> list[str]:
        names = set(self.names)
        return [name for name in added if name in names]

    def _rescan(self) -> None:
        self._loop.rescan()

    def _note(self, state: ServableState) -> None:
        if state.state is State.AVAILABLE and state.id.name in self.names:
            self._served.add(state.id.name)
