"""Runs that take long, watched: told of in the log, counted, answered for at their limit, written off when unwanted.

Only runs on threads are watched. What a door runs itself has been short so far, and costs nothing here.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from serving.core.places import PlacedFuture
from serving.core.servable import ServableId
from serving.errors import Code, ServingError
from serving.inference.context import RequestContext
from serving.telemetry.log import logger
from serving.telemetry.metrics import Family, Gauge

LONG_SECONDS = 60.0
"""A run beyond this is told of."""

LOST_SECONDS = 1.0
"""How long a run goes on for nobody before its place is given to others: most end by themselves meanwhile."""

_QUEUE_SLACK_SECONDS = 0.5
_RUN_SLACK_SECONDS = 3.0
"""How late the batch queue, or TensorFlow, may be with its own answer to a call whose time is over."""

_TICK_SECONDS = 0.25
_QUIET_TICKS = 20
"""So many without a run, and the watch sleeps until the next one; waking it for each would cost more than looking."""

_LONGEST_SHOWN = 256


class Asked(Protocol):
    """What the watch asks of a call."""

    @property
    def servable_id(self) -> ServableId:
        """Whose run it is."""
        ...

    @property
    def context(self) -> RequestContext | None:
        """Who asked for it."""
        ...

    @property
    def timeout_ms(self) -> int:
        """Its time limit, none if not positive."""
        ...

    def expired(self, error: ServingError) -> None:
        """It is answered, though it goes on: count why."""
        ...

    def let_go(self) -> None:
        """Nobody waits for it, though it goes on: its place in flight is another's."""
        ...


class Watched:
    """One run. Without ``run`` it has begun already, and ``answer`` is its caller's business."""

    __slots__ = ("_watch", "answer", "asked", "began", "expired", "gone_at", "run", "running_at", "told")

    def __init__(
        self, watch: "RunWatch", asked: Asked, run: "Future[Any] | None", answer: "Future[bytes] | None", now: float
    ) -> None:
        self._watch = watch
        self.asked = asked
        self.run = run
        self.answer = answer
        self.began = now
        self.running_at: float | None = now if run is None else None
        self.gone_at: float | None = None
        self.told = False
        self.expired = False

    def over(self) -> bool:
        """It has ended, or will not begin; False if its caller has been answered before that."""
        return self._watch.over(self)


