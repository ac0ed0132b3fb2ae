"""The one background loop of the model lifecycle: it polls the source, steps the manager and has its actions done.

It decides nothing about versions (``core/manager.py`` does) and finds none (``sources/`` do).
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from serving.core.actions import Action
from serving.core.manager import Manager
from serving.core.servable import Loader, ServableId, ServableState, State
from serving.errors import Code, ServingError
from serving.loading.performer import Performer, Report
from serving.loading.settling import Settling
from serving.loading.weighing import Meter, Weighing
from serving.sources.file_system import NotADirectory, reservable
from serving.sources.poll import Source
from serving.sources.stamp import Stamp, stamp
from serving.telemetry.log import logger

LoaderFor = Callable[[str, int, Path], Loader]
"""Makes the loader of a model's version at a path; called on the loop's thread on every poll, so it must be cheap."""

Spawn = Callable[[Callable[[], None], str], None]
"""Runs a function on a thread of its own, under a name."""


def on_thread(work: Callable[[], None], name: str) -> None:
    """Run ``work`` on a new daemon thread: a load that never ends must not keep the process from ending."""
    threading.Thread(target=work, name=name, daemon=True).start()


class ManagerLoop:
    """Owns the thread on which a manager is stepped, and the threads on which its versions are loaded and unloaded.

    ``poll_wait_seconds`` is the time between two polls; 0 polls once at the start, less than 0 never; ``rescan`` polls
    at any setting. ``settle_seconds`` is how long the files of a version must have been left alone before it is loaded,
    0 for no wait. ``max_loads`` and ``max_unloads`` bound what runs at the same time, each on a thread of its own, so
    that a slow load delays no other model. ``held_bytes`` gives what the process holds, if that is limited, and
    ``meter`` measures what versions add. ``on_death`` is told when the loop ends by a failure, and ``on_first_failure``
    what the performer tells, on the loop's thread.
    """

    def __init__(
        self,
        manager: Manager,
        source: Source,
        loader_for: LoaderFor,
        *,
        poll_wait_seconds: float = 1.0,
        settle_seconds: float = 0.0,
        max_loads: int = 4,
        max_unloads: int = 4,
        held_bytes: Callable[[], int] | None = None,
        meter: Meter | None = None,
        on_death: Callable[[BaseException], None] | None = None,
        stamp_of: Callable[[Path], Stamp] = stamp,
        clock: Callable[[], float] = time.monotonic,
        spawn: Spawn = on_thread,
    ) -> None:
        self._manager = manager
        self._source = source
        self._loader_for = loader_for
        self._poll_wait_seconds = poll_wait_seconds
        self._max_loads = max_loads
        self._max_unloads = max_unloads
        self._on_death = on_death
        self._clock = clock
        self._spawn = spawn
        self._held_bytes = held_bytes
        self._weighing = Weighing(manager)
        self.on_first_failure: Callable[[ServableId], None] = lambda servable_id: None
        self._performer = Performer(manager, meter, lambda servable_id: self.on_first_failure(servable_id))
        self._settling = Settling(manager, settle_seconds, stamp_of=stamp_of)
        self._thread: threading.Thread | None = None
        self._next_poll: float | None = None
        self._quiescing: list[ServableId] = []
        self._changed = threading.Condition()
        # Guarded by the condition, from here on.
        self._reports: list[Report] = []
        self._running = 0
        self._rounds = 0
        self._woken = False
        self._scans_wanted = 1 if poll_wait_seconds >= 0 else 0
        self._scans_done = 0
        self._closing = False
        self._stopping = False
        self._death: BaseException | None = None
        manager.on_work = self.wake
        manager.monitor.subscribe(self._note)

    def start(self) -> None:
        """Begin to poll and to load; called once."""
        self._thread = threading.Thread(target=self._run, name="manager-loop", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Go round now rather than at the next deadline; from any thread."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def rescan(self) -> int:
        """Poll the source now, whatever ``poll_wait_seconds`` is; from any thread. Gives a number for ``scanned``."""
        with self._changed:
            self._scans_wanted += 1
            scan = self._scans_wanted
        self.wake()
        return scan

    def scanned(self, scan: int) -> bool:
        """Whether what was there when ``rescan`` gave this number has been aspired."""
        with self._changed:
            return self._scans_done >= scan

    def wait_until(self, done: Callable[[], bool], timeout: float | None = None) -> None:
        """Block until ``done``, looked at again after each round, or until a stop or ``timeout`` seconds are over.

        INTERNAL when the loop has died. ``wake`` makes it look again.
        """
        self._wait(done, timeout)
        if self._death is not None:
            raise ServingError(Code.INTERNAL, "Models are not managed any more; the server's log has details")

    def close(self, timeout: float | None = None) -> bool:
        """Unload everything as soon as its handles are free, then stop; whether all was done in ``timeout`` seconds.

        Nothing new is loaded; loads that run are waited for and their versions unloaded again.
        """
        begin = self._clock()
        with self._changed:
            self._closing = True
        self.wake()
        if self._thread is not None:
            self._wait(lambda: not self._manager.managed(), timeout)
        stopped = self.stop(None if timeout is None else max(0.0, begin + timeout - self._clock()))
        return stopped and not self._manager.managed()

    def stop(self, timeout: float | None = None) -> bool:
        """Poll and begin nothing any more, wait for what runs; whether it ended in ``timeout`` seconds.

        What is loaded stays loaded and can still be acquired.
        """
        with self._changed:
            self._stopping = True
        self.wake()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def run_once(self, now: float) -> float | None:
        """One round: make reports, poll if due, begin actions. The seconds until the next one is due; None: on waking.

        The loop's thread calls this; by hand it is for tests, with a clock and threads of their own.
        """
        with self._changed:
            reports, self._reports = self._reports, []
            self._running -= len(reports)
            self._woken = False
            scan = self._scans_wanted
            poll = scan > self._scans_done
            stopping, closing = self._stopping, self._closing
        for report in reports:
            report(now)
        if closing:
            self._un_aspire()
        elif not stopping and (poll or (self._next_poll is not None and now >= self._next_poll)):
            self._poll()
        if not stopping:
            self._manager.rouse(now)
            self._settling.look(now)
            self._step(now)
        with self._changed:
            self._scans_done = scan
            self._rounds += 1
            self._changed.notify_all()
        return self._pause(now, stopping or closing)

    def _pause(self, now: float, ending: bool) -> float | None:
        deadlines = [self._manager.next_deadline(now), self._settling.next_look(), self._next_poll]
        known = [each for each in deadlines if each is not None]
        return max(0.0, min(known) - now) if known and not ending else None

    def _poll(self) -> None:
        found = self._source.poll()
        for notice in found.notices:
            logger.log(notice.level, "%s", notice.text)
        for name, versions in found.aspired.items():
            self._manager.set_aspired(name, self._loaders(name, versions))
            self._settling.follow(name, versions)
            self._weighing.follow(name, versions)
        # From the end of this poll: a slow file system gets a rest of the full time.
        self._next_poll = self._clock() + self._poll_wait_seconds if self._poll_wait_seconds > 0 else None

    def _loaders(self, name: str, versions: Mapping[int, Path]) -> dict[int, Loader]:
        return {
            version: self._loader_for(name, version, path)
            if reservable(path)
            else NotADirectory(id=ServableId(name=name, version=version), path=path)
            for version, path in versions.items()
        }

    def _un_aspire(self) -> None:
        for name in self._manager.managed():
            self._manager.set_aspired(name, {})

    def _step(self, now: float) -> None:
        resident = None
        if self._held_bytes is not None:
            self._weighing.look()
            resident = self._held_bytes()
        actions = self._manager.step(now, max_loads=self._max_loads, max_unloads=self._max_unloads, held_bytes=resident)
        if resident is not None:
            self._weighing.tell(now)
        for servable_id in self._quiescing:
            logger.info("Quiescing servable version %s", servable_id)
        self._quiescing.clear()
        for action in actions:
            with self._changed:
                self._running += 1
            self._spawn(partial(self._perform, action), f"{type(action).__name__.lower()}-{action.id.name}")

    def _perform(self, action: Action) -> None:
        report = self._performer.perform(action)
        with self._changed:
            self._reports.append(report)
        self.wake()

    def _note(self, state: ServableState) -> None:
        # Under the manager's lock, where nothing should be written to a log that may block.
        if state.state is State.UNLOADING:
            self._quiescing.append(state.id)

    def _run(self) -> None:
        try:
            while self._rest(self.run_once(self._clock())):
                pass
        except Exception as death:  # noqa: BLE001 - a dead loop must be known, whatever killed it
            logger.exception("The manager loop died; models are neither loaded nor unloaded any more")
            with self._changed:
                self._death = death
                self._changed.notify_all()
            if self._on_death is not None:
                self._on_death(death)

    def _rest(self, seconds: float | None) -> bool:
        """Wait for ``seconds``, a wake or the end; False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._woken or self._finished, seconds)
            return not self._finished

    @property
    def _finished(self) -> bool:
        return self._stopping and not self._running

    def _wait(self, done: Callable[[], bool], timeout: float | None) -> None:
        """Block until ``done``, looked at again after each round, or until the loop ends or the time is over."""
        deadline = None if timeout is None else self._clock() + timeout
        while True:
            with self._changed:
                rounds = self._rounds
                ended = self._stopping or self._death is not None
            left = None if deadline is None else deadline - self._clock()
            if done() or ended or not self._round_over(rounds, left):
                return

    def _round_over(self, rounds: int, timeout: float | None) -> bool:
        """Block until the loop has gone round since it had done so ``rounds`` times, or has ended."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._rounds != rounds or self._stopping or self._death is not None, timeout
            )
