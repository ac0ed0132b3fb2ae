"""Limits on requests in flight: a place for each, a bounded wait without one, an error that says which limit it was.

What is decided is ``core/concurrency``'s; here are the lock, the clock, the threads that go on with what has waited.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitTimeoutError
from contextlib import AbstractContextManager
from typing import Protocol

from serving.core import concurrency as counts
from serving.core.concurrency import Concurrency, Limits, Refused, Request
from serving.core.rate import Rate
from serving.errors import Code, ServingError, invalid_argument
from serving.inference import limit_errors
from serving.inference.context import RequestContext
from serving.inference.long_call import Gone, client_gone
from serving.inference.principal import Principal

PRIORITY = "x-priority"
_PRIORITIES = {"high": 1, "normal": 5, "low": 9, **{str(each): each for each in range(1, 10)}}
_USUAL = 5


_LOOK_SECONDS = 0.01
_THREADS = 2
"""They read requests and make short calls; longer ones are their models' threads'."""


class Place:
    """What a request holds, or waits for. Left once, from any thread."""

    __slots__ = ("_left", "_limiter", "entered", "expires_at", "request", "to_its_deadline")

    def __init__(self, limiter: "Limiter", request: Request, expires_at: float, *, to_its_deadline: bool) -> None:
        self._limiter = limiter
        self._left = False
        self.request = request
        self.expires_at = expires_at
        self.to_its_deadline = to_its_deadline
        self.entered: Future[None] | None = None
        """Where it waits, what comes of that."""

    @property
    def waits(self) -> bool:
        """Whether it is not there yet."""
        return self.entered is not None and not self.entered.done()

    def leave(self, *, succeeded: bool) -> None:
        """Give it back; others enter. Doing so again does nothing."""
        if not self._left:
            self._left = True
            self._limiter.leave(self, succeeded=succeeded)

    def given_up(self) -> None:
        """It was never there: nothing is to be given back."""
        self._left = True

    def submit(self, do: Callable[["Future[bytes]"], None]) -> "Future[bytes]":
        """What ``do`` is going to settle once the place is there. Cancelling it gives up waiting."""
        return self._limiter.submit(self, do)

    def wait(self, gone: Gone) -> None:
        """Block until the place is there. Raises ServingError if it is not in time, or the caller has gone."""
        entered = self.entered
        while entered is not None:
            try:
                entered.result(_LOOK_SECONDS)
            except WaitTimeoutError:
                if gone():
                    self._limiter.give_up(self, client_gone())
            else:
                return


class Elsewhere(counts.Elsewhere, Protocol):
    """Other processes for which the same limits hold."""

    def alone(self) -> AbstractContextManager[None]:
        """Within the block none of them decides."""
        ...

    def take(self, name: str, per_second: float, most: float, now: float) -> float:
        """One of so many per second, by all processes together; 0, or the seconds until there is one."""
        ...


class _Both:
    """The lock of this process and then that of all."""

    def __init__(self, lock: threading.Lock, elsewhere: Elsewhere) -> None:
        self._lock = lock
        self._elsewhere = elsewhere
        self._alone: AbstractContextManager[None] | None = None

    def __enter__(self) -> None:
        self._lock.acquire()
        alone = self._elsewhere.alone()
        alone.__enter__()
        self._alone = alone

    def __exit__(self, *error: object) -> None:
        alone, self._alone = self._alone, None
        if alone is not None:
            alone.__exit__(None, None, None)
        self._lock.release()


class Limiter:
    """``limits`` for everybody, and for each principal its own; with ``elsewhere`` for all processes. Thread-safe."""

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._elsewhere = elsewhere
        lock = threading.Lock()
        self._lock: AbstractContextManager[object] = lock if elsewhere is None else _Both(lock, elsewhere)
        self._changed = threading.Condition(lock)
        self._state = Concurrency(limits, elsewhere)
        self._rates: dict[str, Rate] = {}
        self._places: dict[int, Place] = {}
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="admitted")
        self._thread: threading.Thread | None = None
        self._closing = False

    def enter(self, context: RequestContext, model: str) -> Place:
        """The place of a request; it ``waits`` if there is none yet. LimitError if it may not even wait."""
        principal, now = context.principal, self._clock()
        request = Request(model, priority=_priority(context))
        if principal is not None:
            request.owner, request.owner_limit = principal.name, principal.max_in_flight
        wait = self._limits.wait_seconds
        hurries = 0 < context.timeout_ms < wait * 1000
        expires_at = now + (context.timeout_ms / 1000 if hurries else wait)
        place = Place(self, request, expires_at, to_its_deadline=hurries)
        with self._lock:
            if principal is not None and principal.requests_per_second > 0:
                self._check_rate(principal, now)
            dropped = self._state.enter(request, now)
            if request.waits:
                place.entered = Future()
                self._places[id(request)] = place
                self._watch()
        if isinstance(dropped, Refused):
            raise limit_errors.refused(dropped, principal)
        if dropped is not None:
            self._end(dropped, limit_errors.overtaken())
        return place

    def leave(self, place: Place, *, succeeded: bool) -> None:
        """What ``Place.leave`` calls."""
        with self._lock:
            if place.request.waits:
                self._state.give_up(place.request)
                self._places.pop(id(place.request), None)
                return
            entered = self._state.leave(place.request, self._clock(), succeeded=succeeded)
            places = [self._places.pop(id(request)) for request in entered]
        for each in places:
            _settle(each, None)

    def give_up(self, place: Place, error: ServingError) -> None:
        """End the wait of ``place`` with ``error``; nothing if it is over."""
        with self._lock:
            waited = self._state.give_up(place.request)
            self._places.pop(id(place.request), None)
        if waited:
            _settle(place, error)

    def submit(self, place: Place, do: Callable[["Future[bytes]"], None]) -> "Future[bytes]":
        """What ``Place.submit`` calls."""
        answer: Future[bytes] = Future()

        def go_on(_: "Future[None]") -> None:  # ``do`` waits no more, and says why there is no place if there is none
            try:
                self._executor.submit(do, answer)
            except RuntimeError:  # closed
                answer.cancel()

        answer.add_done_callback(lambda given: self.give_up(place, client_gone()) if given.cancelled() else None)
        if place.entered is not None:
            place.entered.add_done_callback(go_on)
        return answer

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return self._state.waiting

    def counts(self) -> tuple[int, int, dict[str, tuple[int, int, int]]]:
        """In flight, waiting, and both by model with the limit, 0 for none."""
        with self._lock:
            return self._state.in_flight, self._state.waiting, dict(self._state.by_model())

    def close(self, seconds: float = 0) -> None:
        """End the threads, at once; who waits is told that there is no server any more."""
        with self._lock:
            self._closing = True
            places = list(self._places.values())
            self._changed.notify()
        for place in places:
            self.give_up(place, ServingError(Code.UNAVAILABLE, "The server is ending"))
        self._executor.shutdown(wait=False)

    def _check_rate(self, principal: Principal, now: float) -> None:
        seconds = self._seconds_until_one(principal, now)
        if seconds > 0:
            raise limit_errors.too_often(principal, seconds)

    def _seconds_until_one(self, principal: Principal, now: float) -> float:
        per_second = principal.requests_per_second
        if self._elsewhere is not None:
            return self._elsewhere.take(principal.name, per_second, Rate.most(per_second), now)
        rate = self._rates.get(principal.name)
        if rate is None or rate.per_second != per_second:
            rate = self._rates[principal.name] = Rate(per_second)
        return rate.take(now)

    def _end(self, request: Request, error: ServingError) -> None:
        with self._lock:
            place = self._places.pop(id(request), None)
        if place is not None:
            _settle(place, error)

    def _watch(self) -> None:
        """Have waits end in time; the lock is held."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="limits", daemon=True)
            self._thread.start()
        else:
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closing:
                    return
                self._changed.wait(_LOOK_SECONDS if self._places else None)
                now = self._clock()
                late = [place for place in self._places.values() if now >= place.expires_at]
            if self._elsewhere is not None:
                self._look_elsewhere()
            for place in late:
                self.give_up(place, self._too_late(place))

    def _look_elsewhere(self) -> None:
        """Let in who waits here for a place that another process has given back."""
        with self._lock:
            entered = [self._places.pop(id(request)) for request in self._state.admitted(self._clock())]
        for place in entered:
            _settle(place, None)

    def _too_late(self, place: Place) -> ServingError:
        if place.to_its_deadline:
            return ServingError(Code.DEADLINE_EXCEEDED, "The deadline has passed while the request waited for a place")
        return limit_errors.waited(self._limits.wait_seconds)


def _settle(place: Place, error: ServingError | None) -> None:
    entered = place.entered
    if entered is None or entered.done():
        return
    if error is None:
        entered.set_result(None)
    else:
        place.given_up()
        entered.set_exception(error)


def _priority(context: RequestContext) -> int:
    given = context.headers.get(PRIORITY)
    if given is None:
        return _USUAL
    priority = _PRIORITIES.get(given.strip().lower())
    if priority is None:
        raise invalid_argument(
            f"{PRIORITY} is {given[:64]!r}; expected 1, which comes first, to 9, or high (1), normal (5) or low (9)"
        )
    return priority
