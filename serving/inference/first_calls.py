"""Requests that wait until their model is loaded (--lazy_load). Nobody else waits for them, and none holds a thread.

What is loaded, and when, is the manager's business.
"""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent import futures
from concurrent.futures import Future
from dataclasses import dataclass

from serving.core.lazy_manager import LazyManager
from serving.core.lifecycle import NotLoadedError
from serving.core.servable import ServableState
from serving.errors import Code, ServingError, without_frames
from serving.inference.call import Call, Reply
from serving.inference.long_call import Gone, LongCall, client_gone, follow
from serving.telemetry.log import logger

MOST_WAITING = 1024
"""Requests that wait at a time; each holds its body."""

_LOOK_SECONDS = 0.25
"""How often a thread that waits for its call asks whether the caller is still there."""


@dataclass(eq=False, slots=True, kw_only=True)
class _Waiting:
    """One request: ``begin`` makes its call once the model is there, ``failed`` counts that there is none."""

    missing: NotLoadedError
    begin: Callable[[], Reply]
    failed: Callable[[BaseException], None]
    deadline: float
    answer: "Future[bytes]"

    @property
    def wanted(self) -> tuple[str, int | None]:
        return self.missing.name, self.missing.version


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCall(LongCall):
    """A request that waits. It takes no place among the calls that run."""

    wait: "Callable[[], Future[bytes]]"

    @property
    def bounded(self) -> bool:
        """As ``LongCall``."""
        return True

    def here(self, gone: Gone) -> bytes:
        """As ``LongCall``; this thread waits."""
        answer = self.wait()
        while not futures.wait([answer], _LOOK_SECONDS).done:
            if gone():
                answer.cancel()
        return answer.result()

    def elsewhere(self) -> "Future[bytes]":
        """As ``LongCall``; no thread waits."""
        return self.wait()


