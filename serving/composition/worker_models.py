"""Changes of the models that all workers of a server make, or none; and what one begins with that is started later."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import count
from typing import Any

from serving.composition.worker_states import WorkerStates
from serving.configuration.model_config import Configured
from serving.errors import Code, ServingError
from serving.inference.long_call import Gone
from serving.loading.base_paths import BasePaths
from serving.loading.everywhere import Change, Resumed
from serving.loading.models import Models
from serving.processes.group import Answer, Group

CONFIGURED = "models.configured"
"""What is kept: the list in effect, and the last whole one."""
GIVEN = "models.given"
"""What is kept: the operator's list, by which base paths are allowed."""

_CHECK, _PUT, _WAIT, _GIVE_UP = "models.check", "models.put", "models.wait", "models.give_up"

_SECONDS = 60.0
"""How long all workers may take to check a list, or to put it into effect, which both take moments."""
_LOOK_SECONDS = 0.1
_FAREWELL_SECONDS = 1.0
"""How long workers may take to say that they have stopped waiting, for somebody who does not listen any more."""
_MOST_GIVEN_UP = 1000


class WorkersTogether:
    """``Everywhere`` for the models of all workers.

    First all check a change, and then, unless one refuses, all make it. Each that does keeps it for those that start
    later, so that nothing is lost with the worker that was asked for it.
    """

    def __init__(self, group: Group, models: Models, base_paths: BasePaths, states: WorkerStates) -> None:
        self._group = group
        self._models = models
        self._base_paths = base_paths
        self._states = states
        self._numbers = count(1)
        self._given_up: deque[str] = deque(maxlen=_MOST_GIVEN_UP)
        group.on(_CHECK, self._check)
        group.on(_PUT, self._put)
        group.on(_WAIT, self._wait)
        group.when_told(_GIVE_UP, self._told_to_give_up)
        group.when_told(GIVEN, lambda _, given: base_paths.give(given))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """As ``Everywhere``."""
        with self._group.alone(_SECONDS):
            yield

    def change(self, change: Change) -> None:
        """As ``Everywhere``."""
        self._raise_first(self._group.ask(_CHECK, change, _SECONDS))
        self._raise_first(self._group.ask(_PUT, change, _SECONDS))

    def wait(self, what: str, value: Any, timeout: float | None, gone: Gone) -> None:
        """As ``Everywhere``: for what comes of it in every worker; of several errors it raises this worker's first."""
        key = f"{self._group.index}/{next(self._numbers)}"
        answered: Future[list[Answer]] = Future()

        def ask() -> None:
            try:
                answered.set_result(self._group.ask(_WAIT, (key, what, value, timeout)))
            except ServingError as error:
                answered.set_exception(error)

        threading.Thread(target=ask, name="all-workers", daemon=True).start()
        self._raise_first(self._answers(key, answered, gone))

    def on_list(self, given: Configured) -> None:
        """The operator's list, by which base paths are allowed in all workers."""
        if given is not None and given != self._base_paths.given:
            self._group.tell(GIVEN, given)
            self._group.keep(GIVEN, given)
        self._base_paths.give(given)

    def first(self, configured: Configured) -> None:
        """The server starts with this list; whoever is started later begins with it, whatever files say by then."""
        if not self._group.index:
            self._group.keep(CONFIGURED, (configured, configured))
            self._group.keep(GIVEN, configured)

    def resume(self, configured: Configured, listed: Configured, given: Configured, *, lazy: bool) -> None:
        """This worker starts later: with the list in effect, and what the others serve."""
        self._base_paths.give(given)
        served = None if lazy else self._states.served()
        self._models.resume_as = Resumed(configured=configured, listed=listed, served=served, lazy=lazy)

    def _answers(self, key: str, answered: "Future[list[Answer]]", gone: Gone) -> list[Answer]:
        while True:
            try:
                return answered.result(_LOOK_SECONDS)
            except TimeoutError:
                if answered.done():
                    raise
            if gone() or self._models.ending:
                break
        code = Code.UNAVAILABLE if self._models.ending else Code.CANCELLED
        self._told_to_give_up(self._group.index, key)
        self._group.tell(_GIVE_UP, key)
        try:
            return answered.result(_FAREWELL_SECONDS)
        except TimeoutError:
            raise ServingError(code, "Nobody waits any more for what becomes of the models") from None

    def _check(self, change: Change) -> None:
        self._models.started.wait()
        self._models.check_change(change)

    def _put(self, change: Change) -> None:
        self._models.put(change, checked=True)
        self._group.keep(CONFIGURED, (self._models.configured, self._models.listed))
        self._models.look()

    def _wait(self, asked: tuple[str, str, Any, float | None]) -> None:
        key, what, value, timeout = asked
        self._models.waits(what, value, timeout, lambda: key in self._given_up)

    def _told_to_give_up(self, _worker: int, key: str) -> None:
        self._given_up.append(key)
        self._models.wake()

    def _raise_first(self, answers: Iterable[Answer]) -> None:
        """What this worker has to say comes first: it is what a server without others would say."""
        errors = {answer.worker: answer.error for answer in answers if answer.error is not None}
        if errors:
            raise errors.get(self._group.index) or errors[min(errors)]