class RunWatch:
    """Its thread is started by the first run. Thread-safe. ``gauge`` counts runs beyond a minute by model.

    ``max_run_seconds`` and ``stuck_seconds`` are the flags, 0 for none; ``full`` says that no thread is left.
    """

    def __init__(
        self,
        gauge: Family[Gauge] | None = None,
        *,
        max_run_seconds: float = 0,
        stuck_seconds: float = 0,
        full: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gauge = gauge
        self._max_run_seconds = max(max_run_seconds, 0)
        self._stuck_seconds = stuck_seconds
        self._full = full
        self._clock = clock
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._runs: dict[int, Watched] = {}
        self._thread: threading.Thread | None = None
        self._asleep = self._closing = False
        self._ended_at = self._refused_at = -1e9
        self.stuck = False
        """Whether calls wait, and none has ended for ``stuck_seconds``."""

    def add(self, asked: Asked, run: "Future[Any] | None", answer: "Future[bytes] | None") -> Watched:
        """Watch a run from now on; ``over`` of what this gives has to follow."""
        watched = Watched(self, asked, run, answer, self._clock())
        with self._lock:
            self._runs[id(watched)] = watched
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="run-watch", daemon=True)
                self._thread.start()
            elif self._asleep:
                self._changed.notify()
        return watched

    def over(self, watched: Watched) -> bool:
        """What ``Watched.over`` calls."""
        now = self._clock()
        with self._lock:
            self._runs.pop(id(watched), None)
            ended = watched.run is None or not watched.run.cancelled()
            watched.run = watched.answer = None  # each holds the others, until the next garbage collection
            if ended:
                self._ended_at = now
            expired = watched.expired
        if watched.told:
            logger.info(
                "A run of %s has ended after %d s", watched.asked.servable_id, now - (watched.running_at or now)
            )
            self._count()
        if ended and self.stuck:
            self._set_stuck(False)
        return not expired

    def refused(self) -> None:
        """A call was turned away, for too many run."""
        self._refused_at = self._clock()

    def close(self) -> None:
        """End the thread."""
        with self._lock:
            self._closing = True
            self._changed.notify()

    def look(self) -> bool:
        """Do what is due; whether there was anything to look at."""
        now = self._clock()
        with self._lock:
            runs = list(self._runs.values())
        for watched in runs:
            self._look_at(watched, now)
        if self._stuck_seconds > 0:
            self._judge(runs, now)
        return bool(runs)

    def _watch(self) -> None:
        quiet = 0
        while not self._closing:
            try:
                quiet = 0 if self.look() or self.stuck else quiet + 1
            except Exception:  # noqa: BLE001 - the loop's net: a defect must not leave the other runs unwatched
                logger.exception("Watching runs failed")
            with self._lock:
                self._asleep = quiet >= _QUIET_TICKS and not self._runs
                self._changed.wait(None if self._asleep else _TICK_SECONDS)
                self._asleep = False

    def _look_at(self, watched: Watched, now: float) -> None:
        run = watched.run
        if watched.running_at is None and run is not None and run.running():
            watched.running_at = now
        answer = watched.answer
        if answer is not None and run is not None:
            self._look_at_caller(watched, run, answer, now)
        if watched.running_at is not None and now - watched.running_at >= LONG_SECONDS and not watched.told:
            self._tell(watched, now - watched.running_at)

    def _look_at_caller(self, watched: Watched, run: "Future[Any]", answer: "Future[bytes]", now: float) -> None:
        limit = self._limit(watched)
        slack = _QUEUE_SLACK_SECONDS if watched.running_at is None else _RUN_SLACK_SECONDS
        if not answer.done() and limit and now - (watched.running_at or watched.began) >= limit + slack:
            self._expire(watched, answer, limit)
            run.cancel()
        if not answer.done() or watched.running_at is None:
            return
        if watched.gone_at is None:
            watched.gone_at = now
        elif now - watched.gone_at >= LOST_SECONDS and isinstance(run, PlacedFuture):
            run.write_off()
            watched.asked.let_go()

    def _limit(self, watched: Watched) -> float:
        """In seconds; 0 for none."""
        most, given = self._max_run_seconds, watched.asked.timeout_ms / 1000
        return min(given, most or given) if given > 0 else most

    def _expire(self, watched: Watched, answer: "Future[bytes]", limit: float) -> None:
        """Answer a call whose time is over, though its run goes on or has not begun."""
        with self._lock:
            if watched.expired or id(watched) not in self._runs or not answer.set_running_or_notify_cancel():
                return
            watched.expired = True
        if watched.running_at is None:
            text = f"No thread was free for the run within its time limit of {limit:g} s: see --rest_api_num_threads"
        else:
            text = f"The run did not end within its time limit of {limit:g} s, and cannot be ended"
        error = ServingError(Code.DEADLINE_EXCEEDED, text)
        watched.asked.expired(error)
        answer.set_exception(error)

    def _tell(self, watched: Watched, seconds: float) -> None:
        watched.told = True
        text = "A run of %s has been running for %d s%s"
        logger.warning(text, watched.asked.servable_id, seconds, _who(watched.asked.context))
        self._count()

    def _count(self) -> None:
        if self._gauge is None:
            return
        with self._lock:
            counts = Counter(each.asked.servable_id.name for each in self._runs.values() if each.told)
            for (name,), gauge in self._gauge.points():
                gauge.set(counts.pop(name, 0))
            for name, count in counts.items():
                self._gauge.child(name).set(count)

    def _judge(self, runs: "list[Watched]", now: float) -> None:
        """Whether readiness is to go, or to come back as nothing would have to wait any more."""
        since = now - self._stuck_seconds
        waits = [each for each in runs if each.running_at is None and each.answer is not None]
        waiting = bool(waits) or self._refused_at > since
        if not self.stuck:
            running = min([each.running_at for each in runs if each.running_at is not None], default=now)
            if waiting and self._ended_at <= since and running <= since:
                self._set_stuck(True)
        elif not waiting and not self._full():
            self._set_stuck(False)

    def _set_stuck(self, stuck: bool) -> None:
        self.stuck = stuck
        if stuck:
            text = "Readiness is withdrawn: calls wait, and no run has ended for %g s (--stuck_seconds)"
            logger.error(text, self._stuck_seconds)
        else:
            logger.info("Readiness is back: runs end, or have left their threads to others")


def _who(context: RequestContext | None) -> str:
    """Who asked, for the log. What a client sends is quoted: it may have line breaks."""
    if context is None:
        return ""
    peer = f" by {context.peer}" if context.peer else ""
    request = f" as {context.request_id[:_LONGEST_SHOWN]!r}" if context.request_id else ""
    return f"; asked for over {'gRPC' if context.door == 'GRPC' else context.door}{peer}{request}"
