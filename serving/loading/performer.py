"""Carries out the manager's actions, on whatever thread it is called, and says so in TFS's words in the log.

It decides nothing: each action ends in a report, which the loop makes in its next round.
"""

from collections.abc import Callable
from functools import partial
from typing import assert_never

from serving.core.actions import Action, AfterFailure, Load, Refusal, Unload
from serving.core.manager import Manager
from serving.core.servable import Servable, ServableId
from serving.errors import Code, ServingError
from serving.host import allocator
from serving.loading.weighing import Meter
from serving.sources.file_system import NotADirectory
from serving.telemetry.log import logger

Report = Callable[[float], None]
"""What a finished action has to tell the manager, given the time; made on the loop's thread."""

_ANEW = "put its files right, and it is tried anew, or put a new version beside it"
_UNEXPECTED = "The version failed to load unexpectedly; the server's log has details"


class Performer:
    """Loads and closes servables for one manager (docs/models.md, "Log lines").

    ``on_first_failure`` hears of a version whose first attempt has failed and which will be tried again.
    """

    def __init__(
        self,
        manager: Manager,
        meter: Meter | None = None,
        on_first_failure: Callable[[ServableId], None] = lambda servable_id: None,
    ) -> None:
        self._manager = manager
        self._on_first_failure = on_first_failure
        self._meter = meter or Meter()

    def perform(self, action: Action) -> Report:
        """Do what ``action`` says; blocks as long as that takes. Failures go into the report."""
        match action:
            case Load():
                return self._load(action)
            case Unload():
                return self._unload(action)
            case _:  # pragma: no cover
                assert_never(action)

    def _load(self, action: Load) -> Report:
        self._announce(action)
        began = self._meter.begin()
        grew = None
        try:
            servable = action.loader()
            allocator.return_free_pages()
            grew = self._meter.grown(began)
        except ServingError as error:
            return partial(self._failed, action, error)
        except Exception:  # noqa: BLE001 - a defect in one loader must not take the other models with it
            logger.exception("Loading servable: %s failed unexpectedly", action.id)
            return partial(self._failed, action, ServingError(Code.INTERNAL, _UNEXPECTED))
        finally:
            self._meter.end(began)
        return partial(self._loaded, action.id, servable, grew)

    def _announce(self, action: Load) -> None:
        if action.attempt > 1:
            logger.info("Retrying of Loading servable: %s retry: %d", action.id, action.attempt - 1)
        elif not isinstance(action.loader, (NotADirectory, Refusal)):
            logger.info("Successfully reserved resources to load servable %s", action.id)
            logger.info("Approving load for servable version %s", action.id)
            logger.info("Loading servable version %s", action.id)

    def _loaded(self, servable_id: ServableId, servable: Servable, grew: int | None, now: float) -> None:
        wanted = self._manager.loaded(servable_id, servable, grew)
        self._meter.holds(servable_id, self._manager.resident(servable_id))
        if wanted:
            logger.info("Successfully loaded servable version %s", servable_id)

    def _failed(self, action: Load, error: ServingError, now: float) -> None:
        after = self._manager.load_failed(action.id, error, now)
        if after not in (AfterFailure.FINAL, AfterFailure.ON_DEMAND):
            logger.error("Loading servable: %s failed: %s", action.id, error)
        if after is AfterFailure.RETRY:
            self._tell_next(action)
            return
        if after is AfterFailure.EXHAUSTED:
            retries = action.attempt - 1
            logger.error("Retrying of Loading servable: %s exhausted max_num_retries: %d", action.id, retries)
        if after is AfterFailure.CANCELLED:
            logger.info("Retrying of Loading servable: %s was cancelled.", action.id)
        logger.error("Encountered an error for servable version %s: %s", action.id, error)
        logger.error("Servable %s cannot be loaded: %s", action.id, error)
        if after is AfterFailure.EXHAUSTED:
            logger.error("No more attempts for %s (--max_num_load_retries): %s", action.id, _ANEW)

    def _tell_next(self, action: Load) -> None:
        left = self._manager.max_load_retries - action.attempt
        logger.error(
            "Next attempt for %s in %g s (--load_retry_interval_micros), or as soon as its files change; %s",
            action.id,
            max(self._manager.retry_seconds, 0.0),
            f"{left} more after that (--max_num_load_retries)" if left else "that is the last one",
        )
        if action.attempt == 1:
            self._on_first_failure(action.id)

    def _unload(self, action: Unload) -> Report:
        if action.unwanted:
            logger.info("Unloading just-loaded servable version %s", action.id)
        else:
            logger.info("Done quiescing servable version %s", action.id)
        if action.evicted_for is not None:
            logger.info("Servable version %s makes room for %s; it has no requests", action.id, action.evicted_for)
            self._meter.evicted(action.id)
        began = self._meter.begin()
        try:
            with allocator.returning():
                action.servable.close()
        except Exception:  # noqa: BLE001 - the version is gone all the same
            logger.exception("Unloading servable version %s failed; its memory may not be free", action.id)
        self._meter.end(began)
        return partial(self._unloaded, action)

    def _unloaded(self, action: Unload, now: float) -> None:
        self._manager.unloaded(action.id)
        self._meter.holds(action.id, 0)
        if not action.unwanted:
            logger.info("Done unloading servable version %s", action.id)