class FirstCalls:
    """Asks the manager for models, and makes the calls that wait for them. Thread-safe.

    A call waits for ``timeout_seconds`` at most. ``interpreter`` is held while requests are read. ``clock`` is the one
    by which the manager is stepped. The thread that looks after the waiting is there while some do.
    """

    def __init__(
        self,
        manager: LazyManager,
        interpreter: threading.Lock,
        *,
        timeout_seconds: float,
        most: int = MOST_WAITING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manager = manager
        self._interpreter = interpreter
        self._timeout_seconds = timeout_seconds
        self._most = most
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: dict[int, _Waiting] = {}
        self._news = False
        self._thread: threading.Thread | None = None
        manager.monitor.subscribe(self._note)

    def call(
        self,
        missing: NotLoadedError,
        begin: Callable[[], Reply],
        timeout_ms: int,
        failed: Callable[[BaseException], None],
    ) -> FirstCall:
        """The call that ``begin`` makes when what is missing is there; it has no deadline if ``timeout_ms`` <= 0."""
        own = timeout_ms / 1000 if timeout_ms > 0 else self._timeout_seconds
        deadline = self._clock() + min(own, self._timeout_seconds)

        def wait() -> "Future[bytes]":
            waiting = _Waiting(missing=missing, begin=begin, failed=failed, deadline=deadline, answer=Future())
            try:
                self._add(waiting)
            except ServingError as error:
                failed(error)
                raise
            return waiting.answer

        return FirstCall(do=lambda gone: wait().result(), failed=failed, wait=wait)

    def look(self) -> float | None:
        """Begin or end what need not wait any more; the seconds until somebody's time is over, None if nobody waits."""
        with self._changed:
            waiting = list(self._waiting.values())
        now = self._clock()
        prospects = {wanted: self._manager.prospect(*wanted) for wanted in {each.wanted for each in waiting}}
        ready = []
        for each in waiting:
            prospect = prospects[each.wanted]
            if prospect is True:
                ready.append(each)
            elif isinstance(prospect, ServingError):
                self._fail(each, prospect)
            elif each.deadline <= now:
                self._fail(each, self._too_late(each))
        self._begin(ready)
        with self._changed:
            return min((max(each.deadline - now, 0.0) for each in self._waiting.values()), default=None)

    def _add(self, waiting: _Waiting) -> None:
        """Raise ServingError if the load has failed just now, or too many wait."""
        name, version = waiting.wanted
        with self._changed:
            if len(self._waiting) >= self._most:
                raise ServingError(
                    Code.RESOURCE_EXHAUSTED,
                    f"{self._most} requests wait for models that are being loaded; try again (--lazy_load)",
                )
        error = self._manager.want(name, version, self._clock())
        if error is not None:
            raise ServingError(error.code, error.message)
        waiting.answer.add_done_callback(lambda answer: self._gone(waiting) if answer.cancelled() else None)
        with self._changed:
            self._waiting[id(waiting)] = waiting
            self._news = True
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="first-calls", daemon=True)
                self._thread.start()

    def _note(self, _state: ServableState) -> None:
        # Under the manager's lock.
        if self._waiting:
            with self._changed:
                self._news = True
                self._changed.notify()

    def _run(self) -> None:
        seconds: float | None = 0.0
        while True:
            with self._changed:
                if not self._waiting:
                    self._thread = None
                    return
                self._changed.wait_for(lambda: self._news, seconds)
                self._news = False
            try:
                seconds = self.look()
            except Exception:  # noqa: BLE001 - the loop's net: a defect must not leave everybody waiting
                logger.exception("Looking after requests that wait for models failed")
                seconds = _LOOK_SECONDS

    def _begin(self, ready: Iterable[_Waiting]) -> None:
        """Make the calls, those of each model on a thread of its own."""
        models: dict[str, list[_Waiting]] = {}
        for each in ready:
            if self._leave(each):
                models.setdefault(each.missing.name, []).append(each)
        for name, calls in models.items():
            threading.Thread(target=self._make, args=(calls,), name=f"first-{name}", daemon=True).start()

    def _make(self, calls: Iterable[_Waiting]) -> None:
        for each in calls:
            try:
                self._make_one(each)
            except Exception as error:  # noqa: BLE001 - whatever comes of it is the answer
                _settle(each.answer, error)
            finally:
                self._manager.unwant(each.missing.name)

    def _make_one(self, waiting: _Waiting) -> None:
        answer = waiting.answer
        if answer.cancelled():
            waiting.failed(client_gone())
            return
        with self._interpreter:
            reply = waiting.begin()
        if isinstance(reply, bytes):
            _settle(answer, reply)
        elif isinstance(reply, Call) and reply.inline and not reply.joins:
            _settle(answer, reply.here())
        else:
            follow(answer, reply.elsewhere())

    def _fail(self, waiting: _Waiting, error: ServingError) -> None:
        if self._leave(waiting):
            self._manager.unwant(waiting.missing.name)
            waiting.failed(error)
            _settle(waiting.answer, ServingError(error.code, error.message))

    def _gone(self, waiting: _Waiting) -> None:
        if self._leave(waiting):
            self._manager.unwant(waiting.missing.name)
            waiting.failed(client_gone())

    def _leave(self, waiting: _Waiting) -> bool:
        """It waits no more; False if that was so before."""
        with self._changed:
            return self._waiting.pop(id(waiting), None) is not None

    def _too_late(self, waiting: _Waiting) -> ServingError:
        name, version = waiting.wanted
        for servable_id, shortage in self._manager.short.items():
            if servable_id.name == name and version in (None, servable_id.version):
                return ServingError(Code.RESOURCE_EXHAUSTED, shortage.text)
        return ServingError(
            Code.DEADLINE_EXCEEDED,
            f"Model {name} was not loaded within the request's time limit, nor within "
            f"{self._timeout_seconds:g} s (--lazy_load_timeout_seconds); try again",
        )


def _settle(answer: "Future[bytes]", outcome: bytes | BaseException) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    if isinstance(outcome, bytes):
        answer.set_result(outcome)
    else:
        answer.set_exception(without_frames(outcome))
